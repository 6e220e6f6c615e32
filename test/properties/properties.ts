/**
 * What holds whatever comes in: of the splitter, of messages, of the guard, of paths and of
 * values. `properties.test.ts` tries each a few times, `npm run fuzz` as often as it is told.
 */
import fc from "fast-check";
import { ProtocolError, ValueError } from "../../src/errors.ts";
import { formatJson, isObject, type Json, parseJson } from "../../src/json.ts";
import { MessageSplitter } from "../../src/qmp/messageSplitter.ts";
import { readMessage } from "../../src/qmp/messages.ts";
import {
	formatValue,
	incomplete,
	kindOfType,
	kindOfValue,
	parseValue,
	type ValueKind,
} from "../../src/qom/codec.ts";
import { guardReason, isSecret } from "../../src/qom/guard.ts";
import {
	isCanonicalPath,
	isFileName,
	relativePath,
	resolvePath,
} from "../../src/qom/path.ts";
import { messages, texts, values } from "./generators.ts";

function check(isSo: boolean, what: () => string): void {
	if (!isSo) throw new Error(what());
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

/** Mostly as a socket gives them, now and then byte by byte. */
const chunkLengths = fc.array(
	fc.oneof(
		{ weight: 1, arbitrary: fc.integer({ min: 1, max: 3 }) },
		{ weight: 3, arbitrary: fc.integer({ min: 1, max: 4096 }) },
	),
	{ minLength: 1, maxLength: 20 },
);

function cut(bytes: Buffer, lengths: readonly number[]): Buffer[] {
	const chunks: Buffer[] = [];
	for (let start = 0; start < bytes.length; ) {
		const length = lengths[chunks.length % lengths.length] ?? 1;
		chunks.push(bytes.subarray(start, start + length));
		start += length;
	}
	return chunks;
}

const writtenMessages = fc.tuple(
	messages,
	fc.constantFrom("", "\n", "\r\n", " \t\r\n"),
	fc.oneof(
		{ weight: 19, arbitrary: fc.constant(false) },
		{ weight: 1, arbitrary: fc.constant(true) },
	),
);

const splitsExactly = fc.property(
	fc.array(writtenMessages, { maxLength: 12 }),
	chunkLengths,
	(written, lengths) => {
		const expected = written.map(([message, , isIndented]) =>
			isIndented
				? JSON.stringify(JSON.parse(formatJson(message)), null, 4)
				: formatJson(message),
		);
		const stream = expected
			.map((text, index) => text + written[index]?.[1])
			.join("");
		const splitter = new MessageSplitter();
		const found = cut(Buffer.from(stream), lengths).flatMap((chunk) =>
			splitter.push(chunk),
		);
		check(
			found.length === expected.length,
			() => `${found.length} messages of ${expected.length}`,
		);
		check(splitter.pendingBytes === 0, () => "bytes are left over");
		for (const [index, text] of found.entries()) {
			check(
				text === expected[index],
				() => `${text} is not ${expected[index]}`,
			);
			readsOrRefuses(text);
		}
	},
);

const damages = fc.array(
	fc.tuple(
		fc.nat(),
		fc.constantFrom(
			...[0x22, 0x5c, 0x7b, 0x7d, 0x5b, 0x5d, 0, 0xff, 0xc0, 0xed, 0x2c, 0x39],
		),
	),
	{ maxLength: 2 },
);

const survivesDamage = fc.property(
	fc.array(fc.tuple(messages, damages, fc.option(fc.nat(), { freq: 3 })), {
		maxLength: 12,
	}),
	(damaged) => {
		const limits = { messageBytes: 4096, depth: 32 };
		let splitter = new MessageSplitter(limits);
		for (const [message, damage, end] of damaged) {
			const bytes = Buffer.from(formatJson(message));
			for (const [place, byte] of damage) bytes[place % bytes.length] = byte;
			const length = end === null ? bytes.length : end % (bytes.length + 1);
			try {
				for (const found of splitter.push(bytes.subarray(0, length))) {
					check(found.startsWith("{"), () => `${found} begins no object`);
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
	},
);

const guarded = [
	...["realized", "hotplug-handler", "cpu-hotplug-legacy", "memory-backend"],
];
const typeNames = fc.oneof(
	fc.constantFrom(
		...["bool", "int", "uint8", "size", "str", "string", "", "struct tm"],
		...["link<a>", "child<b>", "intList"],
	),
	texts,
);

const guardsHold = fc.property(
	fc.oneof(
		{
			weight: 1,
			arbitrary: fc.nat(8).map((n) => `/objects/compat_monitor${n}`),
		},
		{ weight: 7, arbitrary: texts.map((text) => `/${text}`) },
	),
	fc.oneof(fc.constantFrom(undefined, "monitor-qmp", "secret"), texts),
	fc.oneof(fc.constantFrom(...guarded), texts),
	typeNames,
	(object, objectType, property, type) => {
		const isDangerous =
			guarded.includes(property) ||
			(type.startsWith("link<") && type.endsWith(">")) ||
			object.startsWith("/objects/compat_monitor") ||
			objectType === "monitor-qmp";
		const reason = guardReason(object, objectType, property, type);
		check(
			(reason !== undefined) === isDangerous,
			() => `guarded: ${reason !== undefined}`,
		);
		check(typeof isSecret(objectType, property) === "boolean", () => property);
	},
);

const pathsStayInside = fc.property(texts, texts, texts, (from, a, b) => {
	const [object, target] = [`/${from}`, `/${a}/${b}`];
	if (isCanonicalPath(object) && isCanonicalPath(target)) {
		const link = relativePath(object, target);
		check(
			!link.startsWith("/") && link !== "",
			() => `${link} leaves the mount`,
		);
		check(
			resolvePath(object, link) === target,
			() => `${object} -> ${target} by ${link}`,
		);
	}
	if (isFileName(a))
		check(!/[/\0]/.test(a) && !["", ".", ".."].includes(a), () => a);
});

/** Whether a user could have typed it: whole characters, and integers that QOM has. */
function isWhole(value: Json): boolean {
	if (typeof value === "number")
		return !/e/.test(`${value}`) || !Number.isInteger(value);
	return formatJson(value).search(/\\ud[89a-f]/i) < 0;
}

const valuesComeBack = fc.property(values, (made) => {
	const value = parseJson(formatJson(made));
	const kind = kindOfValue(value);
	if (!kind || !isWhole(value)) return;
	const back = parseValue(formatValue(value), kind, "x");
	check(
		back !== incomplete && formatJson(back) === formatJson(value),
		() => `as ${kind} it is ${String(back)}`,
	);
});

const kinds: readonly ValueKind[] = [
	...(["boolean", "integer", "number", "string", "object", "array"] as const),
];

const textsAreValues = fc.property(
	texts,
	typeNames,
	fc.option(fc.constantFrom(...kinds), { nil: undefined }),
	(text, type, chosen) => {
		const kind = chosen ?? kindOfType(type);
		try {
			const parsed = parseValue(text, kind, type);
			if (parsed === incomplete)
				check(kind === "object" || kind === "array", () => `${kind} is held`);
			else if (kind === "integer" && typeof parsed === "bigint")
				check(parsed >= -(2n ** 63n) && parsed < 2n ** 64n, () => `${parsed}`);
		} catch (error) {
			check(error instanceof ValueError, () => `${error}`);
		}
	},
);

type Checkable = ReturnType<typeof fc.property>;

/** Title -> property. */
export const properties: ReadonlyMap<string, Checkable> = new Map<
	string,
	Checkable
>(
	Object.entries({
		"messages come out as they went in, wherever the stream is cut":
			splitsExactly,
		"a damaged stream ends in a ProtocolError at worst, and nothing piles up":
			survivesDamage,
		"what is dangerous is guarded whatever stands around it, and nothing else is":
			guardsHold,
		"links lead to where they should, and never out of the mount":
			pathsStayInside,
		"a value survives the way through a file": valuesComeBack,
		"any text gives a value or a ValueError": textsAreValues,
	}),
);
