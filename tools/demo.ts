/**
 * `npm start`: boots a small machine, mounts it, shows what can be done, and stays until
 * Ctrl-C. `npm start -- SOURCE MOUNTPOINT` mounts a machine of the user's own.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { startVirtualMachine } from "./virtualMachine.ts";

const qomfs = new URL("../bin/qomfs.js", import.meta.url).pathname;

/** The machine that is booted here, saved with `qomfs snapshot -o`, for where no QEMU can be had. */
const recordedMachine = new URL("recorded-machine.json", import.meta.url)
	.pathname;

/** Commands worth trying; `$M` is the mount. */
const commands = [
	"ls $M/machine/peripheral",
	"cat $M/machine/peripheral/rng0/max-bytes",
	"readlink $M/machine/peripheral/net0/parent_bus",
	"grep . $M/objects/io0/*",
	"find $M -name 'usb2 port*'",
];

async function showDemo(): Promise<void> {
	const directory = await mkdtemp(join(tmpdir(), "qomfs-"));
	const mountpoint = join(directory, "vm");
	const undo: (() => Promise<unknown>)[] = [
		() => rm(directory, { recursive: true, force: true }),
	];
	// Whatever has been set up is taken down again, the last first.
	const stopped = stopRequested();
	try {
		await mkdir(mountpoint);
		const source = await startMachine(directory, undo);
		const daemon = await mountInForeground(source, mountpoint);
		undo.push(() => stop(daemon));
		await showCommands(mountpoint);
		console.log("Ctrl-C unmounts and ends the machine.");
		await Promise.race([stopped, once(daemon, "exit")]);
	} finally {
		for (const step of undo.reverse()) await step();
	}
}

/** @returns the source to mount */
async function startMachine(
	directory: string,
	undo: (() => Promise<unknown>)[],
): Promise<string> {
	try {
		const vm = await startVirtualMachine(directory);
		undo.push(() => vm.stop());
		return vm.socket;
	} catch (error) {
		console.log(`No QEMU here (${(error as Error).message}).`);
		console.log("A snapshot of one takes its place.");
		return recordedMachine;
	}
}

function startQomfs(args: readonly string[]): ChildProcess {
	return spawn(process.execPath, [qomfs, ...args], {
		stdio: ["ignore", "inherit", "inherit"],
		detached: true,
	});
}

/** Resolves once the tree answers. */
async function mountInForeground(
	source: string,
	mountpoint: string,
): Promise<ChildProcess> {
	const daemon = startQomfs([source, mountpoint, "-f"]);
	const ended = once(daemon, "exit").then(([status]) => {
		throw new Error(`qomfs ended with status ${status}`);
	});
	const answers = async () => {
		// Before it is mounted there is no such file, and nothing to hang on.
		while (!(await succeeds("test", ["-e", `${mountpoint}/machine`])));
	};
	await Promise.race([answers(), ended]);
	ended.catch(() => {}); // from now on its end is no failure
	return daemon;
}

async function succeeds(command: string, args: string[]): Promise<boolean> {
	return promisify(execFile)(command, args).then(
		() => true,
		() => false,
	);
}

async function showCommands(mountpoint: string): Promise<void> {
	console.log(`\nM=${mountpoint}`);
	for (const command of commands) {
		const { stdout } = await promisify(execFile)("sh", ["-c", command], {
			env: { ...process.env, M: mountpoint },
		});
		console.log(`\n$ ${command}\n${stdout.trimEnd()}`);
	}
	console.log();
}

async function stop(daemon: ChildProcess): Promise<void> {
	if (daemon.exitCode !== null || daemon.signalCode !== null) return;
	daemon.kill("SIGTERM");
	await once(daemon, "exit");
}

function stopRequested(): Promise<unknown> {
	return Promise.race(
		["SIGINT", "SIGTERM", "SIGHUP"].map((signal) => once(process, signal)),
	);
}

const args = process.argv.slice(2);
if (args.length === 0) {
	await showDemo();
} else {
	const daemon = spawn(process.execPath, [qomfs, ...args, "-f"], {
		stdio: "inherit",
	});
	for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
		process.on(signal, () => daemon.kill(signal));
	const [status] = await once(daemon, "exit");
	process.exitCode = status ?? 1;
}
