/**
 * Lossless JSON. QEMU speaks integers up to 2^64-1, which `number` cannot hold;
 * here every integer beyond 2^53-1 is a `bigint`, and goes out again digit by digit.
 * This is the only file that touches reviver sources and `JSON.rawJSON`.
 */

export type Json =
	| null
	| boolean
	| string
	| number
	| bigint
	| readonly Json[]
	| JsonObject;
export interface JsonObject {
	readonly [key: string]: Json;
}

/** Sixteen digits in a row may be an integer beyond 2^53; a three-digit exponent may overflow. */
const needsCare = /\d{16}|[eE]\+?\d{3}/;

/**
 * Parses one JSON text without losing a digit.
 *
 * @throws SyntaxError on anything that is not JSON, and on numbers beyond the range of a double
 */
export function parseJson(text: string): Json {
	return needsCare.test(text) ? JSON.parse(text, keepExact) : JSON.parse(text);
}

/** Compact JSON text, integers digit by digit. */
export function formatJson(value: Json): string {
	return JSON.stringify(value, (_key, member) =>
		typeof member === "bigint" ? rawJson(member.toString()) : member,
	);
}

export function isObject(value: Json | undefined): value is JsonObject {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

// Both are in every Node that qomfs supports (V8 11.4), but not yet in the es2024 typings.
const rawJson = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON;

function keepExact(
	_key: string,
	value: unknown,
	context?: { source: string },
): unknown {
	if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
	const source = context?.source ?? "";
	if (/^-?\d+$/.test(source)) return BigInt(source);
	if (!Number.isFinite(value))
		throw new SyntaxError(`number out of range: ${source.slice(0, 40)}`);
	return value;
}
