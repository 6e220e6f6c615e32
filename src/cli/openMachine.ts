/** The machine that a command asks. Commands connect here; the shell keeps its own connection. */
import { QomError, UsageError } from "../errors.ts";
import { log } from "../log.ts";
import {
	connected,
	type Machine,
	type MachineOptions,
} from "../machine/machine.ts";
import { reachableAddress } from "../share/place.ts";

/** The options that name a machine. */
export interface MachineFlags {
	readonly socket?: string;
	/** For one command of QMP, in seconds. */
	readonly timeout?: number;
	readonly unsorted?: true;
}

const timeoutSecDefault = 10;
const connectTimeoutSec = 3;

/**
 * Connects, acts, and leaves the monitor to the next client.
 *
 * @throws UsageError no monitor is named; whatever connecting and `act` throw, and if QEMU does
 * not know a name, with the nearest names that it knows
 */
export async function withMachine(
	flags: MachineFlags,
	act: (machine: Machine) => Promise<void>,
	options: MachineOptions = {},
): Promise<void> {
	const { timeout = timeoutSecDefault } = flags;
	const address = await reachableAddress(monitorOf(flags));
	await using machine = await connected(address, {
		timeoutMs: timeout * 1000,
		connectTimeoutMs: Math.min(timeout, connectTimeoutSec) * 1000,
		isOrdered: !flags.unsorted,
		...options,
	});
	const shared = options.ownMonitor ? await share(machine) : undefined;
	try {
		await act(machine);
	} catch (error) {
		const { withNearest } = await import("./nearestObjects.ts");
		const explained = (each: unknown) =>
			each instanceof QomError ? withNearest(machine.source, each) : each;
		if (!(error instanceof AggregateError)) throw await explained(error);
		throw new AggregateError(await Promise.all(error.errors.map(explained)));
	} finally {
		await shared?.close();
	}
}

async function share(machine: Machine) {
	const { shareMonitor } = await import("./sharedMonitor.ts");
	return shareMonitor(machine);
}

/** For commands that need QMP but no objects. */
export const withoutObjects: MachineOptions = { hasObjects: false };

/** For commands that go on for long, which must not keep the monitor from others. */
export const lasting: MachineOptions = { ownMonitor: true };

const completionTimeoutMs = 1000;

/** Asks for words to complete. The answer is empty if there is no machine, or it fails. */
export async function askForWords(
	socket: string | undefined,
	question: (machine: Machine) => Promise<readonly string[]>,
): Promise<readonly string[]> {
	if (!socket) return [];
	try {
		await using machine = await connected(await reachableAddress(socket), {
			connectTimeoutMs: completionTimeoutMs,
			timeoutMs: completionTimeoutMs,
		});
		return await question(machine);
	} catch (error) {
		log.cli("%O", error);
		return [];
	}
}

/** @throws UsageError no monitor is named */
export function monitorOf({ socket }: MachineFlags): string {
	if (!socket)
		throw new UsageError(
			"no monitor is named; give -s SOCKET, or set QMP_SOCKET",
		);
	return socket;
}
