/**
 * A user without any rights of root. For root that is `nobody`, in a mount namespace of its
 * own, which has what that user may lack: a /dev/fuse for everybody, as udev makes it but
 * many containers do not, and this project at a place that everybody can reach, for it may
 * lie in root's home.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Finished, qomfsBin, run } from "./mounted.ts";

const ordinaryId = 65534;
const project = new URL("../../", import.meta.url).pathname;

interface Namespace {
	readonly holder: ChildProcess;
	/** With what is mounted in the namespace; outside of it, empty. */
	readonly directory: string;
}

export class OrdinaryUser {
	readonly id: number;
	readonly #namespace: Namespace | undefined;

	/** @returns why there is none, as text */
	static async create({
		mayMount = true,
	} = {}): Promise<OrdinaryUser | string> {
		if (process.getuid?.() !== 0)
			return mayMount || !canUseFuse()
				? new OrdinaryUser(undefined)
				: "this user may mount, and only root can make one who may not";
		const namespace = await createNamespace(mayMount ? "666" : "600");
		if (namespace === undefined) return "no mount namespace can be made here";
		const user = new OrdinaryUser(namespace);
		const { status, stderr } = await user.qomfs(["--version"]);
		if (status === 0) return user;
		await user.remove();
		return `an ordinary user cannot run qomfs here: ${stderr.trim().split("\n").at(-1)}`;
	}

	private constructor(namespace: Namespace | undefined) {
		this.#namespace = namespace;
		this.id = namespace ? ordinaryId : (process.getuid?.() ?? ordinaryId);
	}

	/** @param prefix a command that runs another, for what it restricts */
	qomfs(
		args: readonly string[],
		nodeArgs: readonly string[] = [],
		env: NodeJS.ProcessEnv = {},
		prefix: readonly string[] = [],
	): Promise<Finished> {
		const [node = "", bin = ""] = [process.execPath, qomfsBin].map((path) =>
			this.#namespace && path.startsWith(project)
				? join(this.#namespace.directory, "project", path.slice(project.length))
				: path,
		);
		const [program = "", ...rest] = [...prefix, node];
		return this.run(program, [...rest, ...nodeArgs, bin, ...args], env);
	}

	run(
		command: string,
		args: readonly string[],
		env: NodeJS.ProcessEnv = {},
	): Promise<Finished> {
		const id = `${ordinaryId}`;
		const prefix = this.#namespace
			? [
					...["nsenter", "-t", `${this.#namespace.holder.pid}`, "-m"],
					...["setpriv", `--reuid=${id}`, `--regid=${id}`, "--clear-groups"],
				]
			: [];
		const [program = "", ...rest] = [...prefix, command, ...args];
		return run(program, rest, {
			cwd: "/", // where everybody may be
			env: { ...process.env, LC_ALL: "C", ...env },
		});
	}

	/** What is mounted for this user below a directory. */
	async mounts(directory: string): Promise<string[]> {
		const table = await readFile(
			`/proc/${this.#namespace?.holder.pid ?? "self"}/mountinfo`,
			"utf8",
		);
		return table
			.split("\n")
			.map((line) => line.split(" ")[4] ?? "")
			.filter((mountpoint) => mountpoint.startsWith(`${directory}/`));
	}

	async remove(): Promise<void> {
		if (!this.#namespace) return;
		const { holder, directory } = this.#namespace;
		if (holder.exitCode === null && holder.signalCode === null) {
			holder.kill("SIGKILL");
			await once(holder, "exit");
		}
		await rm(directory, { recursive: true, force: true });
	}
}

/** @returns undefined if root may not do that here */
async function createNamespace(mode: string): Promise<Namespace | undefined> {
	const directory = await mkdtemp(join(tmpdir(), "qomfs-user-"));
	await chmod(directory, 0o755);
	await mkdir(join(directory, "project"));
	const script = `
		mknod -m ${mode} "$0/fuse" c 10 229 && mount --bind "$0/fuse" /dev/fuse &&
		mount --bind "$1" "$0/project" && echo up && exec sleep 600`;
	const holder = spawn(
		"unshare",
		[
			...["-m", "--propagation", "private"],
			...["sh", "-c", script, directory, project],
		],
		{ stdio: ["ignore", "pipe", "ignore"] },
	);
	const isUp = await Promise.race([
		once(holder.stdout, "data").then(() => true),
		once(holder, "exit").then(() => false),
	]);
	if (isUp) return { holder, directory };
	await rm(directory, { recursive: true });
	return undefined;
}

function canUseFuse(): boolean {
	try {
		accessSync("/dev/fuse", constants.R_OK | constants.W_OK);
		return true;
	} catch {
		return false;
	}
}
