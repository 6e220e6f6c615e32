/**
 * A connection to a monitor that outlives its sessions: QEMU may end, be killed, come back
 * with other devices or another version. While there is no session everything fails at
 * once; nothing that was under way is ever repeated.
 */
import { DisconnectedError, type QomfsError } from "../errors.ts";
import type { Json, JsonObject } from "../json.ts";
import { log } from "../log.ts";
import type { QmpEvent } from "./messages.ts";
import type { CommandOptions, QmpSession, SessionCounters } from "./session.ts";

export interface ConnectionOptions {
	/** Makes a session, or says why not. */
	readonly connect: () => Promise<QmpSession>;
	/**
	 * Asked of each new session, before any other command is sent on it. It may give another one
	 * that is to be used in its place.
	 */
	readonly setUp?: (session: QmpSession) => Promise<QmpSession | undefined>;
	/** Whether to connect again after a loss. */
	readonly reconnects: boolean;
	/** How long to wait before the next attempt, in ms; `attempt` counts from 0. */
	readonly delayMs?: (attempt: number) => number;
}

/** What a subscriber is told, in the order in which it happens. */
export interface ConnectionListener {
	/** A new session; the machine may be another one. */
	readonly onConnected?: (session: QmpSession) => void;
	readonly onLost?: (reason: QomfsError) => void;
	readonly onEvent?: (event: QmpEvent) => void;
}

export class Connection {
	readonly #options: ConnectionOptions;
	readonly #delayMs: (attempt: number) => number;
	readonly #listeners = new Set<ConnectionListener>();
	#session: QmpSession | undefined;
	/** Why there is no session. */
	#reason: QomfsError = new DisconnectedError("not connected yet");
	#closed = false;
	/** Attempts since the last stable session. */
	#attempt = 0;
	#timer: NodeJS.Timeout | undefined;
	#past: SessionCounters = { commands: 0, bytesSent: 0, bytesReceived: 0 };

	constructor(options: ConnectionOptions) {
		this.#options = options;
		this.#delayMs = options.delayMs ?? backOff;
	}

	/** The session, while there is one. */
	get session(): QmpSession | undefined {
		return this.#session;
	}

	/** Why there is none. */
	get reason(): QomfsError {
		return this.#reason;
	}

	/** Of all sessions together. */
	get counters(): SessionCounters {
		return this.#session ? sum(this.#past, this.#session.counters) : this.#past;
	}

	/** Tells a listener what happens from now on; returns its removal. */
	subscribe(listener: ConnectionListener): () => void {
		this.#listeners.add(listener);
		return () => this.#listeners.delete(listener);
	}

	/**
	 * Connects for the first time.
	 *
	 * @throws ConnectError, BusyError, TimeoutError
	 */
	async open(): Promise<void> {
		await this.#adopt(await this.#options.connect());
	}

	/** Keeps trying, from now on. */
	openLater(): void {
		this.#retry();
	}

	/** @throws DisconnectedError at once while there is no session; else as the session does */
	execute(
		command: string,
		args?: JsonObject,
		options?: CommandOptions,
	): Promise<Json> {
		return this.#session
			? this.#session.execute(command, args, options)
			: Promise.reject(this.#reason);
	}

	async close(): Promise<void> {
		this.#closed = true;
		clearTimeout(this.#timer);
		await this.#session?.close();
	}

	async #adopt(given: QmpSession): Promise<void> {
		if (this.#closed) return given.close();
		const tell = (event: QmpEvent) => this.#tell("onEvent", event);
		const stopTelling = given.onEvent(tell);
		let session: QmpSession;
		try {
			session = (await this.#options.setUp?.(given)) ?? given;
		} catch (error) {
			// Or the next attempt would find the monitor taken, by us.
			await given.close();
			throw error;
		}
		if (session !== given) {
			stopTelling();
			session.onEvent(tell);
			await given.close();
			this.#past = sum(this.#past, given.counters);
		}
		if (this.#closed) return session.close();
		this.#session = session;
		this.#tell("onConnected", session);
		const sinceMs = performance.now();
		void session.ended.then((reason) => {
			// One that ends as soon as it has begun is no reason to come back at once.
			if (performance.now() - sinceMs >= longestDelayMs) this.#attempt = 0;
			this.#lost(session, reason);
		});
	}

	#tell<Name extends keyof ConnectionListener>(
		name: Name,
		what: Parameters<NonNullable<ConnectionListener[Name]>>[0],
	): void {
		for (const listener of this.#listeners)
			(listener[name] as ((told: typeof what) => void) | undefined)?.(what);
	}

	#lost(session: QmpSession, reason: QomfsError): void {
		log.session("lost: %s", reason.message);
		this.#session = undefined;
		this.#past = sum(this.#past, session.counters);
		this.#reason =
			reason instanceof DisconnectedError
				? reason
				: new DisconnectedError(reason.message, { cause: reason });
		if (this.#closed) return;
		this.#tell("onLost", this.#reason);
		if (this.#options.reconnects) this.#retry();
	}

	#retry(): void {
		const attempt = this.#attempt++;
		this.#timer = setTimeout(async () => {
			try {
				await this.#adopt(await this.#options.connect());
				log.session("connected again");
			} catch (error) {
				log.session("attempt %d: %s", attempt, error);
				this.#reason = new DisconnectedError(
					error instanceof Error ? error.message : String(error),
					{ cause: error },
				);
				if (!this.#closed) this.#retry();
			}
		}, this.#delayMs(attempt));
	}
}

const firstDelayMs = 100;
const longestDelayMs = 5000;

/** Doubles from 0.1 s to 5 s, less up to a quarter, so that many do not come at once. */
function backOff(attempt: number): number {
	const delayMs = Math.min(firstDelayMs * 2 ** attempt, longestDelayMs);
	return delayMs * (1 - Math.random() / 4);
}

function sum(a: SessionCounters, b: SessionCounters): SessionCounters {
	return {
		commands: a.commands + b.commands,
		bytesSent: a.bytesSent + b.bytesSent,
		bytesReceived: a.bytesReceived + b.bytesReceived,
	};
}
