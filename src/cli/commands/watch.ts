/** `qomfs watch`: what changes in a machine, as it changes. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { UsageError } from "../../errors.ts";
import type { CommandDefinition } from "../command.ts";
import { completeObject, completeProperty } from "../completers.ts";
import { untilSignal } from "../endings.ts";
import {
	lasting,
	type MachineFlags,
	sourceOf,
	withMachine,
} from "../openSource.ts";
import {
	jsonOption,
	monitorHelp,
	parsePositive,
	parseSeconds,
	patternHelp,
	socketOption,
	timeoutOption,
} from "../options.ts";
import { EventTap } from "../watch/eventTap.ts";
import {
	everySecDefault,
	type FollowFlags,
	follow,
	rateDefault,
} from "../watch/follow.ts";
import { csvPrinter, jsonPrinter, textPrinter } from "../watch/lines.ts";
import { mountsOf, NotifyingOutput } from "../watch/notify.ts";
import { TextFile, type WatchOutput } from "../watch/output.ts";
import { RecordingOutput } from "../watch/recording.ts";
import { VcdOutput } from "../watch/vcd.ts";

interface WatchFlags extends MachineFlags, FollowFlags {
	readonly json?: true;
	readonly csv?: true;
	readonly vcd?: string;
	readonly record?: string;
	/** False with `--no-notify`. */
	readonly notify: boolean;
}

export const command: CommandDefinition<WatchFlags> = {
	arguments: [
		{ name: "[source]", help: `${monitorHelp} (default: QMP_SOCKET)` },
		{
			name: "[pattern...]",
			help: `PATH.PROPERTY, or an object with all below it; ${patternHelp} (default: everything)`,
			complete: async (cursor) => [
				...((await completeObject(cursor)) ?? []),
				...((await completeProperty(cursor)) ?? []),
			],
		},
	],
	options: [
		{
			flags: "--every <sec>",
			help: `look so often (default: ${everySecDefault}), and less often if that would take more than --rate`,
			parse: parseSeconds,
		},
		{
			flags: "--rate <n>",
			help: `so many QMP commands a second at most (default: ${rateDefault})`,
			parse: parsePositive,
		},
		{ flags: "--for <sec>", help: "end after so long", parse: parseSeconds },
		{
			flags: "--until <path=value>",
			help: "end when a property has this value",
		},
		{ ...jsonOption, conflicts: ["csv"] },
		{
			flags: "--csv",
			help: "as CSV: time, kind, path, property, before, after",
		},
		{
			flags: "--vcd <file>",
			help: "also write a Value Change Dump, for waveform viewers",
		},
		{
			flags: "--record <file>",
			help: "also write a recording, for 'qomfs replay'",
		},
		{
			flags: "--no-notify",
			help: "do not wake up programs that watch the files of a mount (inotify)",
		},
		timeoutOption,
		socketOption,
	],
	async run(words, flags, { isTyped }) {
		const [first] = words;
		const isNamed =
			isTyped("socket") ||
			first === undefined ||
			(flags.socket !== undefined && !isSource(first));
		const [socket = "", ...patterns] = isNamed
			? [sourceOf(flags), ...words]
			: words;
		const outputs = await outputsOf(sourceOf({ socket }), flags);
		const events = new EventTap();
		await untilSignal((signal) =>
			withMachine(
				{ ...flags, socket },
				(machine) =>
					follow(machine, { patterns, outputs, events, signal, flags }),
				{ ...lasting, listener: events },
			),
		);
	},
};

/** Whether a word is a source and no pattern, where QMP_SOCKET names one already. */
function isSource(word: string): boolean {
	return existsSync(word) || /^[\w.+-]+:|^\[/.test(word);
}

/** @throws QomfsError a file cannot be written; UsageError */
async function outputsOf(
	source: string,
	{ json, csv, vcd, record, notify }: WatchFlags,
): Promise<readonly WatchOutput[]> {
	if (
		vcd !== undefined &&
		record !== undefined &&
		resolve(vcd) === resolve(record)
	)
		throw new UsageError(
			`${vcd}: one file cannot be both a dump and a recording`,
		);
	const printer = json ? jsonPrinter : csv ? csvPrinter : textPrinter;
	const mounts = notify ? await mountsOf(source) : [];
	return [
		printer,
		...(vcd ? [new VcdOutput(await TextFile.create(vcd))] : []),
		...(record ? [new RecordingOutput(await TextFile.create(record))] : []),
		...(mounts.length > 0 ? [new NotifyingOutput(mounts)] : []),
	];
}
