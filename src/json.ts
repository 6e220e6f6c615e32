/**
 * Lossless JSON. QEMU speaks integers up to 2^64-1, which `number` cannot hold;
 * here every integer beyond 2^53-1 is a `bigint`, and goes out again digit by digit.
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
	return needsCare.test(text) ? parseExact(text) : JSON.parse(text);
}

/**
 * Parses any JSON text with the parser that keeps every digit.
 *
 * @throws SyntaxError as {@link parseJson}, and on more than 1024 levels
 */
export function parseExact(text: string): Json {
	return new ExactParser(text).whole();
}

/**
 * Parses what a user has typed.
 *
 * @throws SyntaxError as {@link parseJson}, and on more than 1024 levels: no more can be written again
 */
export function parseTyped(text: string): Json {
	let depth = 0;
	// Whole strings first, so that brackets inside them do not count.
	for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[{\]}]/gs)) {
		if (token === "[" || token === "{") depth++;
		else if (token === "]" || token === "}") depth--;
		if (depth > deepest)
			throw new SyntaxError(`JSON nested more than ${deepest} levels deep`);
	}
	return parseJson(text);
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

// It is in every Node that qomfs supports (V8 11.4), but not yet in the es2024 typings.
const rawJson = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON;

const tab = 0x09;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const blank = 0x20;
const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const openBracket = 0x5b;
const backslash = 0x5c;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** With a fraction or an exponent in group 1. */
const number = /-?(?:0|[1-9]\d*)((?:\.\d+)?(?:[eE][+-]?\d+)?)/y;
const literal = /true|false|null/y;
/** QEMU's own parser stops there. */
const deepest = 1024;

/** A text is not JSON, from some position on. */
export class JsonSyntaxError extends SyntaxError {
	/** Where what was read last is no JSON; the length of the text where that ends too early. */
	readonly position: number;

	constructor(text: string, position: number) {
		const found = text.slice(position, position + 1);
		super(
			found
				? `unexpected ${JSON.stringify(found)} at position ${position} of JSON`
				: "unexpected end of JSON",
		);
		this.position = position;
	}
}

/**
 * A JSON parser (RFC 8259) that keeps every digit of an integer. `JSON.parse` with a reviver does
 * that too, but takes three times as long: a listing of a large machine has a few integers beyond
 * 2^53 among 50,000 values, and all of them would go through the reviver.
 */
class ExactParser {
	readonly #text: string;
	#at = 0;
	#depth = 0;

	constructor(text: string) {
		this.#text = text;
	}

	whole(): Json {
		const value = this.#value();
		this.#skipSpace();
		if (this.#at < this.#text.length) throw this.#unexpected();
		return value;
	}

	#value(): Json {
		const code = this.#skipSpace();
		if (code === quote) return this.#string();
		if (code !== openBrace && code !== openBracket)
			return this.#numberOrLiteral();
		if (++this.#depth > deepest)
			throw new SyntaxError(`JSON nested more than ${deepest} levels deep`);
		const container = code === openBrace ? this.#object() : this.#array();
		this.#depth--;
		return container;
	}

	#object(): Json {
		const object: Record<string, Json> = {};
		this.#at++;
		if (this.#skipSpace() === closeBrace) {
			this.#at++;
			return object;
		}
		for (;;) {
			if (this.#skipSpace() !== quote) throw this.#unexpected();
			const name = this.#string();
			if (this.#skipSpace() !== colon) throw this.#unexpected();
			this.#at++;
			const value = this.#value();
			if (name === "__proto__") defineMember(object, name, value);
			else object[name] = value;
			if (this.#isLast(closeBrace)) return object;
		}
	}

	#array(): Json {
		const array: Json[] = [];
		this.#at++;
		if (this.#skipSpace() === closeBracket) {
			this.#at++;
			return array;
		}
		for (;;) {
			array.push(this.#value());
			if (this.#isLast(closeBracket)) return array;
		}
	}

	/** Takes what stands between two items, or after the last one. */
	#isLast(close: number): boolean {
		const code = this.#skipSpace();
		if (code !== comma && code !== close) throw this.#unexpected();
		this.#at++;
		return code === close;
	}

	#string(): string {
		const text = this.#text;
		const start = this.#at;
		let hasEscape = false;
		let at = start + 1;
		for (;;) {
			const code = text.charCodeAt(at);
			if (code === quote) break;
			// Not below a blank, and not NaN, which is the end.
			if (!(code >= blank)) {
				this.#at = at;
				throw this.#unexpected();
			}
			if (code === backslash) {
				hasEscape = true;
				at++;
			}
			at++;
		}
		this.#at = at + 1;
		return hasEscape
			? JSON.parse(text.slice(start, at + 1))
			: text.slice(start + 1, at);
	}

	#numberOrLiteral(): Json {
		number.lastIndex = this.#at;
		const match = number.exec(this.#text);
		if (!match) return this.#literal();
		this.#at = number.lastIndex;
		const [source, fraction] = match;
		const value = Number(source);
		if (fraction === "")
			return Number.isSafeInteger(value) ? value : BigInt(source);
		if (!Number.isFinite(value))
			throw new SyntaxError(`number out of range: ${source.slice(0, 40)}`);
		return value;
	}

	#literal(): Json {
		literal.lastIndex = this.#at;
		const name = literal.exec(this.#text)?.[0];
		if (name === undefined) throw this.#unexpected();
		this.#at = literal.lastIndex;
		return name === "null" ? null : name === "true";
	}

	/** @returns what stands behind it, NaN at the end */
	#skipSpace(): number {
		for (;;) {
			const code = this.#text.charCodeAt(this.#at);
			const isSpace =
				code === blank ||
				code === lineFeed ||
				code === carriageReturn ||
				code === tab;
			if (!isSpace) return code;
			this.#at++;
		}
	}

	#unexpected(): JsonSyntaxError {
		return new JsonSyntaxError(this.#text, this.#at);
	}
}

/** As a member of its own, not as the prototype. */
function defineMember(object: object, name: string, value: Json): void {
	Object.defineProperty(object, name, {
		...{ value, writable: true, enumerable: true, configurable: true },
	});
}
