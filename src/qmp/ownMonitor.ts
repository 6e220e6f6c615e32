/**
 * A monitor of our own, where QEMU can get another one while it runs (`monitor-qmp`, from QEMU 11
 * on): the one that we were given is free again for whoever needs it.
 *
 * QEMU connects to a socket of ours, and not we to one of QEMU's. It connects before it makes the
 * monitor, and removes that as soon as we are gone (`close-action=delete`). Only who is killed
 * between these two steps leaves something, and the next who adds a monitor removes it. Source: qapi/char.json @chardev-add, qapi/qom.json @object-add.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { isObject, type JsonObject } from "../json.ts";
import { log } from "../log.ts";

import { beginSession } from "./openSession.ts";
import {
	makeMeetingPlace,
	meetingSocket,
	removePrivateDirectory,
} from "./privateDirectory.ts";
import type { QmpSession, SessionOptions } from "./session.ts";
import { type SocketAddress, unixAddress } from "./socketAddress.ts";
import { SocketTransport } from "./transport.ts";

/** A monitor, and the character device that carries it, have this as their id. */
const idForm = /^qomfs-monitor-\d+-[0-9a-f]{8}$/;

/** Whether an object or a character device was added by qomfs, for itself. */
export function isOwnMonitor(id: string): boolean {
	return idForm.test(id);
}

/** More than that nobody has left. */
const mostRemoved = 20;

/** The monitor that was given is to be free again within a second. */
const limitMs = 800;

/**
 * Adds a monitor, and begins a session on it. Whatever prevents that leaves nothing behind.
 *
 * @param given a session that has negotiated
 * @param address of its monitor
 * @returns undefined where QEMU cannot have another monitor, or cannot reach us
 */
export async function addMonitor(
	given: QmpSession,
	address: SocketAddress,
	options: SessionOptions,
): Promise<QmpSession | undefined> {
	try {
		if (await knowsMonitors(given)) return await meet(given, address, options);
	} catch (error) {
		log.session("no monitor of our own: %s", error);
	}
	return undefined;
}

async function knowsMonitors(given: QmpSession): Promise<boolean> {
	const types = await given.execute(
		"qom-list-types",
		{ implements: "monitor" },
		{ timeoutMs: limitMs },
	);
	return (
		Array.isArray(types) &&
		types.some((type) => isObject(type) && type.name === "monitor-qmp")
	);
}

async function characterDevices(
	given: QmpSession,
): Promise<readonly JsonObject[]> {
	const devices = await given.execute("query-chardev", undefined, {
		timeoutMs: limitMs,
	});
	return Array.isArray(devices) ? devices.filter(isObject) : [];
}

/** The path of the unix socket that QEMU listens on for a character device, if it does. */
function boundPath({ filename }: JsonObject): string[] {
	const [, path] = /^unix:(.*),server=on$/s.exec(`${filename}`) ?? [];
	return path === undefined ? [] : [path];
}

/**
 * Of somebody whose monitor was deleted the device is left; and of somebody who was killed between
 * the two commands that add a monitor all of it, for its client was gone before it began.
 */
async function removeForgotten(
	given: QmpSession,
	devices: readonly JsonObject[],
): Promise<void> {
	const ours = devices.filter(({ label }) => isOwnMonitor(`${label}`));
	await Promise.all(
		ours
			.slice(0, mostRemoved)
			.map(({ label, filename }) =>
				remove(given, `${label}`, /^disconnected:/.test(`${filename}`)),
			),
	);
}

async function meet(
	given: QmpSession,
	address: SocketAddress,
	options: SessionOptions,
): Promise<QmpSession> {
	const id = `qomfs-monitor-${process.pid}-${randomBytes(4).toString("hex")}`;
	const devices = await characterDevices(given);
	await removeForgotten(given, devices);
	const place = await makeMeetingPlace(address, devices.flatMap(boundPath));
	const server = createServer();
	server.maxConnections = 1;
	let socket: Socket | undefined;
	server.once("connection", (connected) => {
		socket = connected;
	});
	try {
		const path = join(place.directory, meetingSocket);
		unixAddress(path, path); // the kernel would cut one that is too long
		server.listen(path);
		await once(server, "listening");
		const signal = AbortSignal.timeout(limitMs);
		const [[connected]] = await Promise.all([
			once(server, "connection", { signal }) as Promise<[Socket]>,
			add(given, id, join(place.seenByQemu, meetingSocket)),
		]);
		return await beginSession(
			new SocketTransport(address, connected),
			address,
			{
				...options,
				connectTimeoutMs: limitMs,
			},
		);
	} catch (error) {
		socket?.destroy();
		await remove(given, id, true);
		throw error;
	} finally {
		server.close();
		await removePrivateDirectory(place.directory).catch((error) =>
			log.session("%s", error),
		);
	}
}

/** Both at once: a device whose monitor was never asked for would stay. */
async function add(given: QmpSession, id: string, path: string): Promise<void> {
	const limit = { timeoutMs: limitMs };
	const addr = { type: "unix", data: { path } };
	const backend = { type: "socket", data: { addr, server: false } };
	await Promise.all([
		given.execute("chardev-add", { id, backend }, limit),
		given.execute(
			"object-add",
			{
				...{ "qom-type": "monitor-qmp", id },
				...{ chardev: id, "close-action": "delete" },
			},
			limit,
		),
	]);
}

/** QEMU refuses to remove a device that is in use, and what is not there. */
async function remove(
	given: QmpSession,
	id: string,
	withMonitor: boolean,
): Promise<void> {
	const limit = { timeoutMs: limitMs };
	await Promise.allSettled([
		...(withMonitor ? [given.execute("object-del", { id }, limit)] : []),
		given.execute("chardev-remove", { id }, limit),
	]);
}
