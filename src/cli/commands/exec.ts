/** `qmp`: runs one QMP command, or those on stdin. */
import { QomfsError, UsageError } from "../../errors.ts";
import { formatJson, type Json } from "../../json.ts";
import type { Machine } from "../../machine/machine.ts";
import { holdsSecret } from "../../qom/guard.ts";
import {
	type Execute,
	executeRequest,
	type QmpRequest,
	readRequest,
	requestOf,
	type SchemaSource,
} from "../../schema/request.ts";
import type {
	CommandDefinition,
	CommandOption,
	Completer,
	Invocation,
} from "../command.ts";
import { flatten } from "../flatten.ts";
import {
	type MachineFlags,
	withMachine,
	withoutObjects,
} from "../openSource.ts";
import { socketOption, sortOut, timeoutOption } from "../options.ts";
import { print } from "../output.ts";

interface ExecFlags extends MachineFlags {
	readonly json?: true;
	/** The name that QEMU's original tool has for `socket`. */
	readonly path?: string;
	/** A command whose help is wanted; true for the general help. */
	readonly help?: true | string;
}

/** A QMP command, the name of an argument, or its value. */
const completeWord: Completer = ({ words, current, askMachine }) => {
	if (words.length === 0 && current.startsWith("-")) return [];
	return askMachine(async (machine) => {
		const { completeQmp } = await import("../../schema/completion.ts");
		const execute = executeIn(machine);
		const [found, replaced] = await completeQmp(
			{ schema: schemaSource(execute), execute },
			[...words, current].join(" "),
			false,
		);
		const kept = current.slice(0, current.length - replaced.length);
		return found.map((end) => kept + end.trimEnd());
	});
};

export const command: CommandDefinition<ExecFlags> = {
	arguments: [
		{
			name: "[word...]",
			help: 'a command and its arguments, or {"execute": ...}; - or none: commands on stdin',
			complete: completeWord,
		},
	],
	usage: "[options] COMMAND [NAME=VALUE...]",
	takesAnyWords: true,
	hasOwnHelp: true,
	options: [
		{ flags: "--json", help: "print what QEMU returns as JSON" },
		{
			flags: "--path <socket>",
			help: "the same as --socket",
			env: "QMP_PATH",
		},
		socketOption,
		timeoutOption,
		{
			flags: "-h, --help [command]",
			help: "this help, or that of a QMP command",
		},
	],
	prepare: withOptionsFirst,
	run: runExec,
};

/** People add them at the end of the line. The others may be arguments there: `--path=/objects`. */
const movable: readonly CommandOption[] = [
	{ flags: "--json" },
	{ flags: "-s <socket>" },
];

function withOptionsFirst(words: readonly string[]): readonly string[] {
	const { options, others } = sortOut(movable, words);
	return [...options, ...others];
}

/**
 * @param words the command and its arguments; one word of JSON; `-` or none for stdin
 * @throws UsageError the line is wrong; CommandError QEMU refuses; whatever connecting throws
 */
async function runExec(
	words: readonly string[],
	flags: ExecFlags,
	invocation: Invocation,
): Promise<void> {
	const socket = monitorOf(flags, invocation);
	const wantedHelp = helpWanted(words, flags);
	if (wantedHelp) {
		if (socket === undefined || wantedHelp.command === undefined)
			print(invocation.helpText(), "");
		else await printHelp({ ...flags, socket }, wantedHelp, invocation.name);
		return;
	}
	const isStdin = words.length === 0 || words[0] === "-";
	if (isStdin && words.length > 1)
		throw new UsageError(`unexpected argument '${words[1]}': '-' means stdin`);
	if (words.length === 0 && process.stdin.isTTY)
		throw new UsageError(
			`no command; '${invocation.name} --help' shows how, 'query-commands' lists them`,
		);
	const request = isStdin ? undefined : readWords(words);
	if (socket === undefined)
		throw new UsageError(
			"no monitor is named; give --path=SOCKET or -s SOCKET, or set QMP_SOCKET or QMP_PATH",
		);
	await withMachine(
		{ ...flags, socket },
		async (machine) => {
			const execute = executeIn(machine);
			const schema = schemaSource(execute);
			const run = async (each: QmpRequest) =>
				show(await executeRequest(each, schema, execute), flags);
			if (request) return run(request);
			const { readCommands } = await import("../../schema/commandStream.ts");
			for await (const text of readCommands(process.stdin)) {
				const each = readRequest(text);
				if (each) await run(each);
			}
		},
		withoutObjects,
	);
}

function executeIn(machine: Machine): Execute {
	return (name, args) =>
		machine.execute(name, args, {
			secret: args !== undefined && holdsSecret(`${name} ${formatJson(args)}`),
		});
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

/** The command line takes precedence over the environment. */
function monitorOf(
	{ socket, path }: ExecFlags,
	{ isTyped }: Invocation,
): string | undefined {
	if (isTyped("path") && !isTyped("socket")) return path;
	return socket || path || undefined;
}

/** Help that is asked for. */
interface WantedHelp {
	/** Undefined for the general help. */
	readonly command: string | undefined;
	readonly words: readonly string[];
}

/** `--help COMMAND`, `COMMAND ... --help`, and `help COMMAND`, as QEMU's original tool has it. */
function helpWanted(
	words: readonly string[],
	{ help }: ExecFlags,
): WantedHelp | undefined {
	if (typeof help === "string") return { command: help, words };
	const [first, ...others] = words;
	if (help || first === "help") {
		const [command, ...rest] = help ? words : others;
		return { command, words: rest };
	}
	if (!others.includes("--help") && !others.includes("-h")) return undefined;
	return { command: first, words: others };
}

/** @param name how the command was called */
async function printHelp(
	flags: MachineFlags,
	{ command = "", words }: WantedHelp,
	name: string,
): Promise<void> {
	const [{ helpFor }, { readPair }] = await Promise.all([
		import("../../schema/help.ts"),
		import("../../schema/literal.ts"),
	]);
	const pairs = words.filter((word) => word.includes("=")).map(readPair);
	await withMachine(
		flags,
		async (machine) => {
			const execute = executeIn(machine);
			const schema = await schemaSource(execute)();
			if (!schema)
				throw new QomfsError(
					"this QEMU does not describe its commands; see its QMP reference",
				);
			const { columns } = process.stdout;
			print(await helpFor(execute, schema, name, command, pairs, columns), "");
		},
		withoutObjects,
	);
}

/** Asks QEMU once, when the schema is first needed. */
function schemaSource(execute: Execute): SchemaSource {
	let schema: ReturnType<SchemaSource> | undefined;
	return () => {
		schema ??= import("../../schema/fetch.ts").then(({ fetchSchema }) =>
			fetchSchema(execute),
		);
		return schema;
	};
}

function show(value: Json, { json }: ExecFlags): void {
	const lines = json ? [formatJson(value)] : flatten(value);
	for (const line of lines) print(line);
}
