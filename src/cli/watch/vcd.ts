/**
 * Changes as a Value Change Dump, for waveform viewers (IEEE 1364-2005, section 18). Strings are
 * GTKWave's extension: `$var string 1`, and `sTEXT`.
 */
import type { Json } from "../../json.ts";
import { formatValue } from "../../qom/codec.ts";
import { pathNames, type QomPath } from "../../qom/path.ts";
import {
	type Change,
	jsonOf,
	type SeenValue,
	type Sight,
} from "../../qom/watcher.ts";
import type { TextFile, WatchOutput } from "./output.ts";

type Kind = "bit" | "integer" | "string";

interface Variable {
	readonly id: string;
	readonly kind: Kind;
}

export class VcdOutput implements WatchOutput {
	readonly #file: TextFile;
	readonly #variables = new Map<string, Variable>();
	#beginMs = 0;
	#timeMs = 0;

	constructor(file: TextFile) {
		this.#file = file;
	}

	/** What is watched at first is all that a dump can have. */
	begin(sight: Sight, timeMs: number): void {
		this.#beginMs = timeMs;
		const write = (text: string) => this.#file.write(text);
		write(`$date ${new Date(timeMs).toISOString()} $end\n`);
		write("$version qomfs $end\n$timescale 1 ms $end\n");
		const groups = Map.groupBy(sight.values.values(), ({ path }) => path);
		for (const [path, values] of groups) this.#declare(path, values);
		write("$enddefinitions $end\n#0\n$dumpvars\n");
		for (const { path, property, value } of sight.values.values())
			this.#put(path, property, jsonOf(value));
		write("$end\n");
	}

	change(change: Change, timeMs: number): void {
		if (change.kind !== "value") return;
		const { path, property, after } = change;
		if (!this.#variables.has(keyOf(path, property))) return;
		this.#goTo(timeMs);
		this.#put(path, property, jsonOf(after));
	}

	flush(): Promise<void> {
		return this.#file.flush();
	}

	/** Without a last time the last values would have no width. */
	end(timeMs: number): Promise<void> {
		this.#goTo(Math.max(timeMs, this.#beginMs + this.#timeMs + 1));
		return this.#file.close();
	}

	#goTo(timeMs: number): void {
		const atMs = Math.max(this.#timeMs, Math.round(timeMs - this.#beginMs));
		if (atMs === this.#timeMs) return;
		this.#timeMs = atMs;
		this.#file.write(`#${atMs}\n`);
	}

	#declare(path: QomPath, values: readonly SeenValue[]): void {
		const scopes = pathNames(path);
		for (const name of scopes)
			this.#file.write(`$scope module ${identifier(name)} $end\n`);
		for (const { property, value } of values) {
			const variable = {
				id: idOf(this.#variables.size),
				kind: kindOf(jsonOf(value)),
			};
			this.#variables.set(keyOf(path, property), variable);
			const [type, width] = forms[variable.kind];
			this.#file.write(
				`$var ${type} ${width} ${variable.id} ${identifier(property)} $end\n`,
			);
		}
		for (const _name of scopes) this.#file.write("$upscope $end\n");
	}

	#put(path: QomPath, property: string, value: Json | undefined): void {
		const variable = this.#variables.get(keyOf(path, property));
		if (!variable) return;
		const { id, kind } = variable;
		this.#file.write(
			`${valueText(kind, value)}${kind === "bit" ? "" : " "}${id}\n`,
		);
	}
}

const forms = {
	bit: ["wire", 1],
	integer: ["wire", 64],
	string: ["string", 1],
} as const;

function keyOf(path: QomPath, property: string): string {
	return `${path} ${property}`;
}

function kindOf(value: Json | undefined): Kind {
	if (typeof value === "boolean") return "bit";
	return isInteger(value) ? "integer" : "string";
}

function isInteger(value: Json | undefined): value is number | bigint {
	return typeof value === "bigint" || Number.isInteger(value);
}

/** What cannot be read, or has another kind than at first, is unknown. */
function valueText(kind: Kind, value: Json | undefined): string {
	switch (kind) {
		case "bit":
			if (typeof value !== "boolean") return "x";
			return value ? "1" : "0";
		case "integer":
			return isInteger(value)
				? `b${BigInt.asUintN(64, BigInt(value)).toString(2)}`
				: "bx";
		case "string":
			return `s${value === undefined ? "" : escaped(formatValue(value))}`;
	}
}

/** As GTKWave reads it: without blanks, and in ASCII. */
function escaped(text: string): string {
	return [...Buffer.from(text)]
		.map((byte) =>
			byte > 0x20 && byte < 0x7f && byte !== 0x5c
				? String.fromCharCode(byte)
				: `\\x${byte.toString(16).padStart(2, "0")}`,
		)
		.join("");
}

/** A name may have no blanks. */
function identifier(name: string): string {
	return name.replace(/[^\x21-\x7e]/g, "_");
}

/** Short texts of printable characters. */
function idOf(index: number): string {
	const digit = String.fromCharCode(33 + (index % 94));
	return index < 94 ? digit : idOf(Math.floor(index / 94) - 1) + digit;
}
