/** The mounts that are measured: of a machine, and of its tree in memory. */
import {
	type ChildProcess,
	execFile,
	execFileSync,
	spawn,
} from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { type BackendName, backendNames } from "../../src/fuse/backend.ts";

const run = promisify(execFile);
const qomfs = new URL("../../bin/qomfs.js", import.meta.url).pathname;
const here = new URL(".", import.meta.url).pathname;

export interface Cost {
	readonly timeMs: number;
	/** The server's time on a processor; the kernel counts in ticks of 10 ms. */
	readonly cpuMs: number;
}

export interface Figures extends Cost {
	readonly commands: number;
	readonly bytesSent: number;
}

interface Status {
	readonly pid: number;
	readonly commands: number;
	readonly bytesSent: number;
}

/** A mount of the machine, new for every round. */
export class BenchMount {
	readonly #path: string;

	constructor(path: string) {
		this.#path = path;
	}

	async mount(socket: string, backend: BackendName): Promise<void> {
		const options = ["-o", `backend=${backend}`];
		await run(process.execPath, [qomfs, socket, this.#path, ...options]);
	}

	async unmount(): Promise<void> {
		const { pid } = await this.#status();
		await run("fusermount3", ["-u", this.#path]);
		// The monitor takes the next client when the daemon has gone.
		while (readable(`/proc/${pid}/statm`)) await sleep(5);
	}

	async run(line: string): Promise<Figures> {
		const before = await this.#status();
		const cost = await measure(line, this.#path, before.pid);
		const after = await this.#status();
		return {
			...cost,
			commands: after.commands - before.commands,
			bytesSent: after.bytesSent - before.bytesSent,
		};
	}

	async rssMb(): Promise<number> {
		const { pid } = await this.#status();
		const pages = readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1];
		return (Number(pages) * 4096) / 1e6;
	}

	/** Of the daemon, in so many seconds without a request. */
	async idleCpuMs(seconds: number): Promise<number> {
		const { pid } = await this.#status();
		await sleep(1000); // what it had to do is done
		const before = cpuMsOf(pid);
		await sleep(seconds * 1000);
		return cpuMsOf(pid) - before;
	}

	async #status(): Promise<Status> {
		return JSON.parse(
			await readFile(join(this.#path, ".qomfs/status"), "utf8"),
		);
	}
}

async function measure(
	line: string,
	mountpoint: string,
	serverPid: number,
): Promise<Cost> {
	const beforeMs = cpuMsOf(serverPid);
	const startMs = performance.now();
	const child = spawn("sh", ["-c", line], {
		stdio: "ignore",
		env: { ...process.env, M: mountpoint },
	});
	await once(child, "exit");
	const timeMs = performance.now() - startMs;
	return { timeMs, cpuMs: cpuMsOf(serverPid) - beforeMs };
}

/** utime and stime of proc(5), of all threads, those that have ended among them. */
function cpuMsOf(pid: number): number {
	const text = readFileSync(`/proc/${pid}/stat`, "utf8");
	const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
	return 10 * (Number(fields[11]) + Number(fields[12]));
}

function readable(path: string): boolean {
	try {
		return readFileSync(path).length > 0;
	} catch {
		return false;
	}
}

export const memoryServers = [...backendNames, "C"] as const;
export type MemoryServer = (typeof memoryServers)[number];

/** The same tree served from memory, by all that can serve it here. */
export class MemoryMounts {
	readonly #mounts = new Map<
		MemoryServer,
		{ readonly mountpoint: string; readonly server: ChildProcess }
	>();

	/**
	 * @param treeFile in the format of memoryTree.ts
	 * @param directory for the mount points; must be there
	 */
	async mount(treeFile: string, directory: string): Promise<void> {
		const commands: Record<MemoryServer, readonly string[] | undefined> = {
			kernel: [process.execPath, `${here}memoryMount.ts`],
			"fuse-native": [process.execPath, `${here}memoryMount.ts`],
			C: compileServer(directory),
		};
		for (const name of memoryServers) {
			const [program, ...args] = commands[name] ?? [];
			if (!program) continue;
			const mountpoint = join(directory, name);
			mkdirSync(mountpoint);
			const all = [...args, treeFile, mountpoint];
			if (name !== "C") all.push(name);
			const server = spawn(program, all, {
				stdio: ["ignore", "pipe", "inherit"],
			});
			this.#mounts.set(name, { mountpoint, server });
			await once(server.stdout, "data");
		}
	}

	/** Undefined where there is no such server. */
	async run(line: string, name: MemoryServer): Promise<Cost | undefined> {
		const mount = this.#mounts.get(name);
		const pid = mount?.server.pid;
		return mount && pid ? measure(line, mount.mountpoint, pid) : undefined;
	}

	async unmount(): Promise<void> {
		for (const { mountpoint, server } of this.#mounts.values()) {
			await run("fusermount3", ["-uz", mountpoint]).catch(() => {});
			server.kill("SIGKILL");
		}
	}
}

/** Undefined without a compiler, or without libfuse's headers. */
function compileServer(directory: string): readonly string[] | undefined {
	const program = join(directory, "memoryMount");
	try {
		const flags = execFileSync("pkg-config", ["--cflags", "--libs", "fuse3"], {
			encoding: "utf8",
			stdio: ["ignore", "pipe", "ignore"],
		});
		const source = `${here}memoryMount.c`;
		execFileSync(
			"cc",
			["-O2", source, ...flags.trim().split(/\s+/), "-o", program],
			{ stdio: ["ignore", "ignore", "inherit"] },
		);
		return [program];
	} catch {
		console.error(
			"without the C program: it needs cc, pkg-config and libfuse3-dev",
		);
		return undefined;
	}
}
