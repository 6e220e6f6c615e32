/** `qmp`: one QMP command, or those that come in on stdin. */
import type { Command } from "commander";
import { QomfsError, UsageError } from "../errors.ts";
import { formatJson, type Json } from "../json.ts";
import { connect, type Machine } from "../machine/machine.ts";
import type { Pair } from "../schema/literal.ts";
import {
	executeRequest,
	holdsSecret,
	type QmpRequest,
	readRequest,
	requestOf,
	type SchemaSource,
} from "../schema/request.ts";
import type { QmpSchema } from "../schema/schema.ts";
import { flatten } from "./flatten.ts";
import type { MachineFlags } from "./openMachine.ts";
import { print } from "./output.ts";

export interface ExecFlags extends MachineFlags {
	readonly json?: true;
	/** What 2012 called `socket`. */
	readonly path?: string;
	/** A command whose help is wanted; true for the general one. */
	readonly help?: true | string;
}

/**
 * @param givenWords the command and its arguments; one word of JSON; `-` or none for stdin
 * @param definition of this command, for its help
 * @throws UsageError the line is wrong; CommandError QEMU refuses; whatever connecting throws
 */
export async function runExec(
	givenWords: readonly string[],
	givenFlags: ExecFlags,
	definition: Command,
): Promise<void> {
	// No command takes an argument of that name, and behind the command is where one adds it.
	const words = givenWords.filter((word) => word !== "--json");
	const flags: ExecFlags =
		words.length < givenWords.length
			? { ...givenFlags, json: true }
			: givenFlags;
	const monitor = monitorOf(flags, definition);
	const helped = helpedCommand(words, flags);
	if (helped) {
		if (monitor === undefined || helped.command === undefined)
			process.stdout.write(definition.helpInformation());
		else await printHelp(monitor, flags, helped, definition);
		return;
	}
	const isStdin = words.length === 0 || words[0] === "-";
	if (isStdin && words.length > 1)
		throw new UsageError(`'${words[1]}' is too much: '-' means stdin`);
	if (words.length === 0 && process.stdin.isTTY)
		throw new UsageError(
			`no command; '${definition.name()} --help' shows how, 'query-commands' names all`,
		);
	const request = isStdin ? undefined : readWords(words);
	if (monitor === undefined)
		throw new UsageError(
			"no monitor is named; give --path=SOCKET or -s SOCKET, or set QMP_SOCKET or QMP_PATH",
		);
	await withMonitor(monitor, flags, async (machine) => {
		const schema = schemaSource(machine);
		const execute = async (each: QmpRequest) =>
			show(await executeOn(machine, each, schema), flags);
		if (request) return execute(request);
		const { readCommands } = await import("../schema/commandStream.ts");
		for await (const text of readCommands(process.stdin)) {
			const each = readRequest(text);
			if (each) await execute(each);
		}
	});
}

function executeOn(
	machine: Machine,
	request: QmpRequest,
	schema: SchemaSource,
): Promise<Json> {
	return executeRequest(request, schema, (command, args) =>
		machine.execute(command, args, {
			secret: args !== undefined && holdsSecret(formatJson(args)),
		}),
	);
}

/** @throws UsageError */
function readWords(words: readonly string[]): QmpRequest {
	const [first = ""] = words;
	if (words.length === 1 && /^\s*\{/.test(first)) {
		const request = readRequest(first);
		if (request) return request;
	}
	if (first.startsWith("-"))
		throw new UsageError(
			`unknown option '${first}'; a command comes first, then its arguments`,
		);
	return requestOf(words);
}

/** What is typed outweighs the environment. */
function monitorOf(
	{ socket, path }: ExecFlags,
	definition: Command,
): string | undefined {
	const isTyped = (option: string) =>
		definition.getOptionValueSource(option) === "cli";
	if (isTyped("path") && !isTyped("socket")) return path;
	return socket || path || undefined;
}

interface Helped {
	/** Undefined for the general help. */
	readonly command: string | undefined;
	readonly words: readonly string[];
}

/** `--help COMMAND`, `COMMAND ... --help`, and `help COMMAND`, which 2012 had, too. */
function helpedCommand(
	words: readonly string[],
	{ help }: ExecFlags,
): Helped | undefined {
	if (typeof help === "string") return { command: help, words };
	const [first, ...others] = words;
	if (help || first === "help") {
		const [command, ...rest] = help ? words : others;
		return { command, words: rest };
	}
	if (!others.includes("--help") && !others.includes("-h")) return undefined;
	return { command: first, words: others };
}

async function printHelp(
	monitor: string,
	flags: ExecFlags,
	{ command = "", words }: Helped,
	definition: Command,
): Promise<void> {
	const [{ commandHelp }, { readPair }] = await Promise.all([
		import("../schema/help.ts"),
		import("../schema/literal.ts"),
	]);
	const pairs: readonly Pair[] = words
		.filter((word) => word.includes("="))
		.map(readPair);
	await withMonitor(monitor, flags, async (machine) => {
		const schema = await schemaOf(machine);
		if (!schema)
			throw new QomfsError(
				"this QEMU does not describe its commands; see its QMP reference",
			);
		print(
			commandHelp(
				schema,
				nameOf(definition),
				command,
				pairs,
				process.stdout.columns,
			),
			"",
		);
	});
}

/** `qmp`, or `qomfs exec`. */
function nameOf(definition: Command): string {
	const { parent } = definition;
	return [...(parent ? [parent.name()] : []), definition.name()].join(" ");
}

async function withMonitor(
	monitor: string,
	{ timeout = 10 }: ExecFlags,
	act: (machine: Machine) => Promise<void>,
): Promise<void> {
	await using machine = await connect(monitor, {
		timeoutMs: timeout * 1000,
		hasObjects: false,
	});
	await act(machine);
}

/** Asks QEMU once, when the schema is first needed. */
function schemaSource(machine: Machine): SchemaSource {
	let schema: Promise<QmpSchema | undefined> | undefined;
	return () => {
		schema ??= schemaOf(machine);
		return schema;
	};
}

export async function schemaOf(
	machine: Machine,
): Promise<QmpSchema | undefined> {
	const { fetchSchema } = await import("../schema/fetch.ts");
	return fetchSchema((command, args) => machine.execute(command, args));
}

function show(value: Json, { json }: ExecFlags): void {
	const lines = json ? [formatJson(value)] : flatten(value);
	for (const line of lines) print(line);
}
