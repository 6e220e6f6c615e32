/** `qomfs complete`: prints what may stand at the cursor, for the scripts of `qomfs completion`. */
import type { Command, CommanderError, Option } from "commander";
import { UsageError } from "../../errors.ts";
import type {
	CommandDefinition,
	Completer,
	Cursor,
	Invocation,
	Program,
} from "../command.ts";
import { askForWords, askMachineForWords } from "../openSource.ts";
import { print } from "../output.ts";

export const command: CommandDefinition = {
	arguments: [{ name: "<shell>" }, { name: "<line>" }],
	options: [],
	run: ([shell = "", line = ""], _flags, invocation) =>
		complete(shell, line, invocation),
};

/**
 * @param line the command line as far as the cursor
 * @throws UsageError nothing fits
 */
async function complete(
	shell: string,
	line: string,
	{ programOf }: Invocation,
): Promise<void> {
	const { words, quote, quotedFrom, endedAt } = splitLine(line, shell);
	const [launcher = "", ...rest] = words;
	const current = rest.pop() ?? "";
	const name = launcher.slice(launcher.lastIndexOf("/") + 1);
	const found = await candidates(await programOf(name, rest), rest, current);
	if (found === undefined) return; // the shell completes file names
	const fitting = found.filter(
		(word) => word.startsWith(current) && !untypeable.test(word),
	);
	if (fitting.length === 0) throw new UsageError("nothing fits here");
	for (const word of fitting) print(shell === "bash" ? forBash(word) : word);

	/** Bash replaces what is behind an open quote, or behind the last sign that ends a word for it. */
	function forBash(word: string): string {
		if (quote) return quoted(word.slice(quotedFrom), quote);
		const kept = escaped(current.slice(0, endedAt));
		return escaped(word).slice(kept.length);
	}
}

/** The scripts tell words apart by their lines, and no shell takes such a sign as it is. */
const untypeable = /[\p{Cc}\p{Cs}]/u;

interface SplitLine {
	readonly words: string[];
	/** The quote that is open at the cursor, or none. */
	readonly quote: string;
	/** Where in the last word it was opened. */
	readonly quotedFrom: number;
	/** How much of the last word stands before the last sign that ends a word for bash. */
	readonly endedAt: number;
}

/** The words as the shell would pass them. The last one ends at the cursor, and may be empty. */
function splitLine(line: string, shell: string): SplitLine {
	const words = [""];
	let quote = "";
	let quotedFrom = 0;
	let endedAt = 0;
	const add = (text: string) => words.push((words.pop() ?? "") + text);
	for (const [token] of line.matchAll(/\\.|\s+|./gsu)) {
		if (token === quote) quote = "";
		else if (token.length > 1 && token.startsWith("\\"))
			add(escapes(token, quote, shell) ? token.slice(1) : token);
		else if (quote) add(token);
		else if (token === '"' || token === "'") {
			quote = token;
			quotedFrom = words.at(-1)?.length ?? 0;
		} else if (/^\s/.test(token)) {
			words.push("");
			endedAt = 0;
		} else {
			add(token);
			if (/[=:@]/.test(token)) endedAt = words.at(-1)?.length ?? 0;
		}
	}
	return { words, quote, quotedFrom, endedAt };
}

