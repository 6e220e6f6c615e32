/**
 * A real libvirtd for an ordinary user, in namespaces and a directory of its own: a libvirt of this
 * machine is not touched, and nothing of it outlives it. Its domains are emulated.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import {
	chmod,
	chown,
	mkdir,
	mkdtemp,
	readFile,
	rm,
	writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { lackingProgram, leaveMounts } from "./sshServer.ts";

/** nobody(5) */
const userId = 65534;

/** Why there can be none here; undefined where there can. */
export function lacksLibvirt(): string | undefined {
	return process.getuid?.() === 0
		? lackingProgram(["libvirtd", "virsh", "unshare", "setpriv"])
		: "only root can give it namespaces of its own";
}

/**
 * $1: the directory. The shell is the first process of its namespace and waits for those that nobody
 * else waits for; with libvirtd in its place the end of a domain takes a minute.
 */
const startScript = `
	${leaveMounts}
	cd "$1" || exit
	setpriv --reuid=${userId} --regid=${userId} --clear-groups env -i \
		PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME="$1/home" \
		XDG_RUNTIME_DIR="$1/run" XDG_CONFIG_HOME="$1/etc" \
		XDG_CACHE_HOME="$1/cache" XDG_DATA_HOME="$1/data" \
		libvirtd -f "$1/etc/libvirtd.conf" -p "$1/pid" &
	wait
`;

export class LibvirtServer implements AsyncDisposable {
	readonly directory: string;
	#process: ChildProcess | undefined;

	static async start(): Promise<LibvirtServer> {
		// The kernel takes no long path of a socket, and libvirt makes long ones.
		const directory = await mkdtemp(join(tmpdir(), "qlv-"));
		const server = new LibvirtServer(directory);
		await server.#prepare();
		await server.serve();
		return server;
	}

	private constructor(directory: string) {
		this.directory = directory;
	}

	/** For virsh(1) and qomfs. */
	get uri(): string {
		return `qemu+unix:///session?socket=${join(this.directory, "libvirt-sock")}`;
	}

	async serve(): Promise<void> {
		const child = spawn(
			"unshare",
			[
				...["--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child"],
				...["--mount-proc", "--propagation", "private"],
				...["bash", "-c", startScript, "bash", this.directory],
			],
			{ stdio: ["ignore", "ignore", "pipe"] },
		);
		let said = "";
		child.stderr.setEncoding("utf8").on("data", (text: string) => {
			said += text;
		});
		this.#process = child;
		const answers = () =>
			this.virsh("uri").then(
				() => true,
				() => false,
			);
		while (!(await answers())) {
			if (child.exitCode !== null)
				throw new Error(`libvirtd has ended: ${said}`);
			await sleep(20);
		}
	}

	/** Starts a domain as small as can be. */
	async create(name: string): Promise<void> {
		await this.virsh("create", await this.#describe(name));
	}

	/** One that is shut off. */
	async define(name: string): Promise<void> {
		await this.virsh("define", await this.#describe(name));
	}

	async #describe(name: string): Promise<string> {
		const file = join(this.directory, "domain.xml");
		await writeFile(file, domainXml(name));
		return file;
	}

	/** @returns what it prints */
	async virsh(...words: readonly string[]): Promise<string> {
		const child = spawn("virsh", ["-q", "-c", this.uri, ...words], {
			stdio: ["ignore", "pipe", "pipe"],
			env: { ...process.env, LC_ALL: "C.UTF-8" },
		});
		let [stdout, stderr] = ["", ""];
		child.stdout.on("data", (text) => {
			stdout += text;
		});
		child.stderr.on("data", (text) => {
			stderr += text;
		});
		const [status] = await once(child, "close");
		if (status !== 0) throw new Error(`virsh ${words.join(" ")}: ${stderr}`);
		return stdout;
	}

	/** Ends it, and all its domains. */
	async stop(): Promise<void> {
		const child = this.#process;
		this.#process = undefined;
		if (!child || child.exitCode !== null) return;
		const { pid } = child;
		const inside = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
		child.kill("SIGKILL");
		await once(child, "exit");
		// The first process of the namespace takes all the others with it.
		while (existsSync(`/proc/${inside.trim()}/ns`)) await sleep(20);
		// As after a restart of its host: of the domains nothing is left.
		for (const name of ["libvirt-sock", "run/libvirt"])
			await rm(join(this.directory, name), { recursive: true, force: true });
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.stop();
		await rm(this.directory, { recursive: true, force: true });
	}

	async #prepare(): Promise<void> {
		await chmod(this.directory, 0o755);
		await chown(this.directory, userId, userId);
		for (const name of ["etc", "etc/libvirt", "run", "cache", "home", "data"]) {
			const path = join(this.directory, name);
			await mkdir(path, { mode: 0o700 });
			await chown(path, userId, userId);
		}
		const settings = {
			"etc/libvirtd.conf": [
				`unix_sock_dir = "${this.directory}"`,
				'unix_sock_rw_perms = "0777"',
				...['auth_unix_rw = "none"', 'auth_unix_ro = "none"'],
				`log_outputs = "3:file:${this.directory}/log"`,
			],
			"etc/libvirt/qemu.conf": [
				...['stdio_handler = "file"', 'security_driver = "none"'],
			],
		};
		for (const [file, lines] of Object.entries(settings))
			await writeFile(join(this.directory, file), `${lines.join("\n")}\n`);
	}
}

function domainXml(name: string): string {
	const escaped = name.replace(
		/[&<\n]/g,
		(character) => `&#${character.charCodeAt(0)};`,
	);
	return `<domain type='qemu'>
	<name>${escaped}</name>
	<memory unit='MiB'>32</memory>
	<os><type arch='x86_64' machine='pc'>hvm</type></os>
	<devices>
		<emulator>/usr/bin/qemu-system-x86_64</emulator>
		<controller type='usb' model='none'/>
		<memballoon model='none'/>
		<video><model type='none'/></video>
	</devices>
</domain>
`;
}
