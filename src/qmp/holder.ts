/** Who holds a monitor that is taken, as far as this user may see it. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { promisify } from "node:util";
import { type Address, isBoundAs } from "./address.ts";

/**
 * `pid 4711 (qemu-client --monitor)`; undefined where it cannot be seen: on another host,
 * of another user's process, or without ss(8), for /proc does not tell who a unix socket's
 * peer is.
 */
export async function findHolder(
	address: Address,
): Promise<string | undefined> {
	try {
		const pid = await (address.kind === "unix"
			? unixHolder(address.path)
			: tcpHolder(address.port));
		return pid && `pid ${pid} (${await commandLine(pid)})`;
	} catch {
		return undefined; // no ss, or the process has just gone
	}
}

/** QEMU's end bears the path and its peer's number; the peer's end bears that number. */
async function unixHolder(path: string): Promise<string | undefined> {
	const rows = await sockets("-xpnH");
	for (const row of rows) {
		const [, state, , , rowPath, , , peer] = row;
		if (state !== "ESTAB" || !isBoundAs(path, rowPath ?? "")) continue;
		const pid = pidIn(rows.find((other) => other[5] === peer));
		if (pid && pid !== String(process.pid)) return pid;
	}
	return undefined;
}

/** The end that is not QEMU's: the monitor's port is its peer's. */
async function tcpHolder(port: number): Promise<string | undefined> {
	const rows = await sockets("-tpnH");
	const isOthers = (row: string[]) =>
		row[0] === "ESTAB" &&
		row[4]?.endsWith(`:${port}`) &&
		pidIn(row) !== String(process.pid);
	return pidIn(rows.find((row) => isOthers(row) && pidIn(row)));
}

async function sockets(flags: string): Promise<string[][]> {
	const { stdout } = await promisify(execFile)("ss", [flags], {
		timeout: 1000,
	});
	return stdout.split("\n").map((line) => line.trim().split(/\s+/));
}

function pidIn(row: string[] | undefined): string | undefined {
	return /pid=(\d+)/.exec(row?.at(-1) ?? "")?.[1];
}

async function commandLine(pid: string): Promise<string> {
	const text = await readFile(`/proc/${pid}/cmdline`, "utf8");
	const [program = "", ...args] = text.split("\0");
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
