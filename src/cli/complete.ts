/** `qomfs complete`: what may stand at the cursor, for the scripts of `qomfs completion`. */
import type { Command } from "commander";
import { UsageError } from "../errors.ts";
import { mountType, readMounts } from "../fuse/mountTable.ts";
import { log } from "../log.ts";
import { connect, type Machine } from "../machine/machine.ts";
import { withoutTrailingSlashes } from "../qom/path.ts";
import { parseType } from "../qom/types.ts";
import { completeQmp } from "../schema/completion.ts";
import { schemaOf } from "./exec.ts";
import { takesWord, testNames } from "./find.ts";
import { commandOf } from "./launchers.ts";
import { mountOptionNames } from "./mountOptions.ts";
import { print } from "./output.ts";

/**
 * @param line up to the cursor
 * @param createProgram makes the program of a launcher
 */
export async function runComplete(
	shell: string,
	line: string,
	createProgram: (launcher: string) => Command,
): Promise<void> {
	const { words, quote } = splitLine(line);
	const place = findPlace(words, createProgram);
	const { current } = place;
	const found = await candidates(place);
	// bash takes what stands behind one of these for a word of its own.
	const kept = escaped(current.slice(0, current.search(/[^=:@]*$/)));
	if (found === undefined) return; // the shell completes file names
	const fitting = found.filter((word) => word.startsWith(current));
	if (fitting.length === 0) throw new UsageError("nothing fits here");
	for (const word of fitting)
		print(shell === "bash" && !quote ? escaped(word).slice(kept.length) : word);
}

interface SplitLine {
	readonly words: readonly string[];
	/** The quote that is open at the cursor. */
	readonly quote: string;
}

/** Words as the shell would pass them on; the last one may be empty, or only begun. */
function splitLine(line: string): SplitLine {
	const words = [""];
	let quote = "";
	const add = (text: string) => words.push((words.pop() ?? "") + text);
	for (const [token] of line.matchAll(/\\.|\s+|./gsu)) {
		if (token === quote) quote = "";
		else if (/^\\./s.test(token) && quote !== "'") add(token.slice(1));
		else if (quote) add(token);
		else if (token === '"' || token === "'") quote = token;
		else if (/^\s/.test(token)) words.push("");
		else add(token);
	}
	return { words, quote };
}

function escaped(word: string): string {
	return word.replace(/[^\w/.=:@%+,-]/g, "\\$&");
}

/** Where the cursor stands. */
interface Place {
	readonly command: Command;
	/** What it is called under `qomfs`. */
	readonly name: string;
	/** The word at the cursor, as far as it goes. */
	readonly current: string;
	/** Those before it that are no options. */
	readonly words: readonly string[];
	readonly socket: string | undefined;
	/** The option whose value this is. */
	readonly option: string | undefined;
}

function findPlace(
	words: readonly string[],
	createProgram: (launcher: string) => Command,
): Place {
	const [launcher = "", ...rest] = words;
	const launcherName = launcher.slice(launcher.lastIndexOf("/") + 1);
	let command = createProgram(launcherName);
	let name: string = commandOf(launcherName) ?? launcherName;
	let socket = process.env.QMP_SOCKET;
	let option: string | undefined;
	const positional: string[] = [];
	for (const word of rest.slice(0, -1)) {
		const flag = word.replace(/=.*/s, "");
		if (option !== undefined) {
			if (option === "--socket") socket = word;
			option = undefined;
		} else if (word.startsWith("-")) {
			const known = command.options.find(
				({ long, short }) => flag === long || flag === short,
			);
			if (known?.long === "--socket" && flag !== word)
				socket = word.slice(flag.length + 1);
			const takesNext = known
				? known.required && flag === word
				: takesWord(word);
			if (takesNext) option = known?.long ?? flag;
		} else {
			const known = command.commands.find((sub) => sub.name() === word);
			// The word `mount` may be left out.
			const sub =
				known ?? command.commands.find((sub) => sub.name() === "mount");
			if (sub) {
				command = sub;
				name = sub.name();
			}
			if (!known) positional.push(word);
		}
	}
	const current = rest.at(-1) ?? "";
	return { command, name, current, words: positional, socket, option };
}

/** Undefined: file names, or what else the shell knows. */
async function candidates(
	place: Place,
): Promise<readonly string[] | undefined> {
	const { command, name, current, option } = place;
	if (option !== undefined) return optionValues(place, option);
	const [, long, value = ""] = /^(--[\w-]+)=(.*)$/s.exec(current) ?? [];
	if (long !== undefined) {
		const values = await optionValues({ ...place, current: value }, long);
		return values?.map((value) => `${long}=${value}`);
	}
	if (current.startsWith("-"))
		return [
			...command
				.createHelp()
				.visibleOptions(command)
				.map(({ long, short }) => long ?? short ?? ""),
			...(name === "find" ? testNames : []),
		];
	if (command.commands.length > 0)
		return command
			.createHelp()
			.visibleCommands(command)
			.map((sub) => sub.name());
	return argumentValues(place);
}

