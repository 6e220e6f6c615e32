/**
 * `npm run fuzz -- MILLIONS` (default 10): generated messages through the splitter, the
 * guards and the codec. fast-check picks the seeds, shrinks and replays; from a seed a small
 * generator makes thousands of messages, for it has to be quick. `SEED=n` repeats a run.
 */
import fc from "fast-check";
import { FileError, ProtocolError } from "../src/errors.ts";
import { formatJson, isObject, type Json, parseJson } from "../src/json.ts";
import { MessageSplitter } from "../src/qmp/messageSplitter.ts";
import { readMessage } from "../src/qmp/messages.ts";
import {
	formatValue,
	incomplete,
	kindOfType,
	kindOfValue,
	parseValue,
	type ValueKind,
} from "../src/qom/codec.ts";
import { guardReason, isSecret } from "../src/qom/guard.ts";
import {
	isCanonicalPath,
	isFileName,
	relativePath,
	resolvePath,
} from "../src/qom/path.ts";

const wanted = Number(process.argv[2] ?? 10) * 1e6;
if (!(wanted > 0))
	throw new Error(`'${process.argv[2]}' is no number of millions`);

const counts = { split: 0, mutilated: 0, guarded: 0, converted: 0 };
const total = () =>
	Object.values(counts).reduce((sum, count) => sum + count, 0);

function check(isSo: boolean, what: () => string): void {
	if (!isSo) throw new Error(what());
}

/** Quick, and the same for the same seed (xorshift32). */
class Dice {
	#state: number;

	constructor(seed: number) {
		this.#state = seed | 0 || 1;
	}

