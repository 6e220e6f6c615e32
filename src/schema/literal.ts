/**
 * What is typed after `(QEMU)`: words, `name=value` pairs, and values whose kind nobody has
 * told. The syntax of QEMU's own qmp-shell; no digit of an integer is lost.
 */
import { UsageError } from "../errors.ts";
import { isObject, type Json, type JsonObject, parseJson } from "../json.ts";
import { parseInteger, parsePythonLiteral } from "./pythonLiteral.ts";

/** An argument as it was typed. */
export interface Pair {
	/** With a dot before each name of a nested member: `file.driver`. */
	readonly key: string;
	readonly text: string;
}

const closing: Readonly<Record<string, string>> = { "{": "}", "[": "]" };

/**
 * Cuts a line where white space separates; quoted and bracketed text stays together, with its
 * quotes and brackets. A backslash takes the next sign as it is, within quotes alone.
 *
 * @throws UsageError a quote or a bracket stays open
 */
export function splitWords(line: string): string[] {
	const words: string[] = [];
	/** What closes the brackets that are open, the innermost last. */
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
 * `name=value`; in front of it `--` may stand, as the qmp of 2012 had it, where a bare
 * `--name` is true.
 *
 * @throws UsageError
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
 * A value of which nobody knows what it should be: an integer, a boolean, JSON or the same in
 * Python; any other text is a string.
 */
export function readLiteral(text: string): Json {
	const number = parseInteger(text);
	if (number !== undefined && fits(number)) return number;
	if (/^(true|false)$/i.test(text)) return text.toLowerCase() === "true";
	return /^[[{"']/.test(text) ? (readDocument(text) ?? text) : text;
}

/** Into 64 bits, with a sign or without. */
function fits(number: number | bigint): boolean {
	return number >= -(2n ** 63n) && number < 2n ** 64n;
}

/** JSON, or the same in Python; undefined where it is neither. */
export function readDocument(text: string): Json | undefined {
	for (const parse of [parseJson, parsePythonLiteral]) {
		try {
			return parse(text);
		} catch (error) {
			if (!(error instanceof SyntaxError)) throw error;
		}
	}
	return undefined;
}

/** The text that a quoted string stands for; any other text as it is. */
export function unquote(text: string): string {
	if (!/^(["']).*\1$/s.test(text)) return text;
	const value = readDocument(text);
	return typeof value === "string" ? value : text;
}

/**
 * Builds an object, nested where names have dots.
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

/** Those made here have no prototype, and those of a value have one. */
function isNested(value: Json | Nested): value is Nested {
	return isObject(value) && Object.getPrototypeOf(value) === null;
}

function bothKinds(names: readonly string[]): UsageError {
	return new UsageError(
		`'${names.join(".")}' is given a value and members; give one of them`,
	);
}
