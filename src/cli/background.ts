/**
 * A mount in the background: a child process that stays behind. It tells over its IPC channel
 * whether the mount is ready, so that the exit status tells the truth.
 */
import {
	type ChildProcess,
	type StdioOptions,
	spawn,
} from "node:child_process";
import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import { MountError, UsageError } from "../errors.ts";
import { givenDescriptor } from "../fuse/mountpoint.ts";
import { log } from "../log.ts";
import type { Mounted } from "../mount/serveMount.ts";
import { ownTerminal, terminalVariable } from "../qmp/ssh/terminal.ts";
import { ClassifiedError, type ExitStatus, statusOf } from "./exitStatus.ts";
import { errorLine, noteLine } from "./text.ts";

/** The only message of the child: it is mounted, or why not. */
interface Readiness {
	readonly failure?: { message: string; status: ExitStatus };
	/** What people should know of the mount. */
	readonly note?: string | undefined;
}

/**
 * Starts the same mount in a child process, and waits until it is ready.
 *
 * @param options the text behind each `-o`
 * @throws ClassifiedError the child's own failure; MountError the child ended
 */
export async function startInBackground(
	sources: readonly string[],
	mountpoint: string,
	options: readonly string[],
): Promise<void> {
	if (!process.argv[1])
		throw new UsageError("mounting in the background needs a script to start");
	// Not by the name of a link to it, which may mean another command.
	const script = realpathSync(process.argv[1]);
	const child = spawn(
		process.execPath,
		[
			...process.execArgv,
			...[script, "mount", "--background-child"],
			...options.flatMap((option) => ["-o", option]),
			// As a path that others who look at this process can use.
			...["--", ...sources, resolve(mountpoint)],
		],
		{
			detached: true,
			stdio: childStdio(givenDescriptor(mountpoint)),
			// ssh may have to ask for a password, and its process has no terminal.
			env: { ...process.env, [terminalVariable]: ownTerminal() },
		},
	);
	const stop = (signal: NodeJS.Signals) => child.kill(signal);
	process.once("SIGINT", stop).once("SIGTERM", stop);
	const { failure, note } = await readiness(child);
	process.off("SIGINT", stop).off("SIGTERM", stop);
	if (failure) throw new ClassifiedError(failure.message, failure.status);
	if (note) process.stderr.write(noteLine(note));
	child.unref();
	child.disconnect();
}

/** A descriptor that is the mount point keeps its number in the child. */
function childStdio(given: number | undefined): StdioOptions {
	const count = Math.max(3, (given ?? 0) + 1);
	const stdio = Array.from({ length: count }, (_, fd) =>
		fd === given ? fd : "ignore",
	);
	return [...stdio, "ipc"];
}

function readiness(child: ChildProcess): Promise<Readiness> {
	return new Promise((resolve, reject) => {
		child.once("message", (message) => resolve(message as Readiness));
		child.once("error", (cause) =>
			reject(new MountError(`cannot start: ${errorLine(cause)}`, { cause })),
		);
		child.once("exit", (code, signal) =>
			reject(
				new MountError(
					`the daemon ended before the mount was ready (${signal ?? `status ${code}`}); 'qomfs -d' shows why`,
				),
			),
		);
	});
}

/**
 * Tells the parent process whether the mount is ready.
 *
 * @returns undefined if the mount failed
 */
export async function announce(
	mounting: Promise<Mounted>,
): Promise<Mounted | undefined> {
	// If the parent ends before the mount is ready, nobody wants the mount.
	const orphaned = () => process.exit(1);
	process.once("disconnect", orphaned);
	const tell = (readiness: Readiness) =>
		new Promise<void>((resolve) => {
			delete process.env[terminalVariable]; // nobody waits there any more
			process.off("disconnect", orphaned);
			process.send?.(readiness, () => resolve());
		});
	let served: Mounted;
	try {
		served = await mounting;
	} catch (error) {
		log.cli("%O", error);
		await tell({
			failure: { message: errorLine(error), status: statusOf(error) },
		});
		process.disconnect?.();
		return undefined;
	}
	await tell({ note: served.note });
	process.chdir("/"); // keep no directory busy that somebody may want to unmount
	return served;
}
