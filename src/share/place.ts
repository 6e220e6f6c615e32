/** Where the socket of a shared monitor lies: named after the monitor, so that it is found by it. */
import { createHash } from "node:crypto";
import { readFile, readlink, realpath, stat } from "node:fs/promises";
import { connect } from "node:net";
import { basename, dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DisconnectedError } from "../errors.ts";
import { isObject, parseJson } from "../json.ts";
import { type Address, formatAddress, parseAddress } from "../qmp/address.ts";
import { notConnected } from "../qmp/openSession.ts";
import {
	isTrusted,
	runtimeDirectories,
	runtimeDirectory,
} from "../qmp/privateDirectory.ts";

/** The same for every way to write the monitor's address. */
export async function sharePath(address: Address): Promise<string> {
	return join(runtimeDirectory(), await shareName(address));
}

async function shareName(address: Address): Promise<string> {
	const name = createHash("sha256")
		.update(await canonicalAddress(address))
		.digest("hex")
		.slice(0, 32);
	return `${name}.sock`;
}

/** The same text for every way to write an address. */
export async function canonicalAddress(address: Address): Promise<string> {
	if (address.kind !== "unix") return formatAddress(address);
	const path = resolve(address.path);
	const directory = await realpath(dirname(path)).catch(() => dirname(path));
	// QEMU may not be there yet.
	return realpath(path).catch(() => join(directory, basename(path)));
}

/** How long a mount may take to answer. */
const patienceMs = 2000;

/**
 * Whether a mount shares its monitor there: it greets, if QEMU is there.
 *
 * @param sign `connect` for a mount that waits for its QEMU, too
 */
export function listens(
	path: string,
	sign: "connect" | "data" = "data",
): Promise<boolean> {
	return new Promise((settle) => {
		const socket = connect(path);
		const end = (isThere: boolean) => {
			socket.destroy();
			settle(isThere);
		};
		socket.once(sign, () => end(true));
		socket.once("close", () => end(false));
		socket.once("error", () => end(false));
		socket.setTimeout(patienceMs, () => end(false));
	});
}

/**
 * Where a machine is reached now: through the shared socket, if a mount holds its monitor, or if
 * the source is the directory where it is mounted; else the source itself.
 */
export async function reachableAddress(source: string): Promise<Address> {
	const address = (await addressOfMount(source)) ?? parseAddress(source);
	for (const path of await sharedPaths(address))
		if (await listens(path))
			return { kind: "unix", path, named: formatAddress(address) };
	return address;
}

/** Whether an address is that of a shared monitor. */
export function isShared(address: Address): boolean {
	return (
		address.kind === "unix" &&
		runtimeDirectories().includes(dirname(address.path))
	);
}

/** Where it may be shared, in directories that nobody else can write to. */
async function sharedPaths(address: Address): Promise<readonly string[]> {
	const name = await shareName(address);
	const paths: string[] = [];
	for (const directory of new Set(runtimeDirectories()))
		if (await isTrusted(directory)) paths.push(join(directory, name));
	return paths;
}

/**
 * The same of an address, for one who stays. Whoever shares a monitor is the first to have it when
 * QEMU comes back.
 *
 * @param ownPath where the asker shares the monitor itself, if it does
 * @throws DisconnectedError who shares it has no connection to QEMU now
 */
export async function reachedBy(
	address: Address,
	ownPath?: string,
): Promise<Address> {
	for (const path of await sharedPaths(address)) {
		if (path === ownPath || !(await listens(path, "connect"))) continue;
		const shared = {
			kind: "unix",
			path,
			named: formatAddress(address),
		} as const;
		if (await listens(path)) return shared;
		throw new DisconnectedError(notConnected(shared));
	}
	return address;
}

/**
 * Where a mount shares its monitor, or else that monitor itself, as of the second mount of a machine; undefined if
 * the source is no directory where a machine is mounted.
 */
export async function addressOfMount(
	source: string,
): Promise<Address | undefined> {
	const directory = await directoryOf(source);
	if (directory === undefined) return undefined;
	const own = await sharedBy(directory);
	if (own) return own;
	const monitor = await monitorOf(directory);
	if (monitor === undefined) return undefined;
	// It may have another mount as its source.
	const other = await directoryOf(monitor);
	const shared = other === undefined ? undefined : await sharedBy(other);
	return shared ?? parseAddress(monitor);
}

async function sharedBy(mountpoint: string): Promise<Address | undefined> {
	const path = await inTime(readlink(join(mountpoint, ".qomfs", "qmp.sock")));
	return path === undefined
		? undefined
		: { kind: "unix", path, named: mountpoint };
}

/** The source of a mount, if that is a machine and no snapshot. */
async function monitorOf(mountpoint: string): Promise<string | undefined> {
	const text = await inTime(
		readFile(join(mountpoint, ".qomfs", "status"), "utf8"),
	);
	try {
		const status = parseJson(text ?? "");
		if (!isObject(status) || status.monitor === undefined) return undefined;
		return typeof status.source === "string" ? status.source : undefined;
	} catch {
		return undefined; // it is no mount of ours
	}
}

async function directoryOf(source: string): Promise<string | undefined> {
	const address = parseAddress(source);
	if (address.kind !== "unix") return undefined;
	const stats = await stat(address.path).catch(() => undefined);
	return stats?.isDirectory() ? resolve(address.path) : undefined;
}

/** What a mount answers; undefined where it has none, or hangs. */
function inTime<Value>(answer: Promise<Value>): Promise<Value | undefined> {
	return Promise.race([
		answer.catch(() => undefined),
		sleep(patienceMs, undefined, { ref: false }),
	]);
}
