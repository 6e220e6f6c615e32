/** `qmp-shell`: runs commands of QMP or of the human monitor, line by line. */
import { homedir } from "node:os";
import { join } from "node:path";
import { QomfsError, UsageError } from "../../errors.ts";
import type { JsonObject } from "../../json.ts";
import { parseAddress } from "../../qmp/address.ts";
import { formatVersion } from "../../qmp/messages.ts";
import { addressOfMount } from "../../share/place.ts";
import type { CommandDefinition } from "../command.ts";
import { type MachineFlags, sourceOf } from "../openSource.ts";
import { collect, monitorHelp, socketOption } from "../options.ts";
import { print } from "../output.ts";
import { HmpLines } from "../shell/hmpLines.ts";
import type { ShellLines, ShellOutput } from "../shell/lines.ts";
import { pythonJson } from "../shell/pythonJson.ts";
import { QmpLines } from "../shell/qmpLines.ts";
import { type ShellListener, ShellSession } from "../shell/shellSession.ts";
import { errorLine, onOneLine } from "../text.ts";

interface ShellFlags extends MachineFlags {
	readonly hmp?: true;
	readonly skipNegotiation?: true;
	readonly verbose?: true;
	readonly pretty?: true;
	readonly logfile?: string;
	readonly command?: readonly string[];
}

export const command: CommandDefinition<ShellFlags> = {
	arguments: [
		{ name: "[socket]", help: `${monitorHelp} (default: QMP_SOCKET)` },
	],
	options: [
		{ flags: "-H, --hmp", help: "the human monitor's commands" },
		{ flags: "-N, --skip-negotiation", help: "send no qmp_capabilities" },
		{ flags: "-v, --verbose", help: "show what is sent" },
		{ flags: "-p, --pretty", help: "indent what QEMU answers" },
		{
			flags: "-l, --logfile <file>",
			help: "append all that is sent and received",
		},
		{
			flags: "-c, --command <line>",
			help: "run this line and end; may be given again",
			parse: collect,
		},
		socketOption,
	],
	/** On a terminal it reads lines from the user, else from `-c` or stdin. */
	run([socket], flags) {
		const monitor = socket ?? sourceOf(flags);
		const isTerminal = process.stdin.isTTY && process.stdout.isTTY;
		return isTerminal && !flags.command
			? runOnTerminal(monitor, flags)
			: runBatch(monitor, flags);
	},
};

/** @throws QomfsError some lines were refused; whatever connecting throws */
async function runBatch(monitor: string, flags: ShellFlags): Promise<void> {
	const session = await connect(monitor, flags, false, {
		onConnected: () => {},
		onLost: () => {},
		onEvent: ({ message }) => plainOutput.print(eventText(message, flags)),
	});
	try {
		await runLines(
			flags.command ?? (await linesOfStdin()),
			linesIn(session, plainOutput, flags),
		);
	} finally {
		await session.close();
	}
}

const plainOutput: ShellOutput = {
	print,
	printError: (text) => print(text),
	say: (text) => process.stderr.write(`qmp-shell: ${onOneLine(text)}\n`),
};

/** Runs all lines, and counts those that QEMU or the shell itself refuses. */
async function runLines(
	texts: Iterable<string> | AsyncIterable<string>,
	lines: ShellLines,
): Promise<void> {
	let all = 0;
	let refused = 0;
	for await (const text of texts) {
		all++;
		const outcome = await lines.run(text).catch((error) => {
			if (!(error instanceof UsageError)) throw error;
			plainOutput.say(errorLine(error));
			return "refused" as const;
		});
		if (outcome === "refused") refused++;
		if (outcome === "leave") break;
	}
	if (lines.abandon())
		throw new QomfsError(
			"what was begun was not ended: a transaction with ')', JSON with '}'",
		);
	if (refused > 0)
		throw new QomfsError(`${refused} of ${all} lines were refused`);
}

async function linesOfStdin(): Promise<AsyncIterable<string>> {
	const { readCommands } = await import("../../schema/commandStream.ts");
	return readCommands(process.stdin);
}

async function runOnTerminal(
	monitor: string,
	flags: ShellFlags,
): Promise<void> {
	const [{ openHistory }, { runTerminal, TerminalOutput }] = await Promise.all([
		import("../shell/history.ts"),
		import("../shell/terminal.ts"),
	]);
	const output = new TerminalOutput();
	let isFirst = true;
	const prefetch = () => {
		// For the next line. If this fails, it is asked for again when it is needed.
		if (!flags.hmp && !flags.skipNegotiation) session.schema().catch(() => {});
	};
	const session = await connect(monitor, flags, true, {
		onConnected(version) {
			const text = `Connected to QEMU ${formatVersion(version)}`;
			if (isFirst)
				for (const line of [welcome(flags), text, ""]) output.say(line);
			else {
				output.say(`${text} again`);
				prefetch();
			}
			isFirst = false;
		},
		onLost: (reason) =>
			output.printError(`${errorLine(reason)}; connecting again`),
		onEvent: ({ message }) => output.printEvent(eventText(message, flags)),
	});
	prefetch();
	try {
		await runTerminal(
			linesIn(session, output, flags),
			output,
			openHistory(join(homedir(), historyFile(flags))),
		);
	} finally {
		await session.close();
	}
}

async function connect(
	monitor: string,
	{ skipNegotiation, logfile, command: lines }: ShellFlags,
	reconnects: boolean,
	listener: ShellListener,
): Promise<ShellSession> {
	const onTraffic =
		logfile === undefined
			? undefined
			: (await import("../shell/trafficLog.ts")).openTrafficLog(logfile);
	return ShellSession.connect(
		(await addressOfMount(monitor)) ?? parseAddress(monitor),
		{
			negotiate: !skipNegotiation,
			reconnects,
			isLasting: !lines && !skipNegotiation,
			...(onTraffic && { onTraffic }),
		},
		listener,
	);
}

function linesIn(
	session: ShellSession,
	output: ShellOutput,
	{ hmp, verbose, pretty }: ShellFlags,
): ShellLines {
	const options = { isVerbose: verbose === true, isPretty: pretty === true };
	return hmp
		? new HmpLines(session, output, options)
		: new QmpLines(session, output, options);
}

function eventText(message: JsonObject, { pretty }: ShellFlags): string {
	return pythonJson(message, { isPretty: pretty === true });
}

function welcome({ hmp }: ShellFlags): string {
	return `Welcome to the ${hmp ? "HMP" : "QMP low-level"} shell!`;
}

/** The same file as that of QEMU's own shell, whose lines are available here, too. */
function historyFile({ hmp }: ShellFlags): string {
	return hmp ? ".qmp-shell-hmp_history" : ".qmp-shell_history";
}
