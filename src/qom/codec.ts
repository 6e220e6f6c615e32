/** Values as the text of a file, and back. What kind a value is, its JSON says, never its type's name. */
import { beginningOf, ValueError } from "../errors.ts";
import { formatJson, type Json, parseJson, parseTyped } from "../json.ts";

/**
 * One value, one line, without the final newline: strings raw, numbers in decimal,
 * booleans `true`/`false`, null empty, objects and arrays as compact JSON.
 */
export function formatValue(value: Json): string {
	if (typeof value === "string") return value;
	return value === null ? "" : formatJson(value);
}

/** The kinds of JSON values, by QEMU's names. */
export type ValueKind =
	| "boolean"
	| "integer"
	| "number"
	| "string"
	| "object"
	| "array";

/** The kind of a value; undefined for null, which QOM never gave so far. */
export function kindOfValue(value: Json): ValueKind | undefined {
	switch (typeof value) {
		case "boolean":
			return "boolean";
		case "string":
			return "string";
		case "bigint":
			return "integer";
		case "number":
			return Number.isInteger(value) ? "integer" : "number";
		default:
			if (value === null) return undefined;
			return Array.isArray(value) ? "array" : "object";
	}
}

/** The kind that a type's name suggests, or QEMU's word for what it expects. */
export function kindOfType(type: string): ValueKind {
	if (type === "bool" || type === "boolean") return "boolean";
	if (isInteger.test(type)) return "integer";
	if (type === "number" || type === "double") return "number";
	if (type === "object") return "object";
	return /list$|^array$/i.test(type) ? "array" : "string";
}

const isInteger = /^(u?int(8|16|32|64)?(_t)?|integer|size|busnr)$/;
const isUnsigned = /^(uint|size$)/;

/** Text that may be the beginning of a value: more has to come before it can be set. */
export const incomplete = Symbol("incomplete");

/**
 * What a user's text means for a property of this kind and type. Text that cannot be
 * of the kind stays a string, and it is for QEMU to refuse it: some properties take both
 * (a PCI `addr` reads 8 and takes "1.0").
 *
 * @returns the value, or `incomplete` for JSON that is not complete
 * @throws ValueError out of range: beyond 64 bits, or negative for an unsigned type, which QEMU
 * would wrap
 * @throws ValueError JSON with a lone surrogate, which QEMU cannot read
 */
export function parseValue(
	text: string,
	kind: ValueKind,
	type: string,
): Json | typeof incomplete {
	switch (kind) {
		case "boolean":
			return booleans.get(text.trim().toLowerCase()) ?? text;
		case "integer":
			return parseInteger(text.trim(), type) ?? text;
		case "number":
			return parseNumber(text.trim()) ?? text;
		case "string":
			return text;
		case "object":
		case "array":
			return parseDocument(text);
	}
}

const booleans: ReadonlyMap<string, boolean> = new Map([
	["true", true],
	["on", true],
	["yes", true],
	["1", true],
	["false", false],
	["off", false],
	["no", false],
	["0", false],
]);

/** Of a binary number of 64 bits, and no fewer than any other has. */
const maxDigits = 64;

/** Each is 2^10 times the one before. A small `e` is none: `1e` is a PCI slot. */
const suffixes = ["K", "M", "G", "T", "P", "E"];

function parseInteger(text: string, type: string): number | bigint | undefined {
	const match =
		/^([+-]?)(?:(0[xX][\da-fA-F_]+|0[bB][01_]+)|(\d[\d_]*)([KMGTPEkmgtp]?))$/.exec(
			text,
		);
	if (!match) return undefined;
	const [, sign, prefixed, decimal, suffix = ""] = match;
	const digits = (prefixed ?? decimal ?? "").replaceAll("_", "");
	if (/^0[xb]$/i.test(digits)) return undefined;
	// So long a number need not be computed, which takes its time.
	if (digits.replace(/^0[xb]/i, "").replace(/^0+/, "").length > maxDigits)
		throw outOfRange(text, "does not fit into 64 bits");
	const power = BigInt(suffixes.indexOf(suffix.toUpperCase()) + 1);
	const size = BigInt(digits) * 1024n ** power;
	const value = sign === "-" ? -size : size;
	if (value < 0n && isUnsigned.test(type))
		throw outOfRange(text, `${type} cannot be negative`);
	if (value < -(2n ** 63n) || value >= 2n ** 64n)
		throw outOfRange(text, "does not fit into 64 bits");
	const small = Number(value);
	return Number.isSafeInteger(small) ? small : value;
}

function parseNumber(text: string): Json | undefined {
	if (!/^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text)) return undefined;
	if (!Number.isFinite(Number(text)))
		throw outOfRange(text, "beyond the range of a number");
	return parseJson(text);
}

/** Characters of a value in a message. */
const maxShown = 60;

function outOfRange(text: string, reason: string): ValueError {
	return new ValueError(`${beginningOf(text, maxShown)}: ${reason}`, {
		isOutOfRange: true,
	});
}

function parseDocument(text: string): Json | typeof incomplete {
	let value: Json;
	try {
		value = parseTyped(text);
	} catch (error) {
		if (/levels deep$/.test((error as Error).message))
			throw new ValueError((error as Error).message);
		return isUnfinished(text) ? incomplete : text;
	}
	if (!isWellFormed(value))
		throw new ValueError("the JSON holds half a surrogate pair");
	return value;
}

/** Whether brackets or a string of JSON are still open at the end. */
export function isUnfinished(text: string): boolean {
	let depth = 0;
	// Whole strings first, so that brackets inside them do not count.
	for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[{\]}"]/gs)) {
		if (token === '"') return true;
		if (token === "[" || token === "{") depth++;
		else if (token === "]" || token === "}") depth--;
	}
	return depth > 0;
}

function isWellFormed(value: Json): boolean {
	if (typeof value === "string") return value.isWellFormed();
	if (typeof value !== "object" || value === null) return true;
	return Object.entries(value).every(
		([key, member]) => key.isWellFormed() && isWellFormed(member),
	);
}
