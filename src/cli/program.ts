/**
 * The command line on one page: which commands there are and what they take. `--help`, the
 * manual pages and completion are made from it. What a command does is in a file of its own,
 * loaded when it runs.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import {
	Command,
	InvalidArgumentError,
	Option,
	type OutputConfiguration,
} from "commander";
import { UsageError } from "../errors.ts";
import { didYouMean } from "../nearest.ts";
import type { EventsFlags } from "./events.ts";
import type { ExecFlags } from "./exec.ts";
import type { GetFlags } from "./get.ts";
import { commandOf } from "./launchers.ts";
import type { ListFlags } from "./list.ts";
import type { MountFlags } from "./mount.ts";
import { mountOptionsHelp } from "./mountOptions.ts";
import type { MachineFlags } from "./openMachine.ts";
import type { SetFlags } from "./set.ts";
import type { ShellFlags } from "./shell.ts";
import { onOneLine } from "./terminalText.ts";
import type { TreeFlags } from "./tree.ts";

const sourceHelp = "/path/to/qmp.sock, unix:PATH, HOST:PORT or tcp:HOST:PORT";
const globHelp = "* and ? match within a name, ** any depth";

/** Each fills one command in. */
const definitions = {
	mount: (command) =>
		command
			.description(
				"mount a machine as a directory tree (the word 'mount' may be left out)",
			)
			.argument("<source>", sourceHelp)
			.argument("<mountpoint>", "an empty directory")
			.option("-f, --foreground", "stay in the foreground")
			.option("-d, --debug", "stay in the foreground and show what happens")
			.addOption(mountOption())
			.addOption(new Option("--background-child").hideHelp())
			.addHelpText("after", mountHelp)
			.action(async (source: string, mountpoint: string, flags: MountFlags) =>
				(await import("./mount.ts")).runMount(source, mountpoint, flags),
			),

	fuse: (command) =>
		command
			.description("mount a machine as a directory tree, in the foreground")
			.argument("<mountpoint>", "an empty directory")
			.option("-f, --foreground", "stay in the foreground, as it does anyway")
			.option("-d, --debug", "show what happens")
			.addOption(mountOption())
			.addOption(socketOption())
			.addHelpText("after", mountHelp)
			.action(async (mountpoint: string, flags: MountFlags & MachineFlags) =>
				(await import("./mount.ts")).runFuse(mountpoint, flags),
			),

	umount: (command) =>
		command
			.description("unmount")
			.argument("<mountpoint>")
			.action(async (mountpoint: string) =>
				(await import("./umount.ts")).runUmount(mountpoint),
			),

	list: (command) =>
		machineOptions(command)
			.description("list the properties of objects")
			.argument(
				"[path...]",
				`of objects, absolute or partial (net0); ${globHelp} (default: /)`,
			)
			.option("-l, --long", "with types, values and descriptions")
			.option("--json", "as JSON")
			.action(async (paths: string[], flags: ListFlags) =>
				(await import("./list.ts")).runList(paths, flags),
			),

	get: (command) =>
		machineOptions(command)
			.description("read properties")
			.argument(
				"<property...>",
				`PATH.PROPERTY..., or PATH PROPERTY...; ${globHelp}`,
			)
			.option("--json", "as JSON")
			.option(
				"--watch [sec]",
				"print again what has changed, asking every SEC seconds (1)",
				seconds,
			)
			.option("--until <value>", "wait until it has this value")
			.action(async (properties: string[], flags: GetFlags) =>
				(await import("./get.ts")).runGet(properties, flags),
			),

	set: (command) =>
		machineOptions(command)
			.description("set properties")
			.argument("<property>", `PATH.PROPERTY, or PATH PROPERTY; ${globHelp}`)
			.argument("<value...>", "what is natural: 8K, 0x10, on, a text, JSON")
			.usage("[options] PATH.PROPERTY VALUE | PATH PROPERTY VALUE")
			.option("--unsafe-writes", "also what can crash the machine")
			.action(async (property: string, values: string[], flags: SetFlags) =>
				(await import("./set.ts")).runSet([property, ...values], flags),
			),

	tree: (command) =>
		machineOptions(command)
			.description("show objects and what is below them")
			.argument("[path]", "where to begin, absolute or partial", "/")
			.option("-d, --depth <levels>", "no deeper than this", count)
			.option(
				"-t, --type <type>",
				"only objects of this type, or of one derived from it",
			)
			.addOption(
				new Option(
					"--values",
					"draw properties and their values, too",
				).conflicts(["list", "json"]),
			)
			.addOption(
				new Option(
					"--draw",
					"draw the objects with lines (default on a terminal)",
				).conflicts(["list", "json"]),
			)
			.addOption(
				new Option(
					"--list",
					"list them with their properties (default elsewhere)",
				).conflicts(["json"]),
			)
			.option("--json", "as JSON")
			.action(async (path: string, flags: TreeFlags) =>
				(await import("./tree.ts")).runTree(path, flags),
			),

	find: (command) =>
		machineOptions(command)
			.description("find objects")
			.argument("[word...]", "where to begin (default: /), then tests")
			.usage("[options] [PATH...] [TEST...]")
			.allowUnknownOption()
			.passThroughOptions()
			.addHelpText("after", findHelp)
			.action(async (words: string[], flags: MachineFlags) =>
				(await import("./find.ts")).runFind(words, flags),
			),

	exec: (command) =>
		command
			.description("run QMP commands")
			.argument(
				"[word...]",
				'a command and its arguments, or {"execute": ...}; - or none: those on stdin',
			)
			.usage("[options] COMMAND [NAME=VALUE...]")
			.allowUnknownOption()
			.passThroughOptions()
			.option("--json", "print what QEMU returns as JSON")
			.addOption(
				new Option("--path <socket>", "the same as --socket").env("QMP_PATH"),
			)
			.addOption(socketOption())
			.addOption(timeoutOption())
			.helpOption(false)
			.option("-h, --help [command]", "this help, or that of a QMP command")
			.action(async (words: string[], flags: ExecFlags) =>
				(await import("./exec.ts")).runExec(words, flags, command),
			),

	shell: (command) =>
		command
			.description("talk QMP, or to the human monitor")
			.argument("[socket]", `${sourceHelp} (default: QMP_SOCKET)`)
			.option("-H, --hmp", "the human monitor's commands")
			.option("-N, --skip-negotiation", "send no qmp_capabilities")
			.option("-v, --verbose", "show what is sent")
			.option("-p, --pretty", "indent what QEMU answers")
			.option("-l, --logfile <file>", "append all that is sent and received")
			.option(
				"-c, --command <line>",
				"run this line and end; may be given again",
				(line: string, earlier: string[] = []) => [...earlier, line],
			)
			.addOption(socketOption())
			.action(async (socket: string | undefined, flags: ShellFlags) =>
				(await import("./shell.ts")).runShell(socket, flags),
			),

	events: (command) =>
		command
			.description("follow events, one JSON object a line")
			.argument("[name...]", "only these events; * and ? match")
			.option("--count <n>", "end after so many", count)
			.option("--timeout <sec>", "end after so many seconds", seconds)
			.addOption(socketOption())
			.action(async (names: string[], flags: EventsFlags) =>
				(await import("./events.ts")).runEvents(names, flags),
			),

	why: (command) =>
		command
			.description("tell why reading or writing a file in a mount failed last")
			.argument("<file>")
			.action(async (file: string) => (await import("./why.ts")).runWhy(file)),

	completion: (command) =>
		command
			.description("print a script that completes these commands in a shell")
			.argument("<shell>", "bash or zsh")
			.action(async (shell: string) =>
				(await import("./completion.ts")).runCompletion(shell),
			),

	complete: (command) =>
		command
			.argument("<shell>")
			.argument("<line>")
			.action(async (shell: string, line: string) =>
				(await import("./complete.ts")).runComplete(shell, line, createProgram),
			),
} satisfies Record<string, (command: Command) => Command>;