	/** 0 to `below` - 1. */
	roll(below: number): number {
		this.#state ^= this.#state << 13;
		this.#state ^= this.#state >>> 17;
		this.#state ^= this.#state << 5;
		return (this.#state >>> 0) % below;
	}

	pick<Value>(values: readonly Value[]): Value {
		return values[this.roll(values.length)] as Value;
	}
}

const pieces = [
	...["{", "}", "[", "]", '"', "\\", "\n", "\r", " ", ",", ":", "/", "..", "."],
	...[
		"a",
		"é",
		"€",
		"😀",
		"\0",
		"\x1b",
		"\u2028",
		"\ud800",
		"\udfff",
		"\ufeff",
	],
	...[
		"id",
		"return",
		"true",
		"null",
		"0x10",
		"1e9",
		"-1",
		"18446744073709551615",
	],
	...["__proto__", "constructor", "toString", "/machine", "type", "1K", "_"],
];

function anyText(dice: Dice): string {
	let text = "";
	for (let left = dice.roll(5); left > 0; left--) text += dice.pick(pieces);
	return text;
}

const numbers: readonly (number | bigint)[] = [
	...[0, 1, -1, 255, 0.5, -0.25, 1e21, 2 ** 53 - 1, -(2 ** 31)],
	...[2n ** 53n, 2n ** 63n, 2n ** 64n - 1n, -(2n ** 63n)],
];

function anyValue(dice: Dice, depth: number): Json {
	switch (dice.roll(depth > 0 ? 8 : 5)) {
		case 0:
			return dice.pick([null, true, false]);
		case 1:
			return dice.pick(numbers);
		case 2:
			return dice.roll(2 ** 31) - 2 ** 30;
		case 3:
		case 4:
			return anyText(dice);
		case 5:
			return Array.from({ length: dice.roll(4) }, () =>
				anyValue(dice, depth - 1),
			);
		default:
			return anyObject(dice, depth - 1);
	}
}

function anyObject(dice: Dice, depth: number): { [key: string]: Json } {
	const entries: [string, Json][] = [];
	for (let left = dice.roll(4); left > 0; left--)
		entries.push([anyText(dice), anyValue(dice, depth)]);
	return Object.fromEntries(entries);
}

/** Something like QMP, or just an object. */
function anyMessage(dice: Dice): { [key: string]: Json } {
	const id = dice.pick<Json>([0, 1, 9, "1", null, 2n ** 64n - 1n, { a: 1 }]);
	switch (dice.roll(6)) {
		case 0:
			return { return: anyValue(dice, 2), id };
		case 1:
			return { id, error: { class: anyText(dice), desc: anyText(dice) } };
		case 2:
			return { id, error: anyValue(dice, 2) };
		case 3:
			return {
				...{ event: anyText(dice), data: anyValue(dice, 2) },
				timestamp: anyValue(dice, 1),
			};
		case 4:
			return {
				QMP: { version: anyValue(dice, 2), capabilities: anyValue(dice, 1) },
			};
		default:
			return anyObject(dice, 2);
	}
}

const spaces = ["", "\n", "\r\n", " \t\r\n"];

function cut(bytes: Buffer, dice: Dice): Buffer[] {
	const chunks: Buffer[] = [];
	for (let start = 0; start < bytes.length; ) {
		// Mostly as a socket gives them, now and then byte by byte.
		const length = dice.roll(4) === 0 ? 1 + dice.roll(3) : 1 + dice.roll(4096);
		chunks.push(bytes.subarray(start, start + length));
		start += length;
	}
	return chunks;
}

/** Well-formed messages come out as they went in, wherever the stream is cut. */
function splitsExactly(seed: number, count: number): void {
	const dice = new Dice(seed);
	const texts: string[] = [];
	let stream = "";
	for (let left = count; left > 0; left--) {
		const message = anyMessage(dice);
		const text =
			dice.roll(20) === 0
				? JSON.stringify(JSON.parse(formatJson(message)), null, 4)
				: formatJson(message);
		texts.push(text);
		stream += text + dice.pick(spaces);
	}
	const splitter = new MessageSplitter();
	const found = cut(Buffer.from(stream), dice).flatMap((chunk) =>
		splitter.push(chunk),
	);
	counts.split += count;
	check(
		found.length === texts.length,
		() => `${found.length} messages of ${count}`,
	);
	check(splitter.pendingBytes === 0, () => "bytes are left over");
	for (const [index, text] of found.entries()) {
		check(text === texts[index], () => `${text} is not ${texts[index]}`);
		readsOrRefuses(text);
	}
}

/** A text that the splitter let through is a message or a clear refusal, and nothing else. */
function readsOrRefuses(text: string): void {
	let json: Json;
	try {
		json = parseJson(text);
	} catch (error) {
		check(error instanceof SyntaxError, () => `${text}: ${error}`);
		return;
	}
	const again = parseJson(formatJson(json));
	check(formatJson(again) === formatJson(json), () => `${text} changes`);
	try {
		const message = readMessage(json);
		if (message.kind === "event")
			check(isObject(message.data), () => `${text}: data is no object`);
		if (message.kind === "error")
			check(typeof message.desc === "string", () => `${text}: no description`);
	} catch (error) {
		check(error instanceof ProtocolError, () => `${text}: ${error}`);
	}
}

/** Damaged streams end in a ProtocolError at worst, and nothing piles up. */
function survivesDamage(seed: number, count: number): void {
	const dice = new Dice(seed);
	const limits = { messageBytes: 4096, depth: 32 };
	let splitter = new MessageSplitter(limits);
	for (let left = count; left > 0; left--) {
		const text = formatJson(anyMessage(dice));
		const bytes = Buffer.from(text);
		for (let damage = dice.roll(3); damage > 0 && bytes.length > 0; damage--)
			bytes[dice.roll(bytes.length)] = dice.pick([
				...[
					0x22, 0x5c, 0x7b, 0x7d, 0x5b, 0x5d, 0, 0xff, 0xc0, 0xed, 0x2c, 0x39,
				],
			]);
		const end = dice.roll(4) === 0 ? dice.roll(bytes.length + 1) : bytes.length;
		try {
			for (const found of splitter.push(bytes.subarray(0, end))) {
				check(found.startsWith("{"), () => `${found} does not begin an object`);
				readsOrRefuses(found);
			}
			check(
				splitter.pendingBytes <= limits.messageBytes,
				() => `${splitter.pendingBytes} bytes are kept`,
			);
		} catch (error) {
			if (!(error instanceof ProtocolError)) throw error;
			splitter = new MessageSplitter(limits);
		}
	}
	counts.mutilated += count;
}

const names = [
	"realized",
	"hotplug-handler",
	"cpu-hotplug-legacy",
	"memory-backend",
];
const guarded = new Set(names);
const types = [
	"bool",
	"int",
	"uint8",
	"size",
	"str",
	"string",
	"",
	"struct tm",
	"link<a>",
	"child<b>",
	"intList",
];

/** What is dangerous is guarded whatever stands around it, and what is not is not. */
function guardsHold(seed: number, count: number): void {
	const dice = new Dice(seed);
	for (let left = count; left > 0; left--) {
		const object =
			dice.roll(8) === 0
				? `/objects/compat_monitor${dice.roll(9)}`
				: `/${anyText(dice)}`;
		const objectType = dice.pick([
			undefined,
			"monitor-qmp",
			"secret",
			anyText(dice),
		]);
		const property = dice.roll(3) === 0 ? dice.pick(names) : anyText(dice);
		const type = dice.roll(3) === 0 ? anyText(dice) : dice.pick(types);
		const isDangerous =
			guarded.has(property) ||
			(type.startsWith("link<") && type.endsWith(">")) ||
			object.startsWith("/objects/compat_monitor") ||
			objectType === "monitor-qmp";
		const reason = guardReason(object, objectType, property, type);
		check(
			(reason !== undefined) === isDangerous,
			() => `${object} ${objectType} ${property} ${type}: ${reason}`,
		);
		check(typeof isSecret(objectType, property) === "boolean", () => property);
		const target = `/${anyText(dice)}/${anyText(dice)}`;
		if (isCanonicalPath(object) && isCanonicalPath(target)) {
			const link = relativePath(object, target);
			check(
				!link.startsWith("/") && link !== "",
				() => `${link} leaves the mount`,
			);
			check(
				resolvePath(object, link) === (target === "/" ? "/" : target),
				() => `${object} -> ${target} by ${link}`,
			);
		}
		const name = anyText(dice);
		if (isFileName(name))
			check(
				!/[/\0]/.test(name) && name !== "" && name !== ".." && name !== ".",
				() => name,
			);
	}
	counts.guarded += count;
}

const kinds: readonly ValueKind[] = [
	"boolean",
	"integer",
	"number",
	"string",
	"object",
	"array",
];

/** Values survive the way through a file; any text gives a value or a FileError. */
function convertsLosslessly(seed: number, count: number): void {
	const dice = new Dice(seed);
	for (let left = count; left > 0; left--) {
		const value = parseJson(formatJson(anyValue(dice, 2)));
		const kind = kindOfValue(value);
		const text = formatValue(value);
		if (kind && isWhole(value)) {
			const back = parseValue(text, kind, "x");
			check(
				back !== incomplete && formatJson(back) === formatJson(value),
				() => `${text} as ${kind} is ${String(back)}`,
			);
		}
		const wild = anyText(dice);
		const type = dice.roll(2) === 0 ? anyText(dice) : dice.pick(types);
		const wanted = dice.roll(2) === 0 ? kindOfType(type) : dice.pick(kinds);
		try {
			const parsed = parseValue(wild, wanted, type);
			if (parsed === incomplete)
				check(
					wanted === "object" || wanted === "array",
					() => `${wild} as ${wanted} is held`,
				);
			else if (wanted === "integer" && typeof parsed === "bigint")
				check(
					parsed >= -(2n ** 63n) && parsed < 2n ** 64n,
					() => `${parsed} of ${wild}`,
				);
		} catch (error) {
			check(error instanceof FileError, () => `${wild} as ${wanted}: ${error}`);
		}
	}
	counts.converted += count;
}

/** Whether a user could have typed it: whole characters, and integers that QOM has. */
function isWhole(value: Json): boolean {
	if (typeof value === "number")
		return !/e/.test(`${value}`) || !Number.isInteger(value);
	return formatJson(value).search(/\\ud[89a-f]/i) < 0;
}

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
console.log(`seed ${seed}`);
const startMs = performance.now();
const perRun = 4000;
const properties = [
	splitsExactly,
	survivesDamage,
	guardsHold,
	convertsLosslessly,
];
let rounds = 0;
while (total() < wanted) {
	for (const holds of properties)
		fc.assert(
			fc.property(
				// A failure is shrunk to few messages; their seed stays as it is.
				fc.noShrink(fc.integer({ min: 1, max: 2 ** 31 - 1 })),
				fc.integer({ min: 1, max: perRun }),
				holds,
			),
			{ seed: seed + rounds, numRuns: 50 },
		);
	rounds++;
	const seconds = (performance.now() - startMs) / 1000;
	if (rounds % 5 === 0)
		console.log(
			`${(total() / 1e6).toFixed(1)} million after ${seconds.toFixed(0)} s`,
		);
}
const seconds = (performance.now() - startMs) / 1000;
console.log(
	`${total()} generated messages in ${seconds.toFixed(0)} s, nothing failed: ${counts.split} split, ${counts.mutilated} damaged, ${counts.guarded} guarded, ${counts.converted} converted`,
);
