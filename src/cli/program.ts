/** The command line: commander's commands, made from the data of ours. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { Command, Option, type OutputConfiguration } from "commander";
import { UsageError } from "../errors.ts";
import { didYouMean } from "../nearest.ts";
import type {
	CommandDefinition,
	CommandOption,
	HelpList,
	Invocation,
	Program,
} from "./command.ts";
import { type ExitStatus, exitStatus } from "./exitStatus.ts";
import { commandOf } from "./launchers.ts";
import { type RegisteredCommand, registry } from "./registry.ts";
import { onOneLine } from "./text.ts";

/** The command that is meant if none is named. */
const defaultCommand = "mount";

/**
 * Runs a command line. `qomfs qom-get` is `qom-get`.
 *
 * @param launcher `qomfs`, or the name of one command
 * @param words its command line
 * @returns the exit status
 * @throws CommanderError it is wrong, or help was asked for; QomfsError
 */
export async function runProgram(
	launcher: string,
	words: readonly string[],
): Promise<ExitStatus> {
	const [first = "", ...rest] = words;
	if (launcher === "qomfs" && commandOf(first)) return runProgram(first, rest);
	if (launcher === "qomfs" && first === "help") {
		const [name = "", ...others] = rest;
		refuseMoreHelp(name, others);
		if (commandOf(name)) return runProgram(name, ["--help"]);
		if (/^(help|-h|--help)$/.test(name)) return runProgram(launcher, ["help"]);
	}
	if (launcher === "qomfs" && words.length === 0)
		return (await createProgram(launcher)).command.help({ error: true });
	let status: ExitStatus = exitStatus.done;
	const program = await createProgram(launcher, words, (wanted) => {
		status = wanted;
	});
	refuseUnknownCommand(program, words);
	await program.command.parseAsync(prepared(program, words), { from: "user" });
	return status;
}

/**
 * The program of a launcher. Of the subcommands of `qomfs`, only those are loaded that the command
 * line may mean.
 *
 * @param words the command line; without it, every subcommand is loaded
 * @param endWith sets the exit status
 */
export async function createProgram(
	launcher: string,
	words?: readonly string[],
	endWith: Invocation["endWith"] = () => {},
): Promise<Program> {
	const command = new Command(launcher)
		.exitOverride()
		.version(packageVersion(), "-V, --version")
		.configureOutput(oneLineErrors(launcher, launcher));
	const own = commandOf(launcher);
	if (own) return filled(command, registry[own], endWith);
	command
		.enablePositionalOptions()
		.description(
			"Explores and changes the object model (QOM) of a running QEMU, mounted or by command.",
		);
	const showsAll = !words || /^(-h|--help|help)$/.test(words[0] ?? "");
	const subcommands: Program[] = [];
	const entries: [string, RegisteredCommand][] = Object.entries(registry);
	for (const [name, registered] of entries) {
		const {
			description,
			isHidden: hidden = false,
			isOnlyLauncher,
		} = registered;
		if (isOnlyLauncher) continue;
		const isDefault = name === defaultCommand;
		const subcommand = command
			.command(name, { isDefault, hidden })
			.description(description)
			.configureOutput(oneLineErrors(launcher, `${launcher} ${name}`));
		subcommands.push(
			isDefault || showsAll || words.includes(name)
				? await filled(subcommand, registered, endWith)
				: { command: subcommand, definition: undefined, subcommands: [] },
		);
	}
	return {
		command,
		definition: undefined,
		subcommands,
		defaultSubcommand: subcommands.find(
			({ command }) => command.name() === defaultCommand,
		),
	};
}