/** Whether the backslash stands for the sign behind it alone. */
function escapes([, sign = ""]: string, quote: string, shell: string): boolean {
	if (quote === '"') return /[\\$`"\n]/.test(sign);
	return quote === "" || (shell === "fish" && /[\\']/.test(sign));
}

/** As bash reads it outside of quotes. */
function escaped(word: string): string {
	return word.replace(/[^\p{L}\p{N}_/.=:@%+,-]/gu, "\\$&");
}

/** As bash reads it behind an open quote, which bash closes. */
function quoted(text: string, quote: string): string {
	if (quote === "'") return text.replaceAll("'", "'\\''");
	// Nothing in double quotes keeps a `!` from the history.
	return text.replace(/[\\$`"]/g, "\\$&").replaceAll("!", '"\\!"');
}

/**
 * What may stand at the cursor; undefined for file names.
 *
 * @param words of this program, before the cursor
 */
async function candidates(
	{ command, definition, subcommands, defaultSubcommand }: Program,
	words: readonly string[],
	current: string,
): Promise<readonly string[] | undefined> {
	command.configureOutput({ outputError() {}, writeOut() {} });
	if (definition) return candidatesFor(command, definition, words, current);
	const help = command.createHelp();
	if (words.length === 0)
		return current.startsWith("-")
			? optionNames(command)
			: help.visibleCommands(command).map((visible) => visible.name());
	const { operands, unknown } = command.parseOptions([...words]);
	const [name] = operands;
	const named = subcommands.find((each) => each.command.name() === name);
	if (named) return candidates(named, unknown, current);
	return (
		defaultSubcommand &&
		candidates(defaultSubcommand, [...operands, ...unknown], current)
	);
}

async function candidatesFor(
	command: Command,
	definition: CommandDefinition,
	wordsBefore: readonly string[],
	current: string,
): Promise<readonly string[] | undefined> {
	const before = definition.prepare?.(wordsBefore) ?? wordsBefore;
	const option = optionWithoutValue(command, before);
	const { operands, unknown } = command.parseOptions(
		option ? before.slice(0, -1) : [...before],
	);
	const cursor: Cursor = {
		current,
		words: [...operands, ...unknown],
		ask: (question) => askForWords(monitorIn(command), question),
		askMachine: (question) => askMachineForWords(monitorIn(command), question),
	};
	if (option) return completerOf(definition, option)?.(cursor);
	const completeArgument = argumentAt(definition, cursor.words.length);
	const isOption =
		current.startsWith("-") &&
		!(definition.takesAnyWords && cursor.words.length > 0);
	if (!isOption) return completeArgument?.(cursor);
	const [, long = "", value] = /^(--[\w-]+)=(.*)$/s.exec(current) ?? [];
	if (value === undefined) {
		const others =
			definition.takesAnyWords && (await completeArgument?.(cursor));
		return [...optionNames(command), ...(others || [])];
	}
	const named = command.options.find((each) => isNamed(each, long));
	const values =
		named &&
		(await completerOf(definition, named)?.({ ...cursor, current: value }));
	return values?.map((each) => `${long}=${each}`);
}

/** The option whose value is at the cursor; undefined if it is not the value of an option. */
function optionWithoutValue(
	command: Command,
	words: readonly string[],
): Option | undefined {
	try {
		command.parseOptions([...words]);
		return undefined;
	} catch (error) {
		const { code } = error as CommanderError;
		if (code !== "commander.optionMissingArgument") throw error;
		return command.options.find((option) =>
			isNamed(option, words.at(-1) ?? ""),
		);
	}
}

function isNamed({ short, long }: Option, word: string): boolean {
	return word === short || word === long;
}

function completerOf(
	{ options }: CommandDefinition,
	{ flags }: Option,
): Completer | undefined {
	return options.find((option) => option.flags === flags)?.complete;
}

/** What completes the argument with that index. */
function argumentAt(
	{ arguments: all }: CommandDefinition,
	index: number,
): Completer | undefined {
	const last = all.at(-1);
	const argument =
		all[index] ?? (last?.name.includes("...") ? last : undefined);
	return argument ? argument.complete : () => [];
}

function optionNames(command: Command): readonly string[] {
	return command
		.createHelp()
		.visibleOptions(command)
		.map(({ long, short }) => long ?? short ?? "");
}

/** The monitor that the command line names, else the environment. */
function monitorIn(command: Command): string | undefined {
	const options = ["--socket", "--path"].flatMap((long) =>
		command.options.filter((option) => option.long === long),
	);
	const typed = options.map((option): string | undefined =>
		command.getOptionValue(option.attributeName()),
	);
	const inherited = options.map(({ envVar = "" }) => process.env[envVar]);
	return [...typed, ...inherited].find((monitor) => monitor);
}
