/** `qomfs watch`: what changes in a machine, as it changes. */
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type QomfsError, TimeoutError, UsageError } from "../../errors.ts";
import type { Machine } from "../../machine/machine.ts";
import type { ConnectionListener } from "../../qmp/connection.ts";
import type { QmpEvent } from "../../qmp/messages.ts";
import {
	changesBetween,
	jsonOf,
	look,
	type Sight,
	type WatchTarget,
} from "../../qom/watcher.ts";
import { isMeant } from "../../qom/write.ts";
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
import { noteLine } from "../text.ts";
import { csvPrinter, jsonPrinter, textPrinter } from "../watch/lines.ts";
import { mountsOf, NotifyingOutput } from "../watch/notify.ts";
import { TextFile, type WatchOutput } from "../watch/output.ts";
import { RecordingOutput } from "../watch/recording.ts";
import { propertyTarget, targetsOf } from "../watch/targets.ts";
import { VcdOutput } from "../watch/vcd.ts";

interface WatchFlags extends MachineFlags {
	readonly every?: number;
	readonly rate?: number;
	readonly json?: true;
	readonly csv?: true;
	readonly vcd?: string;
	readonly record?: string;
	readonly until?: string;
	readonly for?: number;
	/** False with `--no-notify`. */
	readonly notify: boolean;
}

const everySecDefault = 1;
/** QEMU spends some 0.1 s of each second on so many. */
const rateDefault = 100;

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
		const [socket = "", ...patterns] =
			isTyped("socket") || words.length === 0
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

/** Keeps events until somebody takes them, and tells of the end of the connection. */
class EventTap implements ConnectionListener {
	readonly #waiting: QmpEvent[] = [];
	readonly #lost = Promise.withResolvers<never>();
	#take: (event: QmpEvent) => void = (event) => this.#waiting.push(event);

	constructor() {
		this.#lost.promise.catch(() => {}); // it may come before anybody waits for it
	}

	onEvent = (event: QmpEvent): void => this.#take(event);

	onLost = (reason: QomfsError): void => this.#lost.reject(reason);

	/** Never resolves. @throws QomfsError the connection has ended */
	get lost(): Promise<never> {
		return this.#lost.promise;
	}

	/** From now on every event is passed on at once, after those that wait. */
	passTo(take: (event: QmpEvent) => void): void {
		for (const event of this.#waiting.splice(0)) take(event);
		this.#take = take;
	}
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

interface WatchRequest {
	readonly patterns: readonly string[];
	readonly outputs: readonly WatchOutput[];
	readonly events: EventTap;
	readonly signal: AbortSignal;
	readonly flags: WatchFlags;
}

/** @throws TimeoutError `--until` was not reached within `--for`; DisconnectedError */
async function follow(
	machine: Machine,
	{ patterns, outputs, events, signal, flags }: WatchRequest,
): Promise<void> {
	const { source } = machine;
	const goal = await goalOf(machine, flags.until);
	const targets = [
		...(await targetsOf(source, patterns)),
		...(goal ? [goal.target] : []),
	];
	const endMs =
		flags.for === undefined
			? Number.POSITIVE_INFINITY
			: performance.now() + flags.for * 1000;
	const counted = async (): Promise<[Sight, number]> => {
		const before = Number(machine.status().commands);
		const sight = await look(source, targets);
		return [sight, Number(machine.status().commands) - before];
	};
	let [sight, commands] = await counted();
	for (const output of outputs) output.begin?.(sight, Date.now());
	events.passTo((event) => {
		for (const output of outputs) output.event?.(event);
	});
	process.stderr.write(noteLine(costNote(sight, commands, flags)));
	try {
		for (;;) {
			for (const output of outputs) await output.flush?.();
			if (goal && sight && goal.isReached(sight)) return;
			const leftMs = endMs - performance.now();
			if (leftMs <= 0) break;
			const pauseMs = Math.min(periodMs(commands, flags), leftMs);
			await Promise.race([sleep(pauseMs, undefined, { signal }), events.lost]);
			const earlier = sight;
			[sight, commands] = await counted();
			const timeMs = Date.now();
			for (const change of changesBetween(earlier, sight))
				for (const output of outputs) output.change(change, timeMs);
		}
		if (goal)
			throw new TimeoutError(
				`${flags.until} was not reached within ${flags.for} s`,
			);
	} finally {
		for (const output of outputs) await output.end?.(Date.now());
	}
}

/** From the beginning of one look to that of the next. */
function periodMs(
	commands: number,
	{ every = everySecDefault, rate = rateDefault }: WatchFlags,
): number {
	return Math.max(every * 1000, (commands * 1000) / rate);
}

function costNote(
	{ values }: Sight,
	commands: number,
	flags: WatchFlags,
): string {
	const seconds = periodMs(commands, flags) / 1000;
	const perSecond = Math.round((commands / seconds) * 10) / 10;
	const what = values.size === 1 ? "1 value" : `${values.size} values`;
	const cost = commands === 1 ? "1 QMP command" : `${commands} QMP commands`;
	return `watching ${what} with ${cost} every ${Math.round(seconds * 100) / 100} s, ${perSecond} a second`;
}

/** What `--until` waits for. */
interface Goal {
	readonly target: WatchTarget;
	isReached(sight: Sight): boolean;
}

/** @throws UsageError; QomError there is no such property */
async function goalOf(
	{ source }: Machine,
	until: string | undefined,
): Promise<Goal | undefined> {
	if (until === undefined) return undefined;
	const [, name, wanted] = /^([^=]+)=(.*)$/s.exec(until) ?? [];
	if (name === undefined || wanted === undefined)
		throw new UsageError(
			`--until ${until}: write PATH.PROPERTY=VALUE, such as net0.bootindex=1`,
		);
	const target = await propertyTarget(source, name);
	const { path, property } = target;
	return {
		target,
		isReached({ values }) {
			for (const seen of values.values())
				if (seen.path === path && seen.property === property) {
					const value = jsonOf(seen.value);
					return value !== undefined && isMeant(wanted, value);
				}
			return false;
		},
	};
}
