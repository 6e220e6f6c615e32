/** What TAB offers in QMP: commands, names of arguments, and their values. */
import { choicesIn } from "../qom/types.ts";
import { deviceProperties } from "./deviceProperties.ts";
import { type Pair, readPair, unquote } from "./literal.ts";
import { liveNames } from "./liveNames.ts";
import type { Execute, SchemaSource } from "./request.ts";
import { actionTypes } from "./transaction.ts";
import {
	type Member,
	memberNamed,
	membersOf,
	type ObjectType,
	objectIn,
	type SchemaType,
} from "./types.ts";

/** What can follow a line, and the end of the line that it replaces. */
export type Completion = readonly [
	candidates: readonly string[],
	replaced: string,
];

/** The machine that is asked for names. */
export interface CompletionSource {
	/** Undefined if QEMU has no schema. */
	schema: SchemaSource;
	execute: Execute;
}

/**
 * What can follow the text before the cursor.
 *
 * @param line the line up to the cursor
 * @param isInTransaction whether earlier lines have begun one
 */
export async function completeQmp(
	machine: CompletionSource,
	line: string,
	isInTransaction: boolean,
): Promise<Completion> {
	const schema = await machine.schema();
	const { words, last } = partialWords(line);
	const begins = words[0] === "transaction(";
	if (begins) words.shift();
	if (!schema) return [[], last];
	const actions = begins || isInTransaction ? actionTypes(schema) : undefined;
	if (words[0] === "help") words.shift();
	const [command] = words;
	if (command === undefined)
		return offer(
			actions
				? [...actions.keys(), ")"]
				: [...schema.commandNames, "transaction(", "help", "exit"],
			last,
		);
	const type = actions?.get(command) ?? schema.argumentsOf(command);
	if (!type) return [[], last];
	const others = new Map(
		words.slice(1).flatMap((word) => {
			const pair = pairIn(word);
			return pair ? [[pair.key, unquote(pair.text)] as const] : [];
		}),
	);
	const execute: Execute = (asked, args) => machine.execute(asked, args);
	const driver = others.get("driver");
	const properties =
		command === "device_add" && driver !== undefined
			? await deviceProperties(execute, driver).catch(() => [])
			: [];
	const split = last.indexOf("=");
	if (split < 0) {
		const open = properties
			.filter(({ name }) => !others.has(name))
			.map(({ name }) => `${name}=`);
		return offer([...namesFor(type, last, others), ...open], last);
	}
	const key = last.slice(0, split);
	const text = last.slice(split + 1);
	const name = key.slice(key.lastIndexOf(".") + 1);
	const member = memberNamed(membersAt(type, key, others), name);
	const property = properties.find((each) => each.name === name);
	const known = [
		...(member ? valuesOf(member.type) : []),
		...(property ? choicesIn(property.type, property.description) : []),
	];
	if (known.length > 0) return offer(known, text);
	const typed = text.replace(/^["']/, "");
	const live = await liveNames(execute, {
		command,
		name: member?.name ?? name,
		text: typed,
		others,
	});
	const isQuoted = typed !== text;
	return offer(
		live
			.filter((value) => value.startsWith(typed))
			.map((value) =>
				isQuoted || /[\s"'{}]/.test(value) ? quoted(value) : value,
			),
		text,
		typed,
	);
}

/** The complete words, and the word that is being typed. */
function partialWords(line: string): { words: string[]; last: string } {
	const words =
		line.match(/(?:[^\s"']|"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?)+/g) ?? [];
	const last = words.at(-1);
	return last !== undefined && line.endsWith(last)
		? { words: words.slice(0, -1), last }
		: { words, last: "" };
}

function pairIn(word: string): Pair | undefined {
	return word.includes("=") ? readPair(word) : undefined;
}

/** The candidates that begin with the typed text. A single one gets a blank, unless it can go on. */
function offer(
	candidates: readonly string[],
	replaced: string,
	typed = replaced,
): Completion {
	const fitting = [...new Set(candidates)]
		.filter(
			(candidate) =>
				candidate.startsWith(replaced) || candidate.startsWith(`"${typed}`),
		)
		.sort();
	const [only] = fitting;
	return fitting.length === 1 &&
		only !== undefined &&
		!/^"?\/|[=.(]$/.test(only)
		? [[`${only} `], replaced]
		: [fitting, replaced];
}

function namesFor(
	type: ObjectType,
	key: string,
	others: ReadonlyMap<string, string>,
): readonly string[] {
	const prefix = key.slice(0, key.lastIndexOf(".") + 1);
	return membersAt(type, key, others)
		.filter(({ name }) => !others.has(`${prefix}${name}`))
		.flatMap(({ name, type: memberType }) => [
			...(memberType.kind === "object" ? [] : [`${prefix}${name}=`]),
			...(objectIn(memberType) ? [`${prefix}${name}.`] : []),
		]);
}

/** The members of the object that a dotted key leads to. */
function membersAt(
	type: ObjectType,
	key: string,
	others: ReadonlyMap<string, string>,
): readonly Member[] {
	let object: ObjectType | undefined = type;
	let members: readonly Member[] = [];
	let prefix = "";
	for (const name of key.split(".")) {
		if (!object) return [];
		const before = prefix;
		members = membersOf(object, (tag) => others.get(`${before}${tag}`));
		const member = memberNamed(members, name);
		object = member && objectIn(member.type);
		prefix += `${name}.`;
	}
	return members;
}

function valuesOf(type: SchemaType): readonly string[] {
	switch (type.kind) {
		case "enum":
			return type.values;
		case "boolean":
			return ["on", "off", "true", "false"];
		case "array":
			return valuesOf(type.element);
		case "alternate":
			return type.alternatives.flatMap(valuesOf);
		default:
			return [];
	}
}

function quoted(text: string): string {
	return JSON.stringify(text);
}
