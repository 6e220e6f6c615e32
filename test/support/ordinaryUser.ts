/**
 * A user without any rights of root, who may mount. Where /dev/fuse is for root alone, as in
 * many containers, that user gets a mount namespace with a /dev/fuse of its own.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Finished, qomfsBin, run } from "./mounted.ts";

const ordinaryId = 65534;

export class OrdinaryUser {
	readonly id: number;
	readonly #prefix: readonly string[];
	readonly #holder: ChildProcess | undefined;

	/** @returns why there is none, as text */
	static async create(directory: string): Promise<OrdinaryUser | string> {
		if (process.getuid?.() !== 0) return new OrdinaryUser([], undefined);
		const device = join(directory, "fuse");
		const script =
			'mknod -m 666 "$0" c 10 229 && mount --bind "$0" /dev/fuse && echo up && exec sleep 600';
		const holder = spawn(
			"unshare",
			["-m", "--propagation", "private", "sh", "-c", script, device],
			{ stdio: ["ignore", "pipe", "pipe"] },
		);
		const isUp = await Promise.race([
			once(holder.stdout, "data").then(() => true),
			once(holder, "exit").then(() => false),
		]);
		if (!isUp) return "no mount namespace with a /dev/fuse for everybody";
		const id = `${ordinaryId}`;
		const user = new OrdinaryUser(
			[
				...["nsenter", "-t", `${holder.pid}`, "-m"],
				...["setpriv", `--reuid=${id}`, `--regid=${id}`, "--clear-groups"],
			],
			holder,
		);
		const { status, stderr } = await user.qomfs(["--version"]);
		if (status === 0) return user;
		await user.remove();
		return `an ordinary user cannot run qomfs here: ${stderr.trim().split("\n").at(-1)}`;
	}

	private constructor(
		prefix: readonly string[],
		holder: ChildProcess | undefined,
	) {
		this.#prefix = prefix;
		this.#holder = holder;
		this.id = holder ? ordinaryId : (process.getuid?.() ?? ordinaryId);
	}

	qomfs(
		args: readonly string[],
		nodeArgs: readonly string[] = [],
	): Promise<Finished> {
		return this.run(process.execPath, [...nodeArgs, qomfsBin, ...args]);
	}

	run(command: string, args: readonly string[]): Promise<Finished> {
		const [program = "", ...rest] = [...this.#prefix, command, ...args];
		return run(program, rest, { env: { ...process.env, LC_ALL: "C" } });
	}

	/** What is mounted for this user below a directory. */
	async mounts(directory: string): Promise<string[]> {
		const table = await readFile(
			`/proc/${this.#holder?.pid ?? "self"}/mountinfo`,
			"utf8",
		);
		return table
			.split("\n")
			.map((line) => line.split(" ")[4] ?? "")
			.filter((mountpoint) => mountpoint.startsWith(`${directory}/`));
	}

	async remove(): Promise<void> {
		if (!this.#holder || this.#holder.exitCode !== null) return;
		this.#holder.kill("SIGKILL");
		await once(this.#holder, "exit");
	}
}
