/** The signals that end a command which has something to put in order first. */

import { exitStatus } from "./exitStatus.ts";

export const endings = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * A signal ends what is under way before it ends the process, so that no part of a file stays. A second
 * one ends the process at once.
 */
export async function untilSignal(
	act: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
	const aborter = new AbortController();
	const stop = (name: NodeJS.Signals) => {
		if (aborter.signal.aborted) process.exit(exitStatus.refused);
		aborter.abort(name);
	};
	for (const name of endings) process.on(name, stop);
	try {
		await act(aborter.signal);
	} catch (error) {
		if (!aborter.signal.aborted) throw error;
	} finally {
		for (const name of endings) process.off(name, stop);
	}
	if (aborter.signal.aborted) process.kill(process.pid, aborter.signal.reason);
}
