/** `qomfs find`: finds objects by type, name, property or link, with the syntax of find(1). */
import { QomError, UsageError } from "../../errors.ts";
import { formatJson, type Json } from "../../json.ts";
import { didYouMean } from "../../nearest.ts";
import { formatValue } from "../../qom/codec.ts";
import { propertyValue, redacted, shownValue } from "../../qom/contents.ts";
import { rootPath, splitPath } from "../../qom/path.ts";
import { isPattern, matcher, matchNames } from "../../qom/pattern.ts";
import type { QomSource } from "../../qom/source.ts";
import { parseType } from "../../qom/types.ts";
import { type WalkedObject, walk } from "../../qom/walk.ts";
import { isMeant } from "../../qom/write.ts";
import { absolutePath, startPaths } from "../absolutePath.ts";
import type {
	CommandDefinition,
	CommandOption,
	Completer,
	HelpEntry,
} from "../command.ts";
import { completeObject, completeType } from "../completers.ts";
import {
	type Expression,
	ExpressionParser,
	operatorNames,
	operators,
	type Test,
	testOf,
} from "../findExpression.ts";
import { type MachineFlags, withSource } from "../openSource.ts";
import { jsonOption, machineOptions, sortOut } from "../options.ts";
import { print } from "../output.ts";
import { typeTest } from "../typeTest.ts";

/** What a word behind a start path means. */
interface TestWord extends HelpEntry {
	/** Makes the test from the word behind its name, once the source can be asked. */
	readonly make?: (
		word: string,
		source: QomSource,
	) => Promise<Test<WalkedObject>>;
	/** Whether a word follows it. */
	readonly takesWord: boolean;
	readonly complete?: Completer;
}

