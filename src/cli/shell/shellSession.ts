/** The shell's connection: it comes back when QEMU does, and has the schema at hand. */
import { setTimeout as sleep } from "node:timers/promises";
import {
	CommandError,
	DisconnectedError,
	type QomfsError,
} from "../../errors.ts";
import { formatJson, type Json, type JsonObject } from "../../json.ts";
import { type Address, parseAddress } from "../../qmp/address.ts";
import { Connection } from "../../qmp/connection.ts";
import type { QemuVersion, QmpEvent } from "../../qmp/messages.ts";
import { type QmpSchema, readSchema } from "../../qmp/schema.ts";
import {
	connectSession,
	type OnTraffic,
	type QmpSession,
} from "../../qmp/session.ts";
import { holdsSecret } from "../qmpRequest.ts";

export interface ShellSessionOptions {
	readonly negotiate: boolean;
	/** Whether to connect again when QEMU has gone. */
	readonly reconnects: boolean;
	readonly onTraffic?: OnTraffic;
}

/** What the shell tells its user. */
export interface ShellListener {
	onConnected(version: QemuVersion): void;
	onLost(reason: QomfsError): void;
	onEvent(event: QmpEvent): void;
}

/** Somebody sits there and waits: longer than this is no back-off, it is a hang. */
const longestDelayMs = 2000;
/** A command waits a little for a QEMU that is on its way back. */
const waitForReturnMs = 3000;
/** What takes long, takes long; Ctrl-C stops waiting. As long as a timer can be. */
const patienceMs = 2 ** 31 - 1;

export class ShellSession {
	readonly #connection: Connection;
	readonly #options: ShellSessionOptions;
	#session: QmpSession | undefined;
	#schema: Promise<QmpSchema | undefined> | undefined;
	#onReturn: (() => void)[] = [];
	/** Set once the user has told QEMU to quit, so that its end is no loss. */
	#quits = false;

	/**
	 * @throws UsageError no address; ConnectError, BusyError, TimeoutError
	 */
	static async connect(
		monitor: string,
		options: ShellSessionOptions,
		listener: ShellListener,
	): Promise<ShellSession> {
		const session = new ShellSession(parseAddress(monitor), options, listener);
		await session.#connection.open();
		return session;
	}

	private constructor(
		address: Address,
		options: ShellSessionOptions,
		listener: ShellListener,
	) {
		const { negotiate, reconnects, onTraffic } = options;
		this.#options = options;
		this.#connection = new Connection(
			{
				connect: () =>
					connectSession(address, {
						negotiate,
						timeoutMs: patienceMs,
						...(onTraffic && { onTraffic }),
					}),
				reconnects,
				delayMs: (attempt) => Math.min(100 * 2 ** attempt, longestDelayMs),
			},
			{
				onConnected: async (session) => {
					this.#session = session;
					this.#schema = undefined;
					for (const resolve of this.#onReturn.splice(0)) resolve();
					listener.onConnected(session.greeting.version);
				},
				onLost: (reason) => {
					this.#session = undefined;
					if (this.#quits) void this.#connection.close();
					else listener.onLost(reason);
				},
				onEvent: (event) => listener.onEvent(event),
			},
		);
	}

	/**
	 * Sends one command; while QEMU is away, once it is back.
	 *
	 * @throws CommandError QEMU refuses; DisconnectedError QEMU has gone, or stays away
	 */
	async execute(command: string, args?: JsonObject): Promise<Json> {
		const session = this.#session ?? (await this.#returned(command));
		const secret = args !== undefined && holdsSecret(formatJson(args));
		return session.execute(command, args, { secret });
	}

	/** QEMU's schema, fetched once per session; undefined where it has none to give now. */
	schema(): Promise<QmpSchema | undefined> {
		this.#schema ??= this.execute("query-qmp-schema")
			.then(readSchema)
			.catch((error) => {
				this.#schema = undefined;
				if (error instanceof CommandError) return undefined;
				throw error;
			});
		return this.#schema;
	}

	/** The session will end, because the user has said so. */
	async awaitEnd(): Promise<void> {
		this.#quits = true;
		await Promise.race([this.#session?.ended, aWhile()]);
	}

	close(): Promise<void> {
		return this.#connection.close();
	}

	async #returned(command: string): Promise<QmpSession> {
		if (this.#options.reconnects) {
			await Promise.race([
				new Promise<void>((resolve) => this.#onReturn.push(resolve)),
				aWhile(),
			]);
		}
		if (this.#session) return this.#session;
		throw new DisconnectedError(
			`${command}: not sent, for QEMU is not there: ${this.#connection.reason.message}`,
		);
	}
}

/** Keeps no process alive by itself. */
function aWhile(): Promise<void> {
	return sleep(waitForReturnMs, undefined, { ref: false });
}
