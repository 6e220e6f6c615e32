/**
 * One long-lived machine: it outlives the QEMU that runs it. Mounts, commands and everything
 * else that looks at a machine take one; there is no other way to its monitor.
 */
import { CachedSource } from "../cache/cachedSource.ts";
import type { QomfsError } from "../errors.ts";
import { formatJson, type Json, type JsonObject } from "../json.ts";
import { type Address, formatAddress, parseAddress } from "../qmp/address.ts";
import { Connection, type ConnectionListener } from "../qmp/connection.ts";
import { formatVersion, type QemuVersion } from "../qmp/messages.ts";
import { RequestQueue } from "../qmp/requestQueue.ts";
import {
	type CommandOptions,
	connectSession,
	type OnTraffic,
} from "../qmp/session.ts";
import { holdsSecret } from "../qom/guard.ts";
import { LiveSource } from "../qom/live.ts";
import { OrderedSource } from "../qom/orderedSource.ts";
import type { QomSource, QomView } from "../qom/source.ts";
import { defaultFreshness, type Freshness, freshnessOf } from "./freshness.ts";

export interface MachineOptions {
	/** For connecting, greeting and negotiation together (3000). */
	readonly connectTimeoutMs?: number;
	/** For one command, unless the command says otherwise (10 000). */
	readonly timeoutMs?: number;
	/** Whether to wait for a QEMU that goes away, and connect again (false). */
	readonly reconnects?: boolean;
	/** How long to wait before the next attempt, in ms; `attempt` counts from 0. */
	readonly delayMs?: (attempt: number) => number;
	/** Without `qmp_capabilities` QEMU takes no other command (true). */
	readonly negotiates?: boolean;
	/** Whether it is looked at for long, so that its type is asked at once (false). */
	readonly isKept?: boolean;
	/** Whether `source` and `view` are wanted, for which QEMU is asked what it can do (true). */
	readonly hasObjects?: boolean;
	/** Whether `source` lists in natural order, not in QEMU's (false). */
	readonly isOrdered?: boolean;
	/** Whether to read even what is known to end QEMU (false). */
	readonly unsafeReads?: boolean;
	/** Of what `view` keeps. */
	readonly freshness?: Freshness;
	/** Told of every message after the greeting, as it is on the wire; secrets too. */
	readonly onTraffic?: OnTraffic;
}

/** A QEMU that owes an answer for so long is called hung. The longest that was seen took 1.1 s. */
const hungAfterMs = 3000;

export class Machine implements AsyncDisposable {
	readonly address: Address;
	/** Objects and properties, each asked anew. */
	readonly source: QomSource;
	/** The same behind a cache, as a file system needs it. */
	readonly view: QomView;
	readonly #connection: Connection;
	readonly #live: LiveSource;
	readonly #cached: CachedSource;
	readonly #forgetting = new Set<() => Promise<void>>();
	#version: QemuVersion | undefined;
	#sinceMs = Date.now();

