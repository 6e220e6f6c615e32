/** Puts the rooms together: connection, source, cache, trees, file system, kernel. */
import { CachedSource } from "../cache/cachedSource.ts";
import { MountError, type QomfsError } from "../errors.ts";
import { type Departure, type MountHandle, mount } from "../fuse/mount.ts";
import { prepareMountpoint } from "../fuse/mountpoint.ts";
import { formatJson, type Json } from "../json.ts";
import { type Address, formatAddress } from "../qmp/address.ts";
import { Connection } from "../qmp/connection.ts";
import type { QemuVersion, QmpEvent } from "../qmp/messages.ts";
import { connectSession, type QmpSession } from "../qmp/session.ts";
import { LiveSource } from "../qom/live.ts";
import { ControlTree } from "../vfs/controlTree.ts";
import { ErrorLog } from "../vfs/errorLog.ts";
import { FileSystem } from "../vfs/filesystem.ts";
import { LogFile } from "../vfs/logFile.ts";
import { QomTree } from "../vfs/qomTree.ts";
import { TreePolicy } from "../vfs/treePolicy.ts";
import type { MountSettings } from "./mountSettings.ts";

export interface MountRequest {
	readonly address: Address;
	/** Absolute: the daemon changes its directory. */
	readonly path: string;
	readonly settings: MountSettings;
}

export interface ServedMount {
	readonly mountpoint: string;
	/** What is mounted, for people. */
	readonly title: string;
	/**
	 * Resolves when it is unmounted, by us or from outside, and all is closed.
	 *
	 * @throws MountError when the machine was lost and it must not reconnect
	 */
	readonly ended: Promise<void>;
	unmount(): Promise<Departure>;
}

/**
 * The kernel and the cache share the age that `cache_timeout` allows: this part of it is
 * the kernel's, the rest the cache's, for the kernel may take over what is old already.
 */
const kernelShare = 0.1;

/** Whoever opens a value of another length waits until the kernel has forgotten the last size. */
const longestAttributesSec = 0.1;

function attributesTimeoutSec({ cacheTimeoutSec }: MountSettings): number {
	return Math.min(cacheTimeoutSec * kernelShare, longestAttributesSec);
}

/** What `.qomfs/events` keeps. */
const maxEvents = 10_000;

/** @throws QomfsError */
export async function serveMount({
	address,
	path,
	settings,
}: MountRequest): Promise<ServedMount> {
	const mountpoint = await prepareMountpoint(path);
	const machine = new MountedMachine(address, mountpoint, settings);
	if (settings.delayConnect) machine.connection.openLater();
	else await machine.connection.open();
	try {
		const handle = await mount(machine.fileSystem, mountpoint, {
			...settings,
			fsname: settings.fsname ?? formatAddress(address),
			entryTimeoutSec: settings.cacheTimeoutSec * kernelShare,
			attributesTimeoutSec: attributesTimeoutSec(settings),
			// One operation may need a listing and a value.
			requestTimeoutMs: settings.timeoutSec * 2000 + 5000,
		});
		return machine.serve(handle);
	} catch (error) {
		await machine.connection.close();
		throw error;
	}
}

/** One machine, behind everything that is made of it. */
class MountedMachine {
	readonly connection: Connection;
	readonly fileSystem: FileSystem;
	readonly #address: Address;
	readonly #settings: MountSettings;
	readonly #live: LiveSource;
	readonly #cached: CachedSource;
	readonly #policy: TreePolicy;
	readonly #events = new LogFile(maxEvents);
	/** Why it is over, where a loss is the end. */
	#final: QomfsError | undefined;
	#type: Json = null;
	#version: QemuVersion | undefined;
	#handle: MountHandle | undefined;

	constructor(address: Address, mountpoint: string, settings: MountSettings) {
		this.#address = address;
		this.#settings = settings;
		this.connection = new Connection(
			{
				connect: () =>
					connectSession(address, {
						connectTimeoutMs: settings.connectTimeoutSec * 1000,
						timeoutMs: settings.timeoutSec * 1000,
					}),
				reconnects: settings.reconnect,
			},
			{
				onConnected: (session) => this.#connected(session),
				onLost: (reason) => this.#lose(reason),
				onEvent: (event) => this.#noteEvent(event),
			},
		);
		this.#live = new LiveSource(this.connection);
		this.#cached = new CachedSource(this.#live, {
			listTtlMs: settings.cacheTimeoutSec * 1000 * (1 - kernelShare),
			valueTtlMs: settings.valueTimeoutSec * 1000,
		});
		const treeOptions = { ...settings, mountpoint };
		this.#policy = new TreePolicy(treeOptions);
		const errors = new ErrorLog();
		this.fileSystem = new FileSystem({
			qom: new QomTree(this.#cached, this.#policy, errors),
			control: new ControlTree(
				() => this.#status(),
				{ errors: errors.file, events: this.#events },
				Date.now(),
			),
			errors,
			options: treeOptions,
			sizeTtlMs: attributesTimeoutSec(settings) * 1000,
		});
	}

	serve(handle: MountHandle): ServedMount {
		this.#handle = handle;
		if (this.#final) handle.unmount();
		return {
			mountpoint: handle.mountpoint,
			title: this.#title(),
			ended: handle.ended.then(() => this.#close()),
			unmount: () => handle.unmount(),
		};
	}

	async #close(): Promise<void> {
		await this.connection.close();
		if (this.#final)
			throw new MountError(
				`${this.#final.message}; unmounted because of -o no_reconnect`,
			);
	}

	async #connected(session: QmpSession): Promise<void> {
		await this.#live.probe(session);
		this.#type = (await this.#live.machineType(session)) ?? null;
		this.#version = session.greeting.version;
		this.#cached.forgetAll();
		this.#policy.forgetMachine();
	}

	#lose(reason: QomfsError): void {
		this.#cached.forgetAll();
		if (this.#settings.reconnect) return;
		this.#final = reason;
		this.#handle?.unmount();
	}

	/** QEMU announces hardly anything else about its tree. */
	#noteEvent({ name, data, message }: QmpEvent): void {
		this.#events.append(formatJson(message));
		if (name !== "DEVICE_DELETED" || typeof data.path !== "string") return;
		this.#cached.forgetObject(data.path);
		this.#handle?.invalidate(data.path);
	}

	#status(): { readonly [key: string]: Json } {
		const { session, reason, counters } = this.connection;
		return {
			connection: session ? "connected" : "reconnecting",
			...(!session && { reason: reason.message }),
			source: formatAddress(this.#address),
			qemu: this.#version ? versionText(this.#version) : null,
			machine: this.#type,
			since: new Date(this.#policy.sinceMs).toISOString(),
			pid: process.pid,
			...counters,
			...this.#cached.counters,
		};
	}

	#title(): string {
		return this.#version
			? `${this.#type ?? "a machine"} of QEMU ${versionText(this.#version)}`
			: `whatever comes to ${formatAddress(this.#address)}`;
	}
}

function versionText({ major, minor, micro }: QemuVersion): string {
	return `${major}.${minor}.${micro}`;
}