async function optionValues(
	place: Place,
	option: string,
): Promise<readonly string[] | undefined> {
	const { current } = place;
	switch (option) {
		case "-o": {
			const before = current.slice(0, current.lastIndexOf(",") + 1);
			return mountOptionNames.map((name) => before + name);
		}
		case "--type":
		case "-type":
			return asked(place, async ({ source }) =>
				(await source.types()).map(({ name }) => name),
			);
		case "-link-to":
			return asked(place, (machine) => objectNames(machine, current));
		default:
			return undefined; // a file, or something that nobody can know
	}
}

async function argumentValues(
	place: Place,
): Promise<readonly string[] | undefined> {
	const { name, current, words } = place;
	switch (name) {
		case "umount":
			return readMounts()
				.filter(({ type }) => type === mountType)
				.map(({ mountpoint }) => mountpoint);
		case "completion":
			return ["bash", "zsh"];
		case "list":
		case "tree":
		case "find":
			return asked(place, (machine) => objectNames(machine, current));
		case "set":
			if (words.length > 1) return [];
			return asked(place, (machine) => propertyWords(machine, place));
		case "get":
			return asked(place, (machine) => propertyWords(machine, place));
		case "exec":
			return asked(place, (machine) => requestWords(machine, place));
		case "events":
			return asked(
				place,
				async (machine) => (await schemaOf(machine))?.eventNames ?? [],
			);
		default:
			return undefined;
	}
}

/** What the machine knows; nothing where there is none, for nobody wants to read that now. */
async function asked(
	{ socket }: Place,
	ask: (machine: Machine) => Promise<readonly string[]>,
): Promise<readonly string[]> {
	if (!socket) return [];
	try {
		const machine = await connect(socket, {
			connectTimeoutMs: 1000,
			timeoutMs: 1000,
		});
		try {
			return await ask(machine);
		} finally {
			await machine.close();
		}
	} catch (error) {
		log.cli("%O", error);
		return [];
	}
}

/** Where things have ids of their own, by which they can be called without a path. */
const idPlaces = ["/machine/peripheral", "/objects", "/chardevs"];

/** Objects in the one that is typed so far, each with a slash to go on; else ids. */
async function objectNames(
	{ source }: Machine,
	current: string,
): Promise<readonly string[]> {
	const before = current.slice(0, current.lastIndexOf("/") + 1);
	const places = before ? [before] : idPlaces;
	const names = await Promise.all(
		places.map(async (place) => {
			const entries = await source
				.list(withoutTrailingSlashes(place))
				.catch(() => []);
			return entries
				.filter(({ type }) => parseType(type).kind === "child")
				.map(({ name }) => `${before}${name}${before ? "/" : ""}`);
		}),
	);
	return before ? names.flat() : ["/", ...names.flat()];
}

/** `PATH.PROPERTY`, or a property of the PATH that is there already. */
async function propertyWords(
	machine: Machine,
	{ name, words, current }: Place,
): Promise<readonly string[]> {
	const [object] = words;
	const whole =
		name === "set" && object !== undefined
			? []
			: await propertyNames(machine, current);
	if (object === undefined) return whole;
	const entries = await machine.source
		.list(withoutTrailingSlashes(object))
		.catch(() => []);
	return [...whole, ...entries.map((entry) => entry.name)];
}

/** Properties of the object that is typed so far, behind a dot or a slash, and its children. */
async function propertyNames(
	machine: Machine,
	current: string,
): Promise<readonly string[]> {
	const objects = await objectNames(machine, current);
	const separator = Math.max(
		current.lastIndexOf("/"),
		current.lastIndexOf("."),
	);
	if (separator < 0)
		return objects.map((id) => (id.endsWith("/") ? id : `${id}.`));
	const before = current.slice(0, separator + 1);
	const entries = await machine.source
		.list(withoutTrailingSlashes(before.slice(0, -1) || "/"))
		.catch(() => []);
	return [
		...objects,
		...entries
			.filter(({ type }) => parseType(type).kind !== "child")
			.map(({ name }) => before + name),
	];
}

/** A QMP command, its arguments and their values. */
async function requestWords(
	machine: Machine,
	{ words, current }: Place,
): Promise<readonly string[]> {
	const [found, replaced] = await completeQmp(
		{
			schema: () => schemaOf(machine),
			execute: (command, args) => machine.execute(command, args),
		},
		[...words, current].join(" "),
		false,
	);
	const kept = current.slice(0, current.length - replaced.length);
	return found.map((end) => kept + end.trimEnd());
}
