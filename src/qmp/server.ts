/** Which process serves a monitor on this machine, as far as this user may see it. */
import { readdir, readFile, readlink, realpath, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { type Address, isSocketAddress } from "./address.ts";
import { isBoundAs, type SocketAddress } from "./socketAddress.ts";

/**
 * The QEMU that listens at an address; undefined where it cannot be seen: on another host, of another
 * user, or in a container.
 */
export async function findServer(
	address: Address,
): Promise<number | undefined> {
	if (!isSocketAddress(address)) return undefined;
	const sockets = await listeningSockets(address);
	if (sockets.size === 0) return undefined;
	for (const pid of await emulators())
		for (const socket of await socketsOf(pid)) {
			const boundPath = sockets.get(socket);
			if (boundPath === undefined) continue;
			if (address.kind !== "unix") return pid;
			if (await isSameFile(placeSeenBy(pid, boundPath), address.path))
				return pid;
		}
	return undefined;
}

/** Inodes of the sockets that may be meant, each with the path that it was bound to. */
async function listeningSockets(
	address: SocketAddress,
): Promise<ReadonlyMap<string, string>> {
	if (address.kind === "tcp") return tcpSockets(address.host, address.port);
	const { path } = address;
	return unixSockets([path, await realpath(path).catch(() => path)]);
}

/** The flag of a socket that listens, in /proc/net/unix: __SO_ACCEPTCON of linux/net.h. */
const acceptsConnections = 0x10000;

/** @param paths names of one socket */
async function unixSockets(
	paths: readonly string[],
): Promise<ReadonlyMap<string, string>> {
	const found = new Map<string, string>();
	for (const line of (await readTable("/proc/net/unix")).slice(1)) {
		const row =
			/^\S+ \S+ \S+ (?<flags>\S+) \S+ \S+ +(?<inode>\d+) (?<bound>.+)$/s.exec(
				line,
			)?.groups;
		if (!row) continue;
		const { flags = "", inode = "", bound = "" } = row;
		if (Number.parseInt(flags, 16) & acceptsConnections)
			if (paths.some((path) => isBoundAs(path, bound))) found.set(inode, bound);
	}
	return found;
}

/** TCP_LISTEN of linux/tcp_states.h. */
const listenState = "0A";

async function tcpSockets(
	host: string,
	port: number,
): Promise<ReadonlyMap<string, string>> {
	const found = new Map<string, string>();
	if (!/^(localhost|127\.[\d.]+|::1)$/.test(host)) return found;
	const end = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
	for (const table of ["/proc/net/tcp", "/proc/net/tcp6"])
		for (const line of await readTable(table)) {
			const [, local, , state, , , , , , inode = ""] = line.trim().split(/\s+/);
			if (state === listenState && local?.endsWith(end)) found.set(inode, "");
		}
	return found;
}

async function readTable(path: string): Promise<readonly string[]> {
	const text = await readFile(path, "utf8").catch(() => "");
	return text.split("\n");
}

/** Every QEMU of this machine that this user may look at. */
async function emulators(): Promise<readonly number[]> {
	const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
	const programs = await Promise.all(
		pids.map((pid) => readlink(`/proc/${pid}/exe`).catch(() => "")),
	);
	return pids
		.filter((_pid, index) => /qemu|kvm/.test(basename(programs[index] ?? "")))
		.map(Number);
}

async function socketsOf(pid: number): Promise<readonly string[]> {
	const directory = `/proc/${pid}/fd`;
	const names = await readdir(directory).catch(() => []);
	const targets = await Promise.all(
		names.map((name) => readlink(join(directory, name)).catch(() => "")),
	);
	return targets.flatMap(
		(target) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? [],
	);
}

/** A process may have a root of its own. */
function placeSeenBy(pid: number, path: string): string {
	return path.startsWith("/")
		? `/proc/${pid}/root${path}`
		: `/proc/${pid}/cwd/${path}`;
}

async function isSameFile(a: string, b: string): Promise<boolean> {
	try {
		const [first, second] = await Promise.all([stat(a), stat(b)]);
		return first.ino === second.ino && first.dev === second.dev;
	} catch {
		return false;
	}
}