const tests: ReadonlyMap<string, TestWord> = new Map(
	Object.entries({
		"-type": {
			term: "-type TYPE",
			meaning: "of this type, or of one derived from it",
			takesWord: true,
			complete: completeType,
			async make(wanted, source) {
				const isOfType = await typeTest(source, wanted);
				return ({ type }) => isOfType(type);
			},
		},
		"-name": {
			term: "-name PATTERN",
			meaning: "whose own name matches",
			takesWord: true,
			async make(pattern) {
				const matches = matcher(pattern);
				return ({ path }) => matches(splitPath(path)[1]);
			},
		},
		"-iname": {
			term: "-iname PATTERN",
			meaning: "the same, whatever the case of letters",
			takesWord: true,
			async make(pattern) {
				const matches = matcher(pattern.toLowerCase());
				return ({ path }) => matches(splitPath(path)[1].toLowerCase());
			},
		},
		"-prop": {
			term: "-prop NAME[=VALUE]",
			meaning: "that has this property, with this value; both may be patterns",
			takesWord: true,
			async make(word, source) {
				const [, name = "", value] = /^([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
				const isWanted = value === undefined ? undefined : valueTest(value);
				return (object) => hasProperty(source, object, name, isWanted);
			},
		},
		"-link-to": {
			term: "-link-to PATH",
			meaning: "that has a link to this object",
			takesWord: true,
			complete: completeObject,
			async make(target, source) {
				const path = await absolutePath(source, target);
				await source.list(path); // refuses an object that does not exist
				return (object) => hasLinkTo(source, object, path);
			},
		},
		"-maxdepth": {
			term: "-maxdepth N",
			meaning: "at most N levels below where it began",
			takesWord: true,
		},
		"-print0": {
			term: "-print0",
			meaning: "end each path with a NUL",
			takesWord: false,
		},
	} satisfies Record<string, TestWord>),
);

/** A start path, the name of a test, or the word behind one. */
const completeWord: Completer = (cursor) => {
	const test = tests.get(cursor.words.at(-1) ?? "");
	if (test?.takesWord) return test.complete?.(cursor);
	return cursor.current.startsWith("-")
		? [...tests.keys(), ...operatorNames]
		: completeObject(cursor);
};

interface FindFlags extends MachineFlags {
	readonly long?: true;
	readonly json?: true;
}

const options: readonly CommandOption[] = [
	...machineOptions,
	{ flags: "--long", help: "with the type behind each path" },
	jsonOption,
];

export const command: CommandDefinition<FindFlags> = {
	arguments: [
		{
			name: "[word...]",
			help: "where to begin (default: /), then tests",
			complete: completeWord,
		},
	],
	usage: "[options] [PATH...] [TEST...]",
	takesAnyWords: true,
	options,
	prepare: withOptionsFirst,
	lists: [
		{ title: "Tests, all of which must hold", entries: [...tests.values()] },
		{ title: "What tests are put together with", entries: operators },
	],
	async run(words, flags) {
		const request = readWords(words);
		await withSource(flags, ({ source }) => find(source, request, flags));
	},
};

/** Options may stand between the tests; commander takes them only before. */
function withOptionsFirst(words: readonly string[]): readonly string[] {
	const sorted = sortOut(
		options,
		words,
		(word) => tests.get(word)?.takesWord ?? false,
	);
	return [...sorted.options, ...sorted.others];
}

/** A test with its word. */
interface WordTest {
	readonly make: NonNullable<TestWord["make"]>;
	readonly word: string;
}

interface Request {
	readonly starts: readonly string[];
	readonly expression: Expression<WordTest>;
	readonly maxDepth: number;
	readonly end: "\n" | "\0";
}

async function find(
	source: QomSource,
	{ starts, expression, maxDepth, end }: Request,
	flags: FindFlags,
): Promise<void> {
	const isWanted = await testOf(expression, ({ make, word }) =>
		make(word, source),
	);
	for (const start of starts)
		for (const path of await startPaths(source, start))
			for await (const object of walk(source, path, maxDepth))
				if (await isWanted(object)) print(shown(object, flags), end);
}

function shown(
	{ path, type }: WalkedObject,
	{ long, json }: FindFlags,
): string {
	if (json) return formatJson({ path, type: type ?? null });
	return long ? `${path}  ${type ?? "?"}` : path;
}

/** @throws UsageError */
function readWords(words: readonly string[]): Request {
	const starts: string[] = [];
	const parser = new ExpressionParser<WordTest>();
	let maxDepth = Number.POSITIVE_INFINITY;
	let end: Request["end"] = "\n";
	const rest = words[Symbol.iterator]();
	for (const word of rest) {
		if (parser.takesOperator(word) || word === "-print") continue;
		if (!word.startsWith("-")) {
			starts.push(word);
			continue;
		}
		const test = tests.get(word);
		if (!test)
			throw new UsageError(
				`unknown test '${word}'; ${didYouMean(word, tests.keys()) ?? "'qomfs find --help' lists them"}`,
			);
		if (word === "-print0") end = "\0";
		if (!test.takesWord) continue;
		const { value, done } = rest.next();
		if (done) throw new UsageError(`${word} needs a word: ${test.term}`);
		if (word === "-maxdepth") maxDepth = readDepth(value);
		else if (test.make) parser.takeLeaf({ make: test.make, word: value });
	}
	return {
		starts: starts.length > 0 ? starts : [rootPath],
		expression: parser.end(),
		maxDepth,
		end,
	};
}

/** @throws UsageError */
function readDepth(text: string): number {
	if (!/^\d{1,9}$/.test(text))
		throw new UsageError(`-maxdepth ${text}: not a whole number`);
	return Number(text);
}

type ValueTest = (value: Json) => boolean;

function valueTest(wanted: string): ValueTest {
	if (!isPattern(wanted)) return (value) => isMeant(wanted, value);
	const matches = matcher(wanted);
	return (value) => matches(formatValue(value));
}

async function hasProperty(
	source: QomSource,
	{ path, contents }: WalkedObject,
	name: string,
	isWanted: ValueTest | undefined,
): Promise<boolean> {
	const named = matchNames(contents.properties, name);
	if (!isWanted) return named.length > 0;
	for (const { name } of named) {
		const value = await shownValue(source, path, name, contents);
		if (value !== redacted && !(value instanceof QomError) && isWanted(value))
			return true;
	}
	return false;
}

async function hasLinkTo(
	source: QomSource,
	{ path, contents }: WalkedObject,
	target: string,
): Promise<boolean> {
	for (const { name, type } of contents.properties)
		if (
			parseType(type).kind === "link" &&
			(await propertyValue(source, path, name, contents)) === target
		)
			return true;
	return false;
}