/**
 * @param name of the launcher: `qomfs` with all its commands, or that of one command
 * @param args its command line, to tell a mistyped command from a SOURCE to mount
 * @throws UsageError
 */
export function programFor(name: string, args: readonly string[]): Command {
	const program = createProgram(name);
	const [word = ""] = args;
	const commands = program.commands.map((command) => command.name());
	if (commands.length === 0 || word.startsWith("-") || commands.includes(word))
		return program;
	const question = existsSync(word) ? undefined : didYouMean(word, commands);
	if (question || (args.length === 1 && !/[/:]/.test(word)))
		throw new UsageError(
			`unknown command '${word}'; ${question ?? "'qomfs --help' lists them"}`,
		);
	return program;
}

/** @param name of the launcher: `qomfs` with all its commands, or that of one command */
export function createProgram(name: string): Command {
	const program = new Command(name)
		.exitOverride()
		.version(packageVersion(), "-V, --version")
		.configureOutput(oneLineErrors(name, name));
	const own = commandOf(name);
	if (own) return definitions[own](program);
	program
		.enablePositionalOptions()
		.description(
			"Explores and changes the object model (QOM) of a running QEMU, mounted or by command.",
		);
	for (const [command, define] of Object.entries(definitions)) {
		if (command === "fuse") continue;
		const isDefault = command === "mount";
		const hidden = command === "complete"; // for completion's scripts
		define(program
			.command(command, { isDefault, hidden })
			.configureOutput(oneLineErrors(name, `${name} ${command}`)));
	}
	return program;
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

const mountHelp = () => `\nMount options:\n${mountOptionsHelp()}`;

const findHelp = `
Tests, all of which have to hold:
  -type TYPE           of this type, or of one derived from it
  -name PATTERN        whose own name matches
  -prop NAME[=VALUE]   that has this property, with this value; both may be patterns
  -link-to PATH        that has a link to this object
  -maxdepth N          no deeper below where it began
  -print0              end each path with a NUL
`;

function machineOptions(command: Command): Command {
	return command.addOption(socketOption()).addOption(timeoutOption());
}

function socketOption(): Option {
	return new Option("-s, --socket <socket>", sourceHelp).env("QMP_SOCKET");
}

function timeoutOption(): Option {
	return new Option(
		"--timeout <sec>",
		"how long QEMU may take for one command (default: 10)",
	).argParser(seconds);
}

function mountOption(): Option {
	return new Option(
		"-o <option[,option...]>",
		"mount options, see below",
	).argParser((value: string, earlier: string[] = []) => [...earlier, value]);
}

function seconds(text: string): number {
	const number = /^\d*\.?\d+$/.test(text) ? Number(text) : 0;
	if (!(number > 0 && number <= 86_400))
		throw new InvalidArgumentError("It has to be a number of seconds.");
	return number;
}

function count(text: string): number {
	if (!/^\d{1,9}$/.test(text))
		throw new InvalidArgumentError("It has to be a whole number.");
	return Number(text);
}

function packageVersion(): string {
	return createRequire(import.meta.url)("../../package.json").version;
}
