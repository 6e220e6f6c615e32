/** The machine that a one-shot command asks. */
import { QomError, UsageError } from "../errors.ts";
import { connect, type Machine } from "../machine/machine.ts";

/** What all commands that ask a machine take. */
export interface MachineFlags {
	readonly socket?: string;
	/** For one command of QEMU's, in seconds. */
	readonly timeout?: number;
}

/**
 * Connects, acts, and leaves the monitor to the next client.
 *
 * @throws UsageError no monitor was named; whatever `connect` and the act throw, names that
 * are not there with the nearest that are
 */
export async function withMachine(
	flags: MachineFlags,
	act: (machine: Machine) => Promise<void>,
): Promise<void> {
	const machine = await connect(monitorOf(flags), sessionOptions(flags));
	try {
		await act(machine);
	} catch (error) {
		if (!(error instanceof QomError)) throw error;
		const { withNearest } = await import("./nearestObjects.ts");
		throw await withNearest(machine.source, error);
	} finally {
		await machine.close();
	}
}

/** @throws UsageError */
export function monitorOf({ socket }: MachineFlags): string {
	if (!socket)
		throw new UsageError(
			"no monitor is named; give -s SOCKET, or set QMP_SOCKET",
		);
	return socket;
}

export function sessionOptions({ timeout = 10 }: MachineFlags): {
	readonly timeoutMs: number;
} {
	return { timeoutMs: timeout * 1000 };
}
