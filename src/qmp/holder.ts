/** Who holds a monitor that is taken, as far as this user may see it. */
import { execFile } from "node:child_process";
import { readFile, readlink } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { promisify } from "node:util";
import { type Address, isSocketAddress } from "./address.ts";
import { isBoundAs } from "./socketAddress.ts";

/** The client that a monitor serves. */
export interface Holder {
	readonly pid: number;
	/** The kernel's number of its socket, or the address: another one after it connects anew. */
	readonly socket: string;
	readonly commandLine: string;
	/** Where it is mounted, if it is a mount of qomfs. */
	readonly mountpoint: string | undefined;
	/** How long the process has run, in milliseconds. */
	readonly ageMs: number;
}

/**
 * Undefined where it cannot be seen: on another host, of another user's process, or without ss(8),
 * for /proc does not tell who a unix socket's peer is.
 */
export async function findHolder(
	address: Address,
): Promise<Holder | undefined> {
	if (!isSocketAddress(address)) return undefined;
	try {
		const row = await (address.kind === "unix"
			? unixHolder(address.path)
			: tcpHolder(address.port));
		if (!row) return undefined;
		const [pid, socket] = row;
		const words = await commandLine(pid);
		return {
			pid,
			socket,
			commandLine: shownCommand(words),
			mountpoint: await mountpointIn(pid, words),
			ageMs: await ageMs(pid),
		};
	} catch {
		return undefined; // no ss, or the process has just gone
	}
}

type ClientEnd = readonly [pid: number, socket: string];

/** QEMU's end bears the path and its peer's number; the peer's end bears that number. */
async function unixHolder(path: string): Promise<ClientEnd | undefined> {
	const rows = await sockets("-xpnH");
	for (const row of rows) {
		const [, state, , , rowPath, , , peer = ""] = row;
		if (state !== "ESTAB" || !isBoundAs(path, rowPath ?? "")) continue;
		const pid = pidIn(rows.find((other) => other[5] === peer));
		if (pid && pid !== process.pid) return [pid, peer];
	}
	return undefined;
}

/** The end that is not QEMU's: the monitor's port is its peer's. */
async function tcpHolder(port: number): Promise<ClientEnd | undefined> {
	for (const row of await sockets("-tpnH")) {
		const [state, , , local = "", remote] = row;
		const pid = pidIn(row);
		if (state === "ESTAB" && remote?.endsWith(`:${port}`))
			if (pid && pid !== process.pid) return [pid, local];
	}
	return undefined;
}

async function sockets(flags: string): Promise<string[][]> {
	const { stdout } = await promisify(execFile)("ss", [flags], {
		timeout: 1000,
	});
	return stdout.split("\n").map((line) => line.trim().split(/\s+/));
}

function pidIn(row: string[] | undefined): number | undefined {
	const pid = /pid=(\d+)/.exec(row?.at(-1) ?? "")?.[1];
	return pid === undefined ? undefined : Number(pid);
}

async function commandLine(pid: number): Promise<readonly string[]> {
	const text = await readFile(`/proc/${pid}/cmdline`, "utf8");
	return text.split("\0").slice(0, -1);
}

function shownCommand([program = "", ...args]: readonly string[]): string {
	// Of a program for Node, its own name says more than Node's, and its options.
	const script =
		basename(program) === "node"
			? args.findIndex((arg) => /[/.]bin\/[\w-]+(\.js)?$/.test(arg))
			: -1;
	const words =
		script < 0
			? [program, ...args]
			: [basename(args[script] ?? "", ".js"), ...args.slice(script + 1)];
	return words.join(" ").trim().slice(0, 80);
}

/** The word of a command line that is a mount of qomfs now: nothing of that mount is touched. */
async function mountpointIn(
	pid: number,
	words: readonly string[],
): Promise<string | undefined> {
	const [table, directory] = await Promise.all([
		readFile(`/proc/${pid}/mountinfo`, "utf8"),
		readlink(`/proc/${pid}/cwd`),
	]);
	const mounted = new Set(
		table
			.split("\n")
			.filter((line) => line.includes(" - fuse.qomfs "))
			.map((line) => unescaped(line.split(" ")[4] ?? "")),
	);
	return words
		.map((word) => resolve(directory, word))
		.find((path) => mounted.has(path));
}

/** Blanks and the like are octal in that table (proc(5)). */
function unescaped(text: string): string {
	return text.replace(/\\([0-7]{3})/g, (_all, octal) =>
		String.fromCharCode(Number.parseInt(octal, 8)),
	);
}

/** By proc(5): in hundredths of a second since the system started, field 22. */
async function ageMs(pid: number): Promise<number> {
	const [stat, uptime] = await Promise.all([
		readFile(`/proc/${pid}/stat`, "utf8"),
		readFile("/proc/uptime", "utf8"),
	]);
	const startedAt = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
	return Number.parseFloat(uptime) * 1000 - Number(startedAt) * 10;
}
