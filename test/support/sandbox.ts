/** A place for one command line, and the proof that it leaves nothing behind. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Finished, qomfsBin, run } from "./mounted.ts";
import type { OrdinaryUser } from "./ordinaryUser.ts";

export interface RunOptions {
	readonly env?: NodeJS.ProcessEnv;
	/** Who runs it, if not the user who runs the tests. */
	readonly user?: OrdinaryUser;
	/** For Node itself, before the launcher. */
	readonly nodeArgs?: readonly string[];
}

/** A mount in the foreground. */
export interface Foreground {
	readonly process: ChildProcess;
	readonly stdout: () => string;
	readonly stderr: () => string;
	/** Its exit status, or the signal that ended it. */
	readonly ended: Promise<number | string>;
}

export class Sandbox {
	readonly directory: string;
	/** An empty directory to mount on. */
	readonly mountpoint: string;
	/** What every command takes for its temporary and runtime files. */
	readonly #temp: string;

	static async create(): Promise<Sandbox> {
		const sandbox = new Sandbox(await mkdtemp(join(tmpdir(), "qomfs-box-")));
		// Other users get as far as the files' own permissions let them.
		await chmod(sandbox.directory, 0o755);
		await mkdir(sandbox.mountpoint);
		await mkdir(sandbox.#temp);
		await chmod(sandbox.#temp, 0o1777);
		return sandbox;
	}

	private constructor(directory: string) {
		this.directory = directory;
		this.mountpoint = join(directory, "mnt");
		this.#temp = join(directory, "tmp");
	}

	/** Runs `qomfs ARGS` to its end. */
	async qomfs(
		args: readonly string[],
		{ env, user, nodeArgs = [] }: RunOptions = {},
	): Promise<Finished> {
		const environment = this.#environment(env);
		const all = this.#withBackend(args);
		if (user) return user.qomfs(all, nodeArgs, environment);
		return run(process.execPath, [...nodeArgs, qomfsBin, ...all], {
			env: environment,
		});
	}

	/** Starts `qomfs ARGS` and resolves once it says that it is mounted. */
	async foreground(
		args: readonly string[],
		env?: NodeJS.ProcessEnv,
	): Promise<Foreground> {
		const all = this.#withBackend(args);
		const child = spawn(process.execPath, [qomfsBin, ...all], {
			stdio: ["ignore", "pipe", "pipe"],
			env: this.#environment(env),
		});
		let [stdout, stderr] = ["", ""];
		const ended = once(child, "close").then(
			([status, signal]) => status ?? signal,
		);
		child.stdout.on("data", (chunk) => {
			stdout += chunk;
		});
		const mounted = new Promise<void>((resolve) => {
			child.stderr.on("data", (chunk) => {
				stderr += chunk;
				if (stderr.includes("is mounted on")) resolve();
			});
		});
		const early = ended.then((status) => {
			throw new Error(`qomfs ended with ${status}: ${stderr}`);
		});
		await Promise.race([mounted, early]);
		early.catch(() => {}); // from now on its end is no failure
		return {
			process: child,
			stdout: () => stdout,
			stderr: () => stderr,
			ended,
		};
	}

	/**
	 * Mounts, processes and temporary files that are still there; a process may take
	 * a moment to end.
	 */
	async leftovers(): Promise<string[]> {
		for (let attempt = 0; ; attempt++) {
			const found = [
				...(await this.#mounts()),
				...(await this.#processes()).map((pid) => `process ${pid}`),
				...(await readdir(this.#temp)),
			];
			if (found.length === 0 || attempt === 60) return found;
			await sleep(50);
		}
	}

	/** Removes it, and whatever a failed test has left in it. */
	async remove(): Promise<void> {
		for (const mountpoint of await this.#mounts())
			await run("fusermount3", ["-uz", "--", mountpoint]);
		for (const pid of await this.#processes())
			try {
				process.kill(pid, "SIGKILL");
			} catch {} // it has just ended
		await rm(this.directory, { recursive: true });
	}

	/** The way to the kernel that the environment names, for what mounts here. */
	#withBackend(args: readonly string[]): readonly string[] {
		const { QOMFS_TEST_BACKEND: backend } = process.env;
		const isOther = args[0] === "umount" || args[0] === "why";
		const mounts = !isOther && args.includes(this.mountpoint);
		return backend && mounts ? [...args, "-o", `backend=${backend}`] : args;
	}

	#environment(env: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
		const { DEBUG: _, ...inherited } = process.env;
		return {
			...inherited,
			TMPDIR: this.#temp,
			XDG_RUNTIME_DIR: this.#temp,
			...env,
		};
	}

	async #mounts(): Promise<string[]> {
		const { stdout } = await run("findmnt", ["-n", "-r", "-o", "TARGET"]);
		return stdout
			.split("\n")
			.filter((target) => target.startsWith(`${this.directory}/`));
	}

	/** Those that name this directory on their command line. */
	async #processes(): Promise<number[]> {
		const pids = (await readdir("/proc")).map(Number).filter((pid) => pid > 0);
		const ours = await Promise.all(
			pids.map(async (pid) => {
				const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(
					() => "", // it has just ended
				);
				return pid !== process.pid && line.includes(this.directory);
			}),
		);
		return pids.filter((_, index) => ours[index]);
	}
}
