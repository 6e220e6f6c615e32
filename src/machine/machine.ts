/**
 * One long-lived machine: it outlives the QEMU that runs it. Mounts, commands and everything
 * else that looks at a machine take one; there is no other way to its monitor.
 */
import { CachedSource } from "../cache/cachedSource.ts";
import { BusyError, type QomfsError, TimeoutError } from "../errors.ts";
import { formatJson, type Json, type JsonObject } from "../json.ts";
import { type Pace, paceAt } from "../pace.ts";
import {
	type Address,
	formatAddress,
	isSocketAddress,
	parseAddress,
} from "../qmp/address.ts";
import { Connection, type ConnectionListener } from "../qmp/connection.ts";
import { formatVersion, type QemuVersion } from "../qmp/messages.ts";
import { connectSession, negotiate } from "../qmp/openSession.ts";
import { addMonitor } from "../qmp/ownMonitor.ts";
import { RequestQueue } from "../qmp/requestQueue.ts";
import type {
	CommandOptions,
	OnTraffic,
	SessionOptions,
} from "../qmp/session.ts";
import { isPassage, type Way, wayTo } from "../qmp/way.ts";
import { holdsSecret } from "../qom/guard.ts";
import { LiveSource } from "../qom/live.ts";
import { OrderedSource } from "../qom/orderedSource.ts";
import type { QomSource, QomView } from "../qom/source.ts";
import { defaultFreshness, type Freshness, freshnessOf } from "./freshness.ts";
import { Introspection } from "./introspection/introspection.ts";
import { OwnMonitorWatch } from "./ownMonitorWatch.ts";

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
	/** Whether it is looked at for long, or all of it, so that its type is asked at once (false). */
	readonly isKept?: boolean;
	/** Whether `source` and `view` are wanted, for which QEMU is asked what it can do (true). */
	readonly hasObjects?: boolean;
	/** Whether `source` lists in natural order, not in QEMU's (false). */
	readonly isOrdered?: boolean;
	/** Whether to read even what is known to end QEMU (false). */
	readonly unsafeReads?: boolean;
	/** Of what `view` keeps. */
	readonly freshness?: Freshness;
	/** Whether to leave the monitor to others where QEMU can have one more, for us (false). */
	readonly ownMonitor?: boolean;
	/** Where its monitor is reached at the moment, if it is held by somebody who shares it. */
	readonly reach?: (address: Address) => Promise<Address>;
	/** Told of events, losses and returns from the first one on. */
	readonly listener?: ConnectionListener;
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
	readonly #way: Way;
	readonly #connection: Connection;
	readonly #ownMonitor: OwnMonitorWatch;
	readonly #live: LiveSource;
	readonly #introspection: Introspection;
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
		this.#way = wayTo(address);
		this.#ownMonitor = new OwnMonitorWatch(this.#way);
		const sessionOptions: SessionOptions = {
			negotiate: negotiates,
			...(connectTimeoutMs !== undefined && { connectTimeoutMs }),
			...(timeoutMs !== undefined && { timeoutMs }),
			...(onTraffic && { onTraffic }),
		};
		/** QEMU had lists with values before it had monitors that come and go. */
		const mayAddMonitor = () =>
			options.ownMonitor &&
			negotiates &&
			(!hasObjects || this.#live.givesValues);
		/** When the attempt began that is being made. */
		let startMs = 0;
		this.#connection = new Connection({
			connect: async () => {
				startMs = performance.now();
				const reached = (await options.reach?.(address)) ?? address;
				if (reached === address) await this.#refuseWhileTaken();
				const way = reached === address ? this.#way : wayTo(reached);
				return connectSession(way, { ...sessionOptions, negotiate: false });
			},
			setUp: async (given) => {
				this.#version = given.greeting.version;
				this.#cached.forgetAll();
				this.#sinceMs = Date.now();
				// QEMU answers in order, so nothing has to wait for the answer to what went before.
				await Promise.all([
					negotiates && negotiate(given, sessionOptions, startMs),
					hasObjects && this.#live.probe(given),
					hasObjects && isKept && this.#live.askMachineType(given),
				]);
				const own =
					isSocketAddress(address) && mayAddMonitor()
						? await addMonitor(given, address, sessionOptions)
						: undefined;
				if (own) this.#ownMonitor.start(own);
				return own;
			},
			reconnects,
			...(delayMs && { delayMs }),
		});
		this.#introspection = new Introspection(address, () => this.#version);
		const pace = (): Pace => paceAt(this.#connection.session?.roundTripMs ?? 0);
		this.#live = new LiveSource(new RequestQueue(this, pace), {
			unsafeReads: options.unsafeReads ?? false,
			introspector: this.#introspection,
		});
		this.#cached = new CachedSource(this.#live, {
			...(options.freshness ?? freshnessOf(defaultFreshness)),
			pace,
		});
		this.source = options.isOrdered
			? new OrderedSource(this.#live)
			: this.#live;
		this.view = this.#cached;
		this.subscribe({
			onLost: () => {
				this.#cached.forgetAll();
				this.#introspection.forget();
			},
			// QEMU announces hardly anything else about its tree.
			onEvent: ({ name, data }) => {
				if (name === "DEVICE_DELETED" && typeof data.path === "string")
					this.#cached.forgetObject(data.path);
			},
		});
		if (options.listener) this.subscribe(options.listener);
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

	/** Whether the monitor that was given serves somebody else meanwhile. */
	get hasOwnMonitor(): boolean {
		return this.#ownMonitor.isOn;
	}

	/** What carries the connection to its monitor, where the address does not say. */
	get carrier(): string | undefined {
		return isPassage(this.#way) ? this.#way.carrier : undefined;
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
	async execute(
		command: string,
		args?: JsonObject,
		options?: CommandOptions,
	): Promise<Json> {
		try {
			return await this.#connection.execute(command, args, options);
		} catch (error) {
			if (error instanceof TimeoutError) void this.#ownMonitor.doubt();
			throw error;
		}
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

	/**
	 * Knocking again and again would fill the queue of those who wait for the monitor.
	 *
	 * @throws BusyError it was taken at the last attempt, and still is
	 */
	async #refuseWhileTaken(): Promise<void> {
		if (!(this.reason.cause instanceof BusyError)) return;
		const { findHolder } = await import("../qmp/holder.ts");
		const holder = await findHolder(this.address);
		if (!holder) return;
		const { busyError } = await import("../qmp/connectError.ts");
		throw await busyError(this.address, holder);
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
			monitor: this.hasOwnMonitor ? "own" : "given",
			...(this.carrier !== undefined && { through: this.carrier }),
			qemu: this.#version ? formatVersion(this.#version) : null,
			machine: this.#live.machineType ?? null,
			since: new Date(this.#sinceMs).toISOString(),
			...this.#connection.counters,
			...this.#cached.counters,
		};
	}

	/** Leaves the monitor to the next client. */
	async close(): Promise<void> {
		this.#introspection.forget();
		await this.#connection.close();
		if (isPassage(this.#way)) await this.#way.close();
	}

	[Symbol.asyncDispose](): Promise<void> {
		return this.close();
	}
}

/**
 * Connects to a monitor: `/path/to/qmp.sock`, `unix:PATH`, `HOST:PORT`, `tcp:HOST:PORT`, `ssh://HOST/path`.
 * QEMU serves one client per monitor, so close it soon.
 *
 * @throws AddressError; ConnectError nothing listens there; BusyError the monitor is taken;
 * TimeoutError no answer in time
 */
export async function connect(
	source: string,
	options?: MachineOptions,
): Promise<Machine> {
	return connected(parseAddress(source), options);
}

/** The same of an address. @throws as {@link connect} does */
export async function connected(
	address: Address,
	options?: MachineOptions,
): Promise<Machine> {
	const machine = new Machine(address, options);
	try {
		await machine.open();
		return machine;
	} catch (error) {
		await machine.close();
		throw error;
	}
}
