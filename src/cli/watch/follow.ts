/** Looks at what is watched again and again, and tells outputs what has changed. */
import { setTimeout as sleep } from "node:timers/promises";
import { TimeoutError, UsageError } from "../../errors.ts";
import type { Machine } from "../../machine/machine.ts";
import {
	changesBetween,
	jsonOf,
	look,
	type Sight,
	type WatchTarget,
} from "../../qom/watcher.ts";
import { isMeant } from "../../qom/write.ts";
import { noteLine } from "../text.ts";
import type { EventTap } from "./eventTap.ts";
import type { WatchOutput } from "./output.ts";
import { propertyTarget, targetsOf } from "./targets.ts";

export const everySecDefault = 1;
/** QEMU spends some 0.1 s of each second on so many. */
export const rateDefault = 100;

/** How often to look, and for how long. */
export interface FollowFlags {
	/** Seconds. */
	readonly every?: number;
	/** QMP commands a second, at most. */
	readonly rate?: number;
	/** `PATH.PROPERTY=VALUE` */
	readonly until?: string;
	/** Seconds. */
	readonly for?: number;
}

export interface WatchRequest {
	readonly patterns: readonly string[];
	readonly outputs: readonly WatchOutput[];
	readonly events: EventTap;
	readonly signal: AbortSignal;
	readonly flags: FollowFlags;
}

/** @throws TimeoutError `--until` was not reached within `--for`; DisconnectedError */
export async function follow(
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
	let isReached = goal?.isReached(sight) ?? false;
	try {
		for (;;) {
			for (const output of outputs) await output.flush?.();
			if (isReached) return;
			const leftMs = endMs - performance.now();
			if (leftMs <= 0) break;
			const nextMs =
				performance.now() +
				Math.min(periodMs(commands, flags, goal !== undefined), leftMs);
			while (!isReached && performance.now() < nextMs) {
				const pauseMs = Math.min(
					goal ? 1000 / goalRate(flags) : Number.POSITIVE_INFINITY,
					nextMs - performance.now(),
				);
				await Promise.race([
					sleep(pauseMs, undefined, { signal }),
					events.lost,
				]);
				if (goal && performance.now() < nextMs)
					isReached = goal.isReached(await look(source, [goal.target]));
			}
			const earlier = sight;
			[sight, commands] = await counted();
			isReached ||= goal?.isReached(sight) ?? false;
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

/**
 * From the beginning of one look to that of the next.
 *
 * @param hasGoal whether a goal is looked at in between
 */
function periodMs(
	commands: number,
	flags: FollowFlags,
	hasGoal: boolean,
): number {
	const { every = everySecDefault, rate = rateDefault } = flags;
	const left = hasGoal ? rate - goalRate(flags) : rate;
	return Math.max(every * 1000, (commands * 1000) / left);
}

/** How many looks a second a goal has by itself: one costs a command. */
function goalRate({
	every = everySecDefault,
	rate = rateDefault,
}: FollowFlags): number {
	return Math.min(1 / every, rate / 2);
}

function costNote(
	{ values }: Sight,
	commands: number,
	flags: FollowFlags,
): string {
	const seconds = periodMs(commands, flags, flags.until !== undefined) / 1000;
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
