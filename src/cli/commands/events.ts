/** `qomfs events`: prints the events that QEMU sends. */
import { TimeoutError, UsageError } from "../../errors.ts";
import { formatJson } from "../../json.ts";
import { log } from "../../log.ts";
import type { Machine } from "../../machine/machine.ts";
import { didYouMean } from "../../nearest.ts";
import type { ConnectionListener } from "../../qmp/connection.ts";
import { isPattern, matcher } from "../../qom/pattern.ts";
import type { CommandDefinition, Completer } from "../command.ts";
import { lasting, withMachine, withoutObjects } from "../openSource.ts";
import { parseCount, parseSeconds, socketOption } from "../options.ts";
import { print } from "../output.ts";
import { noteLine } from "../text.ts";

interface EventsFlags {
	readonly socket?: string;
	readonly count?: number;
	/** In seconds. */
	readonly timeout?: number;
}

/** Every event that this QEMU can send; undefined where its schema cannot be read. */
async function eventNames(
	machine: Machine,
): Promise<readonly string[] | undefined> {
	const { fetchSchema } = await import("../../schema/fetch.ts");
	const schema = await fetchSchema((command, args) =>
		machine.execute(command, args),
	);
	return schema?.eventNames;
}

const completeEvent: Completer = ({ askMachine }) =>
	askMachine(async (machine) => (await eventNames(machine)) ?? []);

/** One that never comes would be waited for in silence. */
async function warnOfUnknown(
	machine: Machine,
	wanted: readonly string[],
): Promise<void> {
	const exact = wanted.filter((name) => !isPattern(name));
	const known = exact.length > 0 ? await eventNames(machine) : undefined;
	for (const name of known ? exact : [])
		if (!known?.includes(name.toUpperCase()))
			process.stderr.write(
				noteLine(
					`this QEMU has no event ${name}; ${didYouMean(name.toUpperCase(), known ?? []) ?? "'qmp query-qmp-schema' lists them"}`,
				),
			);
}

export const command: CommandDefinition<EventsFlags> = {
	arguments: [
		{
			name: "[name...]",
			help: "only these events; * and ? match",
			complete: completeEvent,
		},
	],
	options: [
		{
			flags: "--count <n>",
			help: "end after this many events",
			parse: parseCount,
		},
		{
			flags: "--timeout <sec>",
			help: "end after this many seconds",
			parse: parseSeconds,
		},
		socketOption,
	],
	async run(names, { socket, count, timeout }) {
		if (count === 0) throw new UsageError("--count must be more than 0");
		const flags = socket === undefined ? {} : { socket };
		const printer = eventPrinter(names, count);
		await withMachine(
			flags,
			async (machine) => {
				warnOfUnknown(machine, names).catch((error) => log.cli("%O", error));
				await untilEnough(printer, count, timeout);
			},
			{ ...withoutObjects, ...lasting, listener: printer.listener },
		);
	},
};

interface EventPrinter {
	readonly listener: ConnectionListener;
	readonly seen: () => number;
	/** Resolves when all are printed that were wanted. @throws DisconnectedError */
	readonly enough: Promise<void>;
}

/** @param names patterns for the names of events; all events if there are none */
function eventPrinter(
	names: readonly string[],
	count: number | undefined,
): EventPrinter {
	const matchers = names.map((name) => matcher(name.toUpperCase()));
	const isWanted = (name: string) =>
		matchers.length === 0 || matchers.some((matches) => matches(name));
	let seen = 0;
	const enough = Promise.withResolvers<void>();
	enough.promise.catch(() => {}); // it may come before anybody waits for it
	const listener: ConnectionListener = {
		onEvent({ name, message }) {
			if (seen === count || !isWanted(name)) return;
			print(formatJson(message));
			if (++seen === count) enough.resolve();
		},
		onLost: enough.reject,
	};
	return { listener, seen: () => seen, enough: enough.promise };
}

/** @throws TimeoutError fewer than `count` events came in time; DisconnectedError */
async function untilEnough(
	{ enough, seen }: EventPrinter,
	count: number | undefined,
	timeoutSec: number | undefined,
): Promise<void> {
	let timer: NodeJS.Timeout | undefined;
	const timeUp = new Promise<void>((resolve, reject) => {
		if (timeoutSec === undefined) return;
		timer = setTimeout(() => {
			if (count === undefined) return resolve();
			reject(
				new TimeoutError(
					`received ${seen()} of ${count} events within ${timeoutSec} s`,
				),
			);
		}, timeoutSec * 1000);
	});
	try {
		await Promise.race([enough, timeUp]);
	} finally {
		clearTimeout(timer);
	}
}
