/**
 * The syntax of QEMU's own qmp-shell: words, `name=value` pairs, and values of unknown kind.
 * Integers are exact.
 */
import { UsageError } from "../errors.ts";
import { isObject, type Json, type JsonObject, parseTyped } from "../json.ts";
import { parseInteger, parsePythonLiteral } from "./pythonLiteral.ts";

/** An argument as it was typed. */
export interface Pair {
	/** The names of nested members are joined with dots: `file.driver`. */
	readonly key: string;
	readonly text: string;
}

const closing: Readonly<Record<string, string>> = { "{": "}", "[": "]" };

/**
 * Splits a line at white space. Quoted and bracketed text stays together, with its quotes and
 * brackets. Inside quotes, a backslash escapes the next character.
 *
 * @throws UsageError a quote or a bracket is not closed
 */
export function splitWords(line: string): string[] {
	const words: string[] = [];
	/** The closing brackets that are still missing, the innermost last. */
	const open: string[] = [];
	let word = "";
	for (const [token] of line.matchAll(
		/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\s+|./gsu,
	)) {
		if (token === '"' || token === "'")
			throw new UsageError(`a quote (${token}) is not closed`);
		if (/^\s/.test(token) && open.length === 0) {
			if (word) words.push(word);
			word = "";
			continue;
		}
		const close = closing[token];
		if (close) open.push(close);
		else if (token === open.at(-1)) open.pop();
		word += token;
	}
	if (open.length > 0) throw new UsageError(`a ${open.at(-1)} is missing`);
	if (word) words.push(word);
	return words;
}

/**
 * Reads `name=value`, or `--name=value` as QEMU's original qmp has it, where `--name` alone means
 * true.
 *
 * @throws UsageError the word is neither
 */
export function readPair(word: string): Pair {
	const hasDashes = word.startsWith("--");
	const pair = hasDashes ? word.slice(2) : word;
	const split = pair.indexOf("=");
	const key = split < 0 ? pair : pair.slice(0, split);
	if ((split < 0 && !hasDashes) || key === "")
		throw new UsageError(`'${word}' is not an argument; write NAME=VALUE`);
	return { key, text: split < 0 ? "true" : pair.slice(split + 1) };
}

/**
 * Guesses a value of unknown kind: an integer, a boolean, JSON, or a literal of Python. Any other
 * text is a string.
 */
export function readLiteral(text: string): Json {
	const number = parseInteger(text);
	if (number !== undefined && fits(number)) return number;
	if (/^(true|false)$/i.test(text)) return text.toLowerCase() === "true";
	return /^[[{"']/.test(text) ? (readDocument(text) ?? text) : text;
}

/** Whether it fits into 64 bits, signed or unsigned. */
function fits(number: number | bigint): boolean {
	return number >= -(2n ** 63n) && number < 2n ** 64n;
}

/** Reads JSON, or a literal of Python; undefined if it is neither. */
export function readDocument(text: string): Json | undefined {
	for (const parse of [parseTyped, parsePythonLiteral]) {
		try {
			return parse(text);
		} catch (error) {
			if (!(error instanceof SyntaxError)) throw error;
		}
	}
	return undefined;
}

/** The content of a quoted string; any other text unchanged. */
export function unquote(text: string): string {
	if (!/^(["']).*\1$/s.test(text)) return text;
	const value = readDocument(text);
	return typeof value === "string" ? value : text;
}

/**
 * Builds an object. Names with dots make nested objects.
 *
 * @throws UsageError a name is given twice, or with a value and with members
 */
export function nest(
	entries: Iterable<readonly [key: string, value: Json]>,
): JsonObject {
	const root: Nested = Object.create(null);
	for (const [key, value] of entries) {
		const names = key.split(".");
		const last = names.pop() as string;
		let parent = root;
		for (const [depth, name] of names.entries()) {
			const child = parent[name] ?? Object.create(null);
			if (!isNested(child)) throw bothKinds(names.slice(0, depth + 1));
			parent[name] = child;
			parent = child;
		}
		if (last in parent)
			throw isNested(parent[last] as Json)
				? bothKinds([...names, last])
				: new UsageError(`'${key}' is given twice`);
		parent[last] = value;
	}
	return root;
}

interface Nested {
	[name: string]: Json | Nested;
}

/** Objects made here have no prototype; objects from a value have one. */
function isNested(value: Json | Nested): value is Nested {
	return isObject(value) && Object.getPrototypeOf(value) === null;
}

function bothKinds(names: readonly string[]): UsageError {
	return new UsageError(
		`'${names.join(".")}' is given a value and members; give one of them`,
	);
}
