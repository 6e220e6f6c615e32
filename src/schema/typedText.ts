/** A typed text as a value of a type in the schema. */
import { UsageError, ValueError } from "../errors.ts";
import { isObject, type Json } from "../json.ts";
import { didYouMean } from "../nearest.ts";
import { parseValue, type ValueKind } from "../qom/codec.ts";
import { readDocument, readLiteral, unquote } from "./literal.ts";
import { describeType, type EnumType, type SchemaType } from "./types.ts";

/** Called for a text whose kind has to be guessed. */
export type OnGuess = (key: string, text: string) => void;

/**
 * The value of a text.
 *
 * @param key of the argument, for messages
 * @throws UsageError the text is no value of this type
 */
export function readText(
	text: string,
	type: SchemaType,
	key: string,
	onGuess: OnGuess,
): Json {
	switch (type.kind) {
		case "string":
			return unquote(text);
		case "integer":
		case "number":
		case "boolean":
			return readScalar(text, type.kind, key);
		case "null":
			if (text === "null" || text === "") return null;
			throw wrongKind(key, text, type);
		case "enum":
			return readEnum(unquote(text), type, key);
		case "array":
			return readArray(text, type.element, key, onGuess);
		case "object": {
			const value = readDocument(text);
			if (isObject(value)) return value;
			throw new UsageError(
				`'${key}' is an object, not '${text}'; write ${key}.MEMBER=VALUE, or JSON`,
			);
		}
		case "alternate":
			return readAlternate(text, type.alternatives, key, onGuess);
		case "any":
			onGuess(key, text);
			return readLiteral(text);
	}
}

/** @throws UsageError */
function readScalar(
	text: string,
	kind: "integer" | "number" | "boolean",
	key: string,
): Json {
	const value = scalarOf(text, kind, key);
	if (value === undefined) throw wrongKind(key, text, { kind });
	return value;
}

/**
 * The value of a text in a given kind; undefined if it has no such value.
 *
 * @throws UsageError it does not fit into 64 bits, or is negative for an unsigned type
 */
export function scalarOf(
	text: string,
	kind: ValueKind,
	key: string,
	type: string = kind,
): Json | undefined {
	if (kind === "string") return unquote(text);
	if (kind === "object" || kind === "array") {
		const value = readDocument(text);
		const isOfKind = kind === "array" ? Array.isArray(value) : isObject(value);
		return isOfKind ? value : undefined;
	}
	try {
		const value = parseValue(text, kind, type);
		return value === text || typeof value === "symbol" ? undefined : value;
	} catch (error) {
		if (!(error instanceof ValueError)) throw error;
		throw new UsageError(`'${key}': ${error.message}`, { cause: error });
	}
}

function readEnum(text: string, { values }: EnumType, key: string): Json {
	if (values.includes(text)) return text;
	const hint = didYouMean(text, values) ?? `one of ${listed(values)}`;
	throw new UsageError(`'${key}' cannot be '${text}'; ${hint}`);
}

function readArray(
	text: string,
	element: SchemaType,
	key: string,
	onGuess: OnGuess,
): Json {
	if (/^\s*[[(]/.test(text)) {
		const value = readDocument(text);
		if (Array.isArray(value)) return value;
	}
	const isList = !["object", "array", "any"].includes(element.kind);
	if (isList && !/^\s*\{/.test(text))
		return text === ""
			? []
			: text.split(",").map((item) => readText(item, element, key, onGuess));
	throw new UsageError(
		`'${key}' is a list, not '${text}'; write it as JSON: ${key}=[...]`,
	);
}

/** Kinds that few texts can have come first. */
const alternativesByPrecision: readonly SchemaType["kind"][] = [
	...(["null", "enum", "integer", "number", "boolean", "object"] as const),
	...(["array", "any", "string"] as const),
];

function readAlternate(
	text: string,
	alternatives: readonly SchemaType[],
	key: string,
	onGuess: OnGuess,
): Json {
	const candidates = alternatives
		.filter(({ kind }) => kind !== "null" || text === "null")
		.filter(({ kind }) => kind !== "object" || /^\s*\{/.test(text))
		.filter(({ kind }) => kind !== "array" || /^\s*\[/.test(text))
		.toSorted(
			(a, b) =>
				alternativesByPrecision.indexOf(a.kind) -
				alternativesByPrecision.indexOf(b.kind),
		);
	for (const [index, candidate] of candidates.entries()) {
		try {
			return readText(text, candidate, key, onGuess);
		} catch (error) {
			const isLast = index === candidates.length - 1;
			if (!(error instanceof UsageError) || isLast) throw error;
		}
	}
	throw wrongKind(key, text, { kind: "alternate", alternatives });
}

function wrongKind(key: string, text: string, type: SchemaType): UsageError {
	return new UsageError(`'${key}' is ${describeType(type)}, not '${text}'`);
}

const mostListed = 12;

/** The first names, for a message. */
export function listed(names: readonly string[]): string {
	const more = names.length > mostListed ? ", ..." : "";
	return `${names.slice(0, mostListed).join(", ")}${more}`;
}

/** What stands for the value of an argument in the usage. */
export function placeholder(type: SchemaType): string {
	switch (type.kind) {
		case "enum":
			return (type.values.length === 1 && type.values[0]) || "VALUE";
		case "any":
			return "VALUE";
		case "array":
			return "LIST";
		case "alternate":
			return [...new Set(type.alternatives.map(placeholder))].join("|");
		default:
			return type.kind.toUpperCase();
	}
}
