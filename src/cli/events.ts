/** `qomfs events`: follows what QEMU announces. */
import { TimeoutError, UsageError } from "../errors.ts";
import { formatJson } from "../json.ts";
import { connect } from "../machine/machine.ts";
import { matcher } from "../qom/pattern.ts";
import { monitorOf } from "./openMachine.ts";
import { print } from "./output.ts";

export interface EventsFlags {
	readonly socket?: string;
	readonly count?: number;
	/** In seconds. */
	readonly timeout?: number;
}

/**
 * @param names patterns for event names; none: all events
 * @throws TimeoutError fewer than `count` have come in time; DisconnectedError
 */
export async function runEvents(
	names: readonly string[],
	{ socket, count, timeout }: EventsFlags,
): Promise<void> {
	if (count === 0) throw new UsageError("--count has to be more than 0");
	const matchers = names.map((name) => matcher(name.toUpperCase()));
	await using machine = await connect(
		monitorOf(socket === undefined ? {} : { socket }),
		{ hasObjects: false },
	);
	let seen = 0;
	const enough = Promise.withResolvers<void>();
	machine.subscribe({
		onEvent: ({ name, message }) => {
			if (seen === count) return;
			if (matchers.length > 0 && !matchers.some((matches) => matches(name)))
				return;
			print(formatJson(message));
			if (++seen === count) enough.resolve();
		},
		onLost: enough.reject,
	});
	let timer: NodeJS.Timeout | undefined;
	const timeUp = new Promise<void>((resolve, reject) => {
		if (timeout === undefined) return;
		timer = setTimeout(() => {
			if (count === undefined) resolve();
			else
				reject(
					new TimeoutError(
						`${seen} of ${count} events have come within ${timeout} s`,
					),
				);
		}, timeout * 1000);
	});
	try {
		await Promise.race([enough.promise, timeUp]);
	} finally {
		clearTimeout(timer);
	}
}
