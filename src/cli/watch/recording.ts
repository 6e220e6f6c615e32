/**
 * Values with times, in a file of one JSON object a line, to be played back. It may be written by hand:
 * `{"at": SECONDS, "path": PATH, "property": NAME, "value": JSON}`, and `{"at": SECONDS, "end": true}` where the last
 * value is to stay for some time.
 */
import { readFile } from "node:fs/promises";
import { QomfsError } from "../../errors.ts";
import {
	formatJson,
	isObject,
	type Json,
	type JsonObject,
	parseJson,
} from "../../json.ts";
import type { ShownValue } from "../../qom/contents.ts";
import type { QomPath } from "../../qom/path.ts";
import { type Change, jsonOf, type Sight } from "../../qom/watcher.ts";
import { systemReason } from "../wholeFile.ts";
import type { TextFile, WatchOutput } from "./output.ts";

/** What the first member of the first line says. */
const recordingFormat = "qomfs-recording";

/** A value that a property had from some time on. */
export interface RecordedValue {
	/** In seconds since the recording began. */
	readonly at: number;
	readonly path: QomPath;
	readonly property: string;
	readonly value: Json;
}

/** Records the first values, and every other from the time on when it was seen. */
export class RecordingOutput implements WatchOutput {
	readonly #file: TextFile;
	#beginMs = 0;

	constructor(file: TextFile) {
		this.#file = file;
	}

	begin({ values }: Sight, timeMs: number): void {
		this.#beginMs = timeMs;
		const time = new Date(timeMs).toISOString();
		this.#line({ format: recordingFormat, version: 1, time });
		for (const { path, property, value } of values.values())
			this.#value(0, path, property, value);
	}

	change(change: Change, timeMs: number): void {
		if (change.kind !== "value" || change.after === undefined) return;
		const { path, property, after } = change;
		this.#value((timeMs - this.#beginMs) / 1000, path, property, after);
	}

	flush(): Promise<void> {
		return this.#file.flush();
	}

	end(timeMs: number): Promise<void> {
		this.#line({ at: (timeMs - this.#beginMs) / 1000, end: true });
		return this.#file.close();
	}

	#value(at: number, path: QomPath, property: string, seen: ShownValue): void {
		const value = jsonOf(seen);
		if (value !== undefined) this.#line({ at, path, property, value });
	}

	#line(line: JsonObject): void {
		this.#file.write(`${formatJson(line)}\n`);
	}
}

export interface Recording {
	/** In the order of their times. */
	readonly values: readonly RecordedValue[];
	/** When it was ended, in seconds since it began. */
	readonly endSec: number;
	/** Whether it was recorded, with what all properties had at first, and not written by hand. */
	readonly isRecorded: boolean;
}

const readReasons: ReadonlyMap<string, string> = new Map([
	["ENOENT", "no such file"],
	["EISDIR", "a directory, and no recording of 'qomfs watch --record'"],
]);

/** @throws QomfsError it cannot be read; the message says where */
export async function readRecording(file: string): Promise<Recording> {
	const text = await readFile(file, "utf8").catch((cause) => {
		const reason = readReasons.get(cause.code) ?? systemReason(cause);
		throw new QomfsError(`${file}: ${reason}`, { cause });
	});
	const values: RecordedValue[] = [];
	let endSec = 0;
	let isRecorded = false;
	for (const [index, line] of text.split("\n").entries()) {
		if (line.trim() === "") continue;
		const value = readLine(line, `${file}: line ${index + 1}`);
		if (!value) isRecorded = true;
		endSec = Math.max(endSec, value?.at ?? 0);
		if (value && "path" in value) values.push(value);
	}
	values.sort((a, b) => a.at - b.at);
	return { values, endSec, isRecorded };
}

/** Undefined for the head. @throws QomfsError */
function readLine(
	line: string,
	where: string,
): RecordedValue | { readonly at: number } | undefined {
	const document = parsed(line, where);
	const { format, version, at, end, path, property, value } = document;
	if (format !== undefined) {
		if (format !== recordingFormat)
			throw new QomfsError(`${where}: no recording of qomfs`);
		if (version !== 1)
			throw new QomfsError(
				`${where}: a recording of version ${formatJson(version ?? null)}; this qomfs reads version 1`,
			);
		return undefined;
	}
	if (typeof at !== "number" || !(at >= 0))
		throw new QomfsError(`${where}: 'at' is not a number of seconds`);
	if (end === true) return { at };
	if (typeof path !== "string" || typeof property !== "string")
		throw new QomfsError(`${where}: 'path' and 'property' are not strings`);
	if (value === undefined) throw new QomfsError(`${where}: 'value' is missing`);
	return { at, path, property, value };
}

function parsed(line: string, where: string) {
	try {
		const document = parseJson(line);
		if (isObject(document)) return document;
	} catch {}
	throw new QomfsError(`${where}: not a JSON object`);
}
