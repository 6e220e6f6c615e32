/** Typed arguments as values: in the kinds of the schema, or guessed if there is no schema. */
import { UsageError } from "../errors.ts";
import { isObject, type Json, type JsonObject } from "../json.ts";
import { didYouMean } from "../nearest.ts";
import { nest, type Pair, readLiteral, unquote } from "./literal.ts";
import type { QmpSchema } from "./schema.ts";
import { listed, type OnGuess, placeholder, readText } from "./typedText.ts";
import {
	describeType,
	memberNamed,
	membersOf,
	type ObjectType,
	objectIn,
	type SchemaType,
} from "./types.ts";

/** Arguments for QEMU, and which of them are guesses. */
export interface TypedArguments {
	readonly args: JsonObject;
	/** The typed text of arguments whose kind had to be guessed, by key. */
	readonly guesses: ReadonlyMap<string, string>;
}

/**
 * The arguments in the kinds of the schema.
 *
 * @throws UsageError an argument is unknown or missing, or a text is no value of its type
 */
export function typedArguments(
	type: ObjectType,
	pairs: readonly Pair[],
): TypedArguments {
	const texts = nest(pairs.map(({ key, text }) => [key, text]));
	const guesses = new Map<string, string>();
	const args = readObject(texts, type, "", (key, text) => {
		guesses.set(key, text);
	});
	return { args, guesses };
}

/** The arguments, all of them guessed. */
export function guessedArguments(pairs: readonly Pair[]): TypedArguments {
	return {
		args: nest(pairs.map(({ key, text }) => [key, readLiteral(text)])),
		guesses: new Map(pairs.map(({ key, text }) => [key, text])),
	};
}

/**
 * The command of that name, which may be written with `_` for `-`.
 *
 * @throws UsageError there is no such command
 */
export function commandNamed(schema: QmpSchema, name: string): string {
	const { commandNames } = schema;
	const asHyphens = name.replaceAll("_", "-");
	const command = commandNames.includes(name)
		? name
		: commandNames.find((known) => known.replaceAll("_", "-") === asHyphens);
	if (command !== undefined) return command;
	throw new UsageError(
		`unknown command '${name}'; ${didYouMean(name, commandNames) ?? "query-commands lists them"}`,
	);
}

/** @param prefix the key of the object itself, with a dot; empty for the arguments */
function readObject(
	texts: JsonObject,
	type: ObjectType,
	prefix: string,
	onGuess: OnGuess,
): JsonObject {
	const members = membersOf(type, (tag) => textOf(texts, tag));
	const values = new Map<string, Json>();
	// The tag comes first: if it is wrong, the other members look wrong as well.
	const isTag = (given: string) =>
		type.tag !== undefined && memberNamed(members, given)?.name === type.tag;
	const entries = Object.entries(texts).sort(
		([a], [b]) => Number(isTag(b)) - Number(isTag(a)),
	);
	for (const [given, text] of entries) {
		const member = memberNamed(members, given);
		if (!member && !type.isOpen)
			throw unknownMember(type, members, `${prefix}${given}`, given);
		const name = member?.name ?? given;
		if (values.has(name))
			throw new UsageError(`'${prefix}${name}' is given twice`);
		const key = `${prefix}${name}`;
		const isText = !member && type !== anyMembers && isBare(text);
		if (isText) onGuess(key, text);
		values.set(
			name,
			isText ? text : read(text, member?.type ?? { kind: "any" }, key, onGuess),
		);
	}
	const missing = members.filter(
		({ name, isOptional }) => !isOptional && !values.has(name),
	);
	// Where more is taken than is known, a mistyped name is one of those.
	for (const given of values.keys()) {
		const question = didYouMean(
			given,
			missing.map(({ name }) => name),
		);
		if (question && !memberNamed(members, given))
			throw new UsageError(`unknown argument '${prefix}${given}'; ${question}`);
	}
	if (missing.length > 0)
		throw new UsageError(
			`${missing.map(({ name, type }) => `${prefix}${name}=${placeholder(type)}`).join(" ")} ${missing.length > 1 ? "are" : "is"} missing`,
		);
	return Object.fromEntries(values);
}

function textOf(texts: JsonObject, name: string): string | undefined {
	const text = texts[name] ?? texts[name.replaceAll("-", "_")];
	return typeof text === "string" ? unquote(text) : undefined;
}

/** @param text the typed text, or an object of texts if members were typed one by one */
function read(
	text: Json,
	type: SchemaType,
	key: string,
	onGuess: OnGuess,
): Json {
	if (typeof text === "string") return readText(text, type, key, onGuess);
	if (!isObject(text)) return text;
	const object = type.kind === "any" ? anyMembers : objectIn(type);
	if (object) return readObject(text, object, `${key}.`, onGuess);
	throw new UsageError(
		`'${key}' has no members: it is ${describeType(type)}; write ${key}=VALUE`,
	);
}

/**
 * Whether a text is neither quoted nor in brackets, nor a boolean. Where the schema describes nothing, as for the
 * properties of devices, QEMU is given such a text itself first, which it reads by their types, or tells them:
 * `addr=10` is slot 16, and the integer 10 something else.
 */
function isBare(text: Json): text is string {
	return typeof text === "string" && !/^[[{"']|^(true|false)$/i.test(text);
}

const anyMembers: ObjectType = {
	kind: "object",
	members: [],
	tag: undefined,
	variants: new Map(),
	isOpen: true,
};

function unknownMember(
	type: ObjectType,
	members: readonly { readonly name: string }[],
	key: string,
	given: string,
): UsageError {
	const { tag } = type;
	const names = members.map(({ name }) => name);
	const isDecided = tag === undefined || members.length > type.members.length;
	const more = isDecided ? "" : `, and what goes with ${tag}=VALUE`;
	const known =
		names.length === 0
			? "there are none"
			: `there ${names.length > 1 ? "are" : "is"} ${listed(names)}${more}`;
	return new UsageError(
		`unknown argument '${key}'; ${didYouMean(given, names) ?? known}`,
	);
}
