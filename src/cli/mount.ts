/**
 * `qomfs mount`: in the foreground, or in a child that stays behind in the background.
 * The child says over its IPC channel whether it is up, so the exit status is the truth.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { resolve } from "node:path";
import { MountError, UsageError } from "../errors.ts";
import { log } from "../log.ts";
import { absoluteAddress, parseAddress } from "../qmp/address.ts";
import { ClassifiedError, type ExitStatus, statusOf } from "./exitStatus.ts";
import { oneLine } from "./message.ts";
import { parseMountOptions } from "./mountOptions.ts";
import { type ServedMount, serveMount } from "./serveMount.ts";

export interface MountArguments {
	readonly source: string;
	readonly mountpoint: string;
	/** What stood after `-o`, joined by commas. */
	readonly options: string;
	readonly place: "foreground" | "background" | "background child";
}

/** The child's one message: it is mounted, or why not. */
type Readiness = { readonly failure?: { message: string; status: ExitStatus } };

/** @throws QomfsError */
export async function runMount(args: MountArguments): Promise<void> {
	const request = {
		address: absoluteAddress(parseAddress(args.source)),
		path: resolve(args.mountpoint),
		options: parseMountOptions(args.options),
	};
	switch (args.place) {
		case "background":
			return startInBackground();
		case "background child":
			return announce(serveMount(request));
		case "foreground": {
			const served = await serveMount(request);
			process.stderr.write(
				`qomfs: ${served.title} is mounted on ${served.mountpoint}; Ctrl-C unmounts\n`,
			);
			return untilUnmounted(served);
		}
	}
}

/** In MB, for V8: what a request leaves behind is little, and 16 would keep the daemon 50 MB larger. */
const smallYoungGeneration = "--max-semi-space-size=4";

async function startInBackground(): Promise<void> {
	const script = process.argv[1];
	if (!script)
		throw new UsageError("mounting in the background needs a script to start");
	const child = spawn(
		process.execPath,
		[
			...process.execArgv,
			smallYoungGeneration,
			script,
			"--background-child",
			...process.argv.slice(2),
		],
		{ detached: true, stdio: ["ignore", "ignore", "ignore", "ipc"] },
	);
	const stop = (signal: NodeJS.Signals) => child.kill(signal);
	process.once("SIGINT", stop).once("SIGTERM", stop);
	const { failure } = await readiness(child);
	process.off("SIGINT", stop).off("SIGTERM", stop);
	if (failure) throw new ClassifiedError(failure.message, failure.status);
	child.unref();
	child.disconnect();
}

function readiness(child: ChildProcess): Promise<Readiness> {
	return new Promise((resolve, reject) => {
		child.once("message", (message) => resolve(message as Readiness));
		child.once("error", (cause) =>
			reject(new MountError(`cannot start: ${cause.message}`, { cause })),
		);
		child.once("exit", (code, signal) =>
			reject(
				new MountError(
					`the daemon ended before it was up (${signal ?? `status ${code}`}); 'qomfs -d' shows why`,
				),
			),
		);
	});
}

async function announce(mounting: Promise<ServedMount>): Promise<void> {
	// Whoever waits for us may be gone before we are up: then nobody wants this mount.
	const orphaned = () => process.exit(1);
	process.once("disconnect", orphaned);
	const tell = (readiness: Readiness) =>
		new Promise<void>((resolve) => {
			process.off("disconnect", orphaned);
			process.send?.(readiness, () => resolve());
		});
	let served: ServedMount;
	try {
		served = await mounting;
	} catch (error) {
		log.cli("%O", error);
		await tell({
			failure: { message: oneLine(error), status: statusOf(error) },
		});
		return process.disconnect?.();
	}
	await tell({});
	process.chdir("/"); // hold no directory that somebody may want to unmount
	return untilUnmounted(served);
}

async function untilUnmounted(served: ServedMount): Promise<void> {
	const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
	const stop = async () => {
		if ((await served.unmount()) === "detached")
			process.stderr.write(
				`qomfs: ${served.mountpoint} was in use; it is detached, and who is still there gets errors\n`,
			);
	};
	for (const signal of signals) process.on(signal, stop);
	await served.ended;
	for (const signal of signals) process.off(signal, stop);
}
