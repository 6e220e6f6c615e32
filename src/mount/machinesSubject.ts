/**
 * Several machines as what is mounted: each is a directory, with its own volume, session, cache and shared
 * monitor, so that one that is dead or hangs slows no other. One that is not there is an empty directory.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { beginningOf, UsageError } from "../errors.ts";
import type { BackendChoice } from "../fuse/serve.ts";
import type { JsonObject } from "../json.ts";
import { log } from "../log.ts";
import { formatAddress } from "../qmp/address.ts";
import { joinPath, rootPath } from "../qom/path.ts";
import type { Directory } from "../vfs/node.ts";
import { machineSubject } from "./machineSubject.ts";
import { machinesRoot } from "./machinesRoot.ts";
import {
	farMonitors,
	libvirtDomains,
	type MonitorPlace,
	monitorsIn,
} from "./monitors.ts";
import type { MountSettings } from "./settings.ts";
import { snapshotSubject } from "./snapshotSubject.ts";
import type { MachineSource, ManyMonitors, NamedSources } from "./source.ts";
import type { NameHandle, Subject } from "./subject.ts";

/** The kernel takes 4096 bytes of options in all. */
const mostShown = 500;

/** For saying what is wrong with a machine that was not there in time. */
const graceMs = 500;

/** @throws SnapshotError a snapshot among them cannot be read; UsageError nothing is there */
export async function machinesSubject(
	source: NamedSources | ManyMonitors,
	mountpoint: string,
	settings: MountSettings,
	backend: BackendChoice,
): Promise<Subject> {
	const machines = new Machines(mountpoint, settings, backend);
	if (source.kind === "named")
		for (const [name, each] of source.sources) await machines.add(name, each);
	const place =
		source.kind === "named" ? undefined : await placeOf(source, settings);
	if (place)
		try {
			await machines.follow(place);
			if (machines.count === 0 && !settings.delayConnect)
				throw new UsageError(
					`${place.name}: there is no monitor in it; -o delay_connect waits for them`,
				);
		} catch (error) {
			await machines.close();
			throw error;
		}
	return {
		root: machines.root,
		fsname: place?.name ?? namesOf(source as NamedSources),
		title: () => `${machines.count} machines`,
		note: () => machines.note,
		state: () => machines.state,
		status: () => machines.status(),
		isThere: () => true,
		open: () => machines.open(),
		openEventually: () => machines.open(),
		litter: () => machines.litter(),
		served: (handle) => machines.served(handle),
		close: () => machines.close(),
	};
}

function placeOf(
	source: ManyMonitors,
	{ connectTimeoutSec }: MountSettings,
): MonitorPlace | Promise<MonitorPlace> {
	const timeoutMs = connectTimeoutSec * 1000;
	switch (source.kind) {
		case "directory":
			return monitorsIn(source.path);
		case "far directory":
			return farMonitors(source.place, timeoutMs);
		case "domains":
			return libvirtDomains(source.uri, timeoutMs);
	}
}

function namesOf({ sources }: NamedSources): string {
	const names = [...sources].map(([name, each]) => `${name}=${nameOf(each)}`);
	return beginningOf(names.join(" "), mostShown);
}

function nameOf(source: MachineSource): string {
	return source.kind === "snapshot" ? source.path : formatAddress(source);
}

class Machines {
	readonly root: Directory;
	readonly #mountpoint: string;
	readonly #settings: MountSettings;
	readonly #backend: BackendChoice;
	readonly #members = new Map<string, Subject>();
	readonly #closing = new AbortController();
	#place: MonitorPlace | undefined;
	#handle: NameHandle | undefined;

	constructor(
		mountpoint: string,
		settings: MountSettings,
		backend: BackendChoice,
	) {
		this.#mountpoint = mountpoint;
		// The end of one machine is not the end of the others.
		this.#settings = { ...settings, reconnect: true };
		// The binding takes few requests, and all machines share them.
		const { mostWaiting } = backend;
		this.#backend =
			mostWaiting === undefined
				? backend
				: { ...backend, mostWaiting: Math.ceil(mostWaiting / 6) };
		this.root = machinesRoot({
			...{ mountpoint, readOnly: settings.readOnly },
			members: this.#members,
			status: () => this.status(),
		});
	}