/** Loads what a command takes and does. */
async function filled(
	command: Command,
	{ description, load }: RegisteredCommand,
	endWith: Invocation["endWith"],
): Promise<Program> {
	const { command: definition } = await load();
	command.description(description);
	for (const { name, help, default: value } of definition.arguments)
		command.argument(name, help, value);
	if (definition.usage) command.usage(definition.usage);
	if (definition.takesAnyWords)
		command.allowUnknownOption().passThroughOptions();
	if (definition.hasOwnHelp) command.helpOption(false);
	for (const option of definition.options) command.addOption(optionOf(option));
	for (const list of definition.lists ?? [])
		command.addHelpText("after", `\n${listText(list)}`);
	command.action(() => run(command, definition, endWith));
	return { command, definition, subcommands: [] };
}

async function run(
	command: Command,
	definition: CommandDefinition,
	endWith: Invocation["endWith"],
): Promise<void> {
	const { parent } = command;
	const words: string[] = command.processedArgs
		.flat()
		.filter((word) => word !== undefined);
	return definition.run(words, command.opts(), {
		name: parent ? `${parent.name()} ${command.name()}` : command.name(),
		helpText: () => command.helpInformation(),
		isTyped: (option) => command.getOptionValueSource(option) === "cli",
		endWith,
		programOf: (launcher, words) => createProgram(launcher, words),
	});
}

function optionOf({
	flags,
	help,
	env,
	conflicts,
	parse,
}: CommandOption): Option {
	const option = new Option(flags, help);
	if (help === undefined) option.hideHelp();
	if (env) option.env(env);
	if (conflicts) option.conflicts([...conflicts]);
	if (parse) option.argParser(parse);
	return option;
}

/** Terms and meanings in two columns. */
function listText({ title, entries }: HelpList): string {
	const width = Math.max(...entries.map(({ term }) => term.length)) + 3;
	const lines = entries.map(
		({ term, meaning }) => `  ${term.padEnd(width)}${meaning}`,
	);
	return [`${title}:`, ...lines].join("\n");
}

/** The command line for commander. */
function prepared(
	{ definition, subcommands }: Program,
	words: readonly string[],
): readonly string[] {
	if (definition) return definition.prepare?.(words) ?? words;
	const [name = "", ...rest] = words;
	const subcommand = subcommands.find(({ command }) => command.name() === name);
	return subcommand?.definition ? [name, ...prepared(subcommand, rest)] : words;
}

/**
 * Tells a mistyped command from a SOURCE to mount.
 *
 * @throws UsageError
 */
function refuseUnknownCommand(
	{ command, subcommands }: Program,
	words: readonly string[],
): void {
	const asksHelp = words[0] === "help"; // commander's own
	const [word] = asksHelp ? words.slice(1) : words;
	if (subcommands.length === 0 || word === undefined) return;
	if (!asksHelp && word.startsWith("-")) return;
	if (subcommands.some(({ command }) => command.name() === word)) return;
	const isThere = existsSync(word);
	if (isThere && !asksHelp) return; // a SOURCE, or a MOUNTPOINT alone
	const visible = command.createHelp().visibleCommands(command);
	const question = didYouMean(
		word,
		visible.map((each) => each.name()),
	);
	if (question || asksHelp || (words.length === 1 && !/[/:]/.test(word)))
		throw new UsageError(
			`unknown command '${word}'${isThere ? "" : ", and no directory of that name"}; ${question ?? "'qomfs --help' lists them"}`,
		);
}

/**
 * commander takes any words behind the one that it helps with.
 *
 * @throws UsageError
 */
function refuseMoreHelp(name: string, others: readonly string[]): void {
	const other = others.find((word) => !/^(-h|--help)$/.test(word));
	if (other !== undefined)
		throw new UsageError(
			`unexpected argument '${other}'; 'qomfs help ${name}' takes no more`,
		);
}

function oneLineErrors(name: string, command: string): OutputConfiguration {
	return {
		outputError: (text, write) => {
			const line = text.trim().replace(/^error:/, `${name}:`);
			write(
				`${onOneLine(line).replace(/\.$/, "")}; '${command} --help' shows how\n`,
			);
		},
	};
}

function packageVersion(): string {
	return createRequire(import.meta.url)("../../package.json").version;
}
