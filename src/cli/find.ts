/** `qomfs find`: objects by type, name, property or link, with find(1)'s way of asking. */
import { QomError, UsageError } from "../errors.ts";
import type { Json } from "../json.ts";
import type { Machine } from "../machine/machine.ts";
import { formatValue } from "../qom/codec.ts";
import { propertyValue, redacted, shownValue } from "../qom/contents.ts";
import { rootPath, splitPath } from "../qom/path.ts";
import { isPattern, matcher, matchNames } from "../qom/pattern.ts";
import type { QomSource } from "../qom/source.ts";
import { parseType } from "../qom/types.ts";
import { type WalkedObject, walk } from "../qom/walk.ts";
import { isMeant } from "../qom/write.ts";
import { absolutePath, startPaths } from "./absolutePath.ts";
import { type MachineFlags, withMachine } from "./openMachine.ts";
import { print } from "./output.ts";
import { typeTest } from "./typeTest.ts";

/** Whether an object is one of those that are looked for. */
type ObjectTest = (object: WalkedObject) => boolean | Promise<boolean>;

/** Makes a test of the word behind its name, once the machine can be asked. */
type TestMaker = (word: string, machine: Machine) => Promise<ObjectTest>;

const tests: Readonly<Record<string, TestMaker>> = {
	"-type": async (wanted, { source }) => {
		const isOfType = await typeTest(source, wanted);
		return ({ type }) => isOfType(type);
	},
	"-name": async (pattern) => {
		const matches = matcher(pattern);
		return ({ path }) => matches(splitPath(path)[1]);
	},
	"-prop": async (word, { source }) => {
		const [, name = "", value] = /^([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
		const isWanted = value === undefined ? undefined : valueTest(value);
		return (object) => hasProperty(source, object, name, isWanted);
	},
	"-link-to": async (target, { source }) => {
		const path = await absolutePath(source, target);
		await source.list(path); // nothing links to what is not there
		return (object) => hasLinkTo(source, object, path);
	},
};

/** All tests and what stands among them. */
export const testNames: readonly string[] = [
	...Object.keys(tests),
	"-maxdepth",
	"-print0",
];

/** Whether another word belongs to a test. */
export function takesWord(test: string): boolean {
	return test in tests || test === "-maxdepth";
}

interface Request {
	readonly starts: readonly string[];
	readonly tests: readonly {
		readonly make: TestMaker;
		readonly word: string;
	}[];
	readonly maxDepth: number;
	readonly end: "\n" | "\0";
}

/** @throws QomfsError */
export function runFind(
	words: readonly string[],
	flags: MachineFlags,
): Promise<void> {
	const { starts, tests, maxDepth, end } = readWords(words);
	return withMachine(flags, async (machine) => {
		const all: ObjectTest[] = [];
		for (const { make, word } of tests) all.push(await make(word, machine));
		for (const start of starts)
			for (const path of await startPaths(machine.source, start))
				for await (const object of walk(machine.source, path, maxDepth))
					if (await passes(object, all)) print(object.path, end);
	});
}

async function passes(
	object: WalkedObject,
	all: readonly ObjectTest[],
): Promise<boolean> {
	for (const test of all) if (!(await test(object))) return false;
	return true;
}

/** @throws UsageError */
function readWords(words: readonly string[]): Request {
	const starts: string[] = [];
	const found: Request["tests"][number][] = [];
	let maxDepth = Number.POSITIVE_INFINITY;
	let end: Request["end"] = "\n";
	const rest = words[Symbol.iterator]();
	for (const word of rest) {
		if (!word.startsWith("-")) {
			starts.push(word);
			continue;
		}
		if (word === "-print") continue;
		if (word === "-print0") {
			end = "\0";
			continue;
		}
		const make = tests[word];
		if (!takesWord(word))
			throw new UsageError(
				`unknown test '${word}'; 'qomfs find --help' lists them`,
			);
		const { value, done } = rest.next();
		if (done) throw new UsageError(`${word} needs a word behind it`);
		if (make) found.push({ make, word: value });
		else if (/^\d{1,9}$/.test(value)) maxDepth = Number(value);
		else throw new UsageError(`-maxdepth ${value}: not a whole number`);
	}
	return {
		starts: starts.length > 0 ? starts : [rootPath],
		tests: found,
		maxDepth,
		end,
	};
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