	/** Not connected yet: `open` or `openLater`. Use {@link connect}. */
	constructor(address: Address, options: MachineOptions = {}) {
		const { negotiates = true, hasObjects = negotiates } = options;
		const { reconnects = false, isKept = false } = options;
		const { connectTimeoutMs, timeoutMs, onTraffic, delayMs } = options;
		this.address = address;
		this.#connection = new Connection({
			connect: () =>
				connectSession(address, {
					negotiate: negotiates,
					...(connectTimeoutMs !== undefined && { connectTimeoutMs }),
					...(timeoutMs !== undefined && { timeoutMs }),
					...(onTraffic && { onTraffic }),
				}),
			setUp: async (session) => {
				this.#version = session.greeting.version;
				this.#cached.forgetAll();
				this.#sinceMs = Date.now();
				if (hasObjects) await this.#live.probe(session);
				if (hasObjects && isKept) await this.#live.askMachineType(session);
			},
			reconnects,
			...(delayMs && { delayMs }),
		});
		this.#live = new LiveSource(
			new RequestQueue(this.#connection),
			options.unsafeReads,
		);
		this.#cached = new CachedSource(
			this.#live,
			options.freshness ?? freshnessOf(defaultFreshness),
		);
		this.source = options.isOrdered
			? new OrderedSource(this.#live)
			: this.#live;
		this.view = this.#cached;
		this.subscribe({
			onLost: () => this.#cached.forgetAll(),
			// QEMU announces hardly anything else about its tree.
			onEvent: ({ name, data }) => {
				if (name === "DEVICE_DELETED" && typeof data.path === "string")
					this.#cached.forgetObject(data.path);
			},
		});
	}

	/** Connects for the first time. @throws as {@link connect} does */
	open(): Promise<void> {
		return this.#connection.open();
	}

	/** Connects as soon as there is somebody to connect to. */
	openLater(): void {
		this.#connection.openLater();
	}

	/** That of the QEMU that runs it, or ran it last. */
	get version(): QemuVersion | undefined {
		return this.#version;
	}

	/** `pc-q35-7.2-machine`; undefined if it was not asked for yet, or there is no machine. */
	get type(): string | undefined {
		return this.#live.machineType;
	}

	get isConnected(): boolean {
		return this.#connection.session !== undefined;
	}

	/** Why it is not connected. */
	get reason(): QomfsError {
		return this.#connection.reason;
	}

	/** When it was connected last, or made; milliseconds since 1970. */
	get sinceMs(): number {
		return this.#sinceMs;
	}

	/**
	 * Sends one command, once: never again by itself, whatever happens to the connection.
	 *
	 * @throws CommandError QEMU refuses; TimeoutError; DisconnectedError at once while QEMU is away
	 */
	execute(
		command: string,
		args?: JsonObject,
		options?: CommandOptions,
	): Promise<Json> {
		return this.#connection.execute(command, args, options);
	}

	/** Tells of events, losses and returns from now on; returns its end. */
	subscribe(listener: ConnectionListener): () => void {
		return this.#connection.subscribe(listener);
	}

	/** What the QEMU that is connected has greeted with; undefined where none is. */
	get greeting(): JsonObject | undefined {
		return this.#connection.session?.greeting.message;
	}

	/**
	 * Sends what somebody else has asked, whatever it is.
	 *
	 * @param onReply called with the reply as it is on the wire, and the id that it has there;
	 *   never, if QEMU goes before
	 * @returns false where no QEMU is connected
	 */
	forward(
		request: JsonObject,
		onReply: (text: string, id: number) => void,
	): boolean {
		const { session } = this.#connection;
		session?.forward(request, holdsSecret(formatJson(request)), onReply);
		return session !== undefined;
	}

	/** Somebody else may have changed anything. Resolves when nobody holds what was seen before. */
	async forget(): Promise<void> {
		this.#cached.forgetAll();
		await Promise.all([...this.#forgetting].map((forget) => forget()));
	}

	/** Adds to what {@link forget} does; returns its removal. */
	onForget(forget: () => Promise<void>): () => void {
		this.#forgetting.add(forget);
		return () => this.#forgetting.delete(forget);
	}

	/** For people and `.qomfs/status`; asks QEMU nothing. */
	status(): JsonObject {
		const { session } = this.#connection;
		const owedSinceMs = session?.owedSinceMs ?? Number.POSITIVE_INFINITY;
		const isHung = Date.now() - owedSinceMs > hungAfterMs;
		const connected = isHung ? "hung" : "connected";
		return {
			connection: session ? connected : "reconnecting",
			...(!session && { reason: this.reason.message }),
			...(isHung && { hungSince: new Date(owedSinceMs).toISOString() }),
			source: formatAddress(this.address),
			qemu: this.#version ? formatVersion(this.#version) : null,
			machine: this.#live.machineType ?? null,
			since: new Date(this.#sinceMs).toISOString(),
			...this.#connection.counters,
			...this.#cached.counters,
		};
	}

	/** Leaves the monitor to the next client. */
	close(): Promise<void> {
		return this.#connection.close();
	}

	[Symbol.asyncDispose](): Promise<void> {
		return this.close();
	}
}

/**
 * Connects to a monitor: `/path/to/qmp.sock`, `unix:PATH`, `HOST:PORT`, `tcp:HOST:PORT`.
 * QEMU serves one client per monitor, so close it soon.
 *
 * @throws AddressError; ConnectError nothing listens there; BusyError the monitor is taken;
 * TimeoutError no answer in time
 */
export async function connect(
	source: string,
	options?: MachineOptions,
): Promise<Machine> {
	const machine = new Machine(parseAddress(source), options);
	await machine.open();
	return machine;
}
