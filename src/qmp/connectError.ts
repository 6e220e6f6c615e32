/** Why a monitor cannot be reached, and what to do. */
import { execFile } from "node:child_process";
import { lstatSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { BusyError, ConnectError } from "../errors.ts";
import { type Address, formatAddress } from "./address.ts";
import { findHolder, type Holder } from "./holder.ts";
import type { SocketAddress } from "./socketAddress.ts";

/** Another client holds the monitor. */
export async function busyError(
	address: Address,
	known?: Holder,
): Promise<BusyError> {
	const holder = known ?? (await findHolder(address));
	const { pid, commandLine, mountpoint } = holder ?? {};
	const who = !holder
		? "another client"
		: `pid ${pid} (${mountpoint ? `qomfs, mounted on ${mountpoint}` : commandLine})`;
	const unmount =
		mountpoint && /^[\w/.+-]+$/.test(mountpoint)
			? `'qomfs umount ${mountpoint}'`
			: "unmount it";
	const remedy = mountpoint
		? `use the files there, ${unmount}`
		: "end that client";
	return new BusyError(
		`${formatAddress(address)} is busy: ${who} holds this monitor (QEMU serves one at a time); ${remedy}, or give QEMU a second -qmp`,
	);
}

const looksMs = [50, 150];

/**
 * Who holds the monitor for longer than it is worth to wait: one connection all the while, of a
 * process that is older than that. A command that will be done soon is none.
 *
 * @param patienceMs how long it is worth to wait
 */
export async function lastingHolder(
	address: Address,
	patienceMs: number,
): Promise<Holder | undefined> {
	let seen: Holder | undefined;
	for (const waitMs of looksMs) {
		await sleep(waitMs, undefined, { ref: false });
		const holder = await findHolder(address);
		if (!holder || holder.ageMs < patienceMs) return undefined;
		if (seen && seen.socket !== holder.socket) return undefined;
		seen = holder;
	}
	return seen;
}

/** What connect(2) has said, in words. */
export async function connectError(
	address: SocketAddress,
	cause: NodeJS.ErrnoException,
): Promise<ConnectError> {
	// Linux: the backlog of a unix socket is full.
	if (cause.code === "EAGAIN") return busyError(address);
	return new ConnectError(
		`${formatAddress(address)}: ${await explain(address, cause)}`,
		{ cause },
	);
}

async function explain(
	address: SocketAddress,
	{ code, message }: NodeJS.ErrnoException,
): Promise<string> {
	switch (code) {
		case "ENOENT":
			if (address.kind === "unix" && address.named !== undefined)
				return "the mount or command that shared this monitor has ended";
			return `no such socket; is QEMU running with -qmp unix:${formatAddress(address)},server=on,wait=off?`;
		case "EACCES":
			return address.kind === "unix"
				? permissionDenied(address.path)
				: "permission denied";
		case "ECONNREFUSED":
			return refusal(address);
		case "ENOTFOUND":
			return "no such host; is the name right?";
		default:
			return `${message}; is the address right?`;
	}
}

function refusal(address: SocketAddress): string {
	if (address.kind === "tcp")
		return "connection refused; is QEMU running with -qmp tcp:HOST:PORT,server=on,wait=off?";
	const stats = lstatSync(address.path, { throwIfNoEntry: false });
	if (stats?.isFile()) return onlyFile;
	if (!stats?.isSocket())
		return "not a socket; give the path of a QMP socket, or of a mount";
	return "nothing listens on this socket; QEMU has ended and left it behind";
}

const onlyFile =
	"not a socket, but a file; this needs a running machine, a snapshot does not do";

async function permissionDenied(socket: string): Promise<string> {
	const [path, stats] = reachable(socket);
	if (path === socket && stats.isFile()) return onlyFile;
	const [user, group] = await owners(path, stats);
	const what = path === socket ? "it" : path;
	const needed = path === socket ? 0o020 : 0o010;
	const runAs = `run as ${user} ('sudo${user === "root" ? "" : ` -u ${user}`}')`;
	const isOurs = stats.uid === process.getuid?.();
	// Nobody should join the group of root.
	const isForGroup = stats.mode & needed && stats.gid !== 0;
	const remedy = isOurs
		? `'chmod u+rwx ${path}' opens it to you`
		: isForGroup
			? `join that group ('sudo usermod -aG ${group} USER', then log in again), or ${runAs}`
			: runAs;
	return `permission denied; ${what} belongs to user ${user} and group ${group}: ${remedy}`;
}

/** The path, or the directory on the way to it that cannot be searched. */
function reachable(path: string): [path: string, stats: Stats] {
	try {
		return [path, lstatSync(path)];
	} catch {
		return reachable(dirname(path));
	}
}

/** Names where stat(1) knows them, from whatever directory service there is; else numbers. */
async function owners(
	path: string,
	{ uid, gid }: Stats,
): Promise<[user: string, group: string]> {
	const args = ["-c", "%U %G", "--", path];
	const { stdout } = await promisify(execFile)("stat", args).catch(() => ({
		stdout: "",
	}));
	const [user = "", group = ""] = stdout.trim().split(" ");
	const known = (name: string, id: number) =>
		name === "" || name === "UNKNOWN" ? `${id}` : name;
	return [known(user, uid), known(group, gid)];
}