	get count(): number {
		return this.#members.size;
	}

	/** What is to be known of any of them. */
	get note(): string | undefined {
		return [...this.#members.values()]
			.map((each) => each.note?.())
			.find((note) => note !== undefined);
	}

	get #countThere(): number {
		return [...this.#members.values()].filter((each) => each.isThere()).length;
	}

	get state(): string {
		return `${this.#countThere} of ${this.count} machines are there`;
	}

	status(): JsonObject {
		return {
			connection: this.state,
			machines: [...this.#members].map(([name, member]) => ({
				name,
				...member.status(),
			})),
			pid: process.pid,
		};
	}

	async add(name: string, source: MachineSource): Promise<Subject> {
		const mountpoint = `${this.#mountpoint}/${name}`;
		const member =
			source.kind === "snapshot"
				? await snapshotSubject(
						source.path,
						mountpoint,
						this.#settings,
						this.#backend,
					)
				: machineSubject(source, mountpoint, this.#settings, this.#backend);
		this.#members.set(name, member);
		if (this.#handle) member.served(this.#handleOf(name, this.#handle));
		return member;
	}

	/**
	 * Each has its first chance before the mount is ready, so that what is there can be seen at once; but those
	 * that wait for others, to be connected, come later.
	 */
	async open(): Promise<void> {
		const mostMs = this.#settings.connectTimeoutSec * 1000 + graceMs;
		await Promise.race([
			Promise.all(
				[...this.#members.values()].map((member) => member.openEventually()),
			),
			sleep(mostMs, undefined, { ref: false }),
		]);
	}

	/**
	 * From now on it has the machines of a directory.
	 *
	 * @throws QomfsError it cannot be looked at, and nobody has said to wait for that
	 */
	async follow(place: MonitorPlace): Promise<void> {
		this.#place = place;
		const { delayConnect } = this.#settings;
		await this.#adopt(place, false).catch((error) => {
			if (!delayConnect) throw error;
			log.session("not yet: %s", error.message);
		});
		void this.#goOn(place);
	}

	async #goOn(place: MonitorPlace): Promise<void> {
		const { signal } = this.#closing;
		while (!signal.aborted) {
			await place.changed(signal);
			if (signal.aborted || !this.#handle) continue;
			// Of a host that is away nobody knows which machines it has: they stay as they are.
			await this.#adopt(place, true).catch((error) =>
				log.session("%s", error.message),
			);
		}
	}

	/** @param opens whether those that are new are to be connected at once */
	async #adopt(place: MonitorPlace, opens: boolean): Promise<void> {
		const monitors = await place.look();
		if (this.#closing.signal.aborted) return;
		for (const [name, member] of [...this.#members])
			if (!monitors.has(name)) {
				this.#members.delete(name);
				this.#handle?.invalidate(joinPath(rootPath, name));
				await member.close().catch((error) => log.session("%O", error));
			}
		for (const [name, address] of monitors) {
			if (this.#members.has(name)) continue;
			const member = await this.add(name, address);
			if (opens) void member.openEventually();
			this.#handle?.invalidate(joinPath(rootPath, name));
		}
	}

	litter(): readonly string[] {
		return [...this.#members.values()].flatMap((member) => member.litter());
	}

	served(handle: NameHandle): void {
		this.#handle = handle;
		for (const [name, member] of this.#members)
			member.served(this.#handleOf(name, handle));
	}

	async close(): Promise<void> {
		this.#closing.abort();
		await Promise.all([
			this.#place?.close(),
			...[...this.#members.values()].map((member) => member.close()),
		]);
	}

	/** What one machine may do to the mount: withdraw its own names. */
	#handleOf(name: string, handle: NameHandle): NameHandle {
		const below = (path: string) =>
			path === rootPath
				? joinPath(rootPath, name)
				: `${joinPath(rootPath, name)}${path}`;
		return {
			invalidate: (path) => handle.invalidate(below(path)),
			invalidateAll: (path = rootPath) => handle.invalidateAll(below(path)),
			unmount: async () => "unmounted",
		};
	}
}
