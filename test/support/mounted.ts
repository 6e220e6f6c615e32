/** Mounts through the real launcher and the real kernel, in another process than the test. */
import { type ExecFileException, execFile } from "node:child_process";
import { statSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
	defaultQemu,
	machineDirectory,
	type Qemu,
	smallMachine,
	startVirtualMachine,
	type VirtualMachine,
} from "../../tools/virtualMachine.ts";

export const qomfsBin = new URL("../../bin/qomfs.js", import.meta.url).pathname;

const missing = (process.env.QOMFS_MISSING ?? "").split(",");

/** For `describe.skipIf`: without these parts the test says nothing. */
export const lacksQemu = missing.includes("qemu");
export const lacksMount = lacksQemu || missing.includes("fuse");

export interface Finished {
	readonly status: number;
	readonly stdout: string;
	readonly stderr: string;
}

/**
 * Runs a program to its end, whatever its exit status.
 *
 * @throws Error it does not end
 */
export function run(
	command: string,
	args: readonly string[],
	options: { cwd?: string; env?: NodeJS.ProcessEnv; timeout?: number } = {},
): Promise<Finished> {
	return new Promise((resolve, reject) => {
		execFile(
			command,
			args,
			{ maxBuffer: 2 ** 28, timeout: 110_000, encoding: "utf8", ...options },
			(error: ExecFileException | null, stdout, stderr) => {
				if (error?.killed) return reject(error);
				const status = !error
					? 0
					: typeof error.code === "number"
						? error.code
						: 255;
				resolve({ status, stdout, stderr });
			},
		);
	});
}

export function runQomfs(...args: string[]): Promise<Finished> {
	return run(process.execPath, [qomfsBin, ...args]);
}

/** A socket as the host reaches it that the environment names, by ssh; any other source as it is. */
export function throughHost(source: string): string {
	const { QOMFS_TEST_HOST: host } = process.env;
	const stats =
		host === undefined
			? undefined
			: statSync(source, { throwIfNoEntry: false });
	return stats?.isSocket() ? `${host}${source}` : source;
}

export interface Mounted {
	readonly path: string;
	/** Runs a shell line with `$M` set to the mount; bash unless told otherwise. */
	sh(line: string, shell?: string): Promise<Finished>;
	/** `.qomfs/status`. */
	// biome-ignore lint/suspicious/noExplicitAny: a test looks into the status as it likes
	status(): Promise<any>;
	/** Unmounts and waits until the daemon is gone. */
	unmount(): Promise<void>;
}

/** Mounts a monitor, or several sources, on a new directory, in the background. */
export async function mountQomfs(
	sources: string | readonly string[],
	options?: string,
): Promise<Mounted> {
	const directory = await mkdtemp(join(tmpdir(), "qomfs-mount-"));
	const path = join(directory, "vm");
	await mkdir(path);
	const flags = options ? ["-o", options] : [];
	const { status, stderr } = await runQomfs(
		...[sources].flat().map(throughHost),
		path,
		...flags,
	);
	if (status !== 0) throw new Error(`qomfs ended with ${status}: ${stderr}`);
	const readStatus = async () =>
		JSON.parse(await readFile(join(path, ".qomfs/status"), "utf8"));
	const { pid } = await readStatus();
	return {
		path,
		status: readStatus,
		sh: (line, shell = "bash") =>
			run(shell, ["-c", line], { env: { ...process.env, M: path } }),
		async unmount() {
			await run("fusermount3", ["-u", "--", path]);
			await run("fusermount3", ["-uz", "--", path]); // should a test have left it busy
			await gone(pid);
			await rm(directory, { recursive: true });
		},
	};
}

/** Resolves when a process has ended; a daemon that stays is a failure. */
export async function gone(pid: number): Promise<void> {
	for (let attempt = 0; attempt < 200; attempt++) {
		// A zombie that nobody has waited for yet has no command line any more.
		if ((await readFile(`/proc/${pid}/cmdline`).catch(() => "")).length === 0)
			return;
		await sleep(50);
	}
	process.kill(pid, "SIGKILL");
	throw new Error(`process ${pid} did not end by itself`);
}

export interface TestMachine extends VirtualMachine {
	/** A directory of its own, removed with the machine. */
	readonly directory: string;
}

/** Boots the small machine; paused, so that nothing changes by itself. */
export async function startTestMachine(
	args: readonly string[] = [...smallMachine, "-S"],
	qemu: Qemu = defaultQemu,
): Promise<TestMachine> {
	const directory = await machineDirectory(qemu);
	const vm = await startVirtualMachine(directory, args, qemu);
	return {
		...vm,
		directory,
		async stop() {
			await vm.stop();
			await rm(directory, { recursive: true, force: true });
		},
	};
}
