/**
 * `qomfs mount`: in the foreground, or in a child that stays behind in the background.
 * The child says over its IPC channel whether it is up, so the exit status is the truth.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { resolve } from "node:path";
import { MountError, UsageError } from "../errors.ts";
import { log, showEverything } from "../log.ts";
import { type Mounted, serveMount } from "../mount/serveMount.ts";
import { absoluteAddress, parseAddress } from "../qmp/address.ts";
import { ClassifiedError, type ExitStatus, statusOf } from "./exitStatus.ts";
import { oneLine } from "./message.ts";
import { parseMountOptions } from "./mountOptions.ts";
import { type MachineFlags, monitorOf } from "./openMachine.ts";
import { onOneLine } from "./terminalText.ts";

/** What `qomfs mount` takes beside its arguments. */
export interface MountFlags {
	readonly foreground?: true;
	readonly debug?: true;
	/** What stood after each `-o`. */
	readonly o?: readonly string[];
	readonly backgroundChild?: true;
}

/** The child's one message: it is mounted, or why not. */
type Readiness = { readonly failure?: { message: string; status: ExitStatus } };

/** @throws QomfsError */
export async function runMount(
	source: string,
	mountpoint: string,
	flags: MountFlags,
): Promise<void> {
	if (flags.debug) showEverything();
	if (mountpoint === "")
		throw new UsageError("the mount point is empty; name a directory");
	const request = {
		address: absoluteAddress(parseAddress(source)),
		path: resolve(mountpoint),
		settings: parseMountOptions((flags.o ?? []).join(",")),
	};
	if (flags.backgroundChild) return announce(serveMount(request));
	if (!flags.foreground && !flags.debug)
		return startInBackground(source, mountpoint, flags.o ?? []);
	const served = await serveMount(request);
	process.stderr.write(
		`qomfs: ${onOneLine(`${served.title} is mounted on ${served.mountpoint}`)}; Ctrl-C unmounts\n`,
	);
	return untilUnmounted(served);
}

/** `qom-fuse`: stays in the foreground, as it did in 2012. */
export async function runFuse(
	mountpoint: string,
	flags: MountFlags & MachineFlags,
): Promise<void> {
	return runMount(monitorOf(flags), mountpoint, { ...flags, foreground: true });
}

/**
 * For V8: a request leaves little behind, and it would rather let garbage grow to some 50 MB
 * than collect it. 2 MB for what is young, and a fifth of what lives for what is not.
 */
const smallHeap = ["--max-semi-space-size=2", "--heap-growing-percent=20"];

/** The same mount in a child, which is told what was read here, however it was written. */
async function startInBackground(
	source: string,
	mountpoint: string,
	options: readonly string[],
): Promise<void> {
	const script = process.argv[1];
	if (!script)
		throw new UsageError("mounting in the background needs a script to start");
	const child = spawn(
		process.execPath,
		[
			...process.execArgv,
			...smallHeap,
			...[script, "mount", "--background-child"],
			...options.flatMap((option) => ["-o", option]),
			...["--", source, mountpoint],
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

async function announce(mounting: Promise<Mounted>): Promise<void> {
	// Whoever waits for us may be gone before we are up: then nobody wants this mount.
	const orphaned = () => process.exit(1);
	process.once("disconnect", orphaned);
	const tell = (readiness: Readiness) =>
		new Promise<void>((resolve) => {
			process.off("disconnect", orphaned);
			process.send?.(readiness, () => resolve());
		});
	let served: Mounted;
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

async function untilUnmounted(served: Mounted): Promise<void> {
	const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
	const stop = async () => {
		if ((await served.unmount()) === "detached")
			process.stderr.write(
				`qomfs: ${onOneLine(served.mountpoint)} was in use; it is detached, and who is still there gets errors\n`,
			);
	};
	for (const signal of signals) process.on(signal, stop);
	await served.ended;
	for (const signal of signals) process.off(signal, stop);
}
