/** The machine of the shell. It waits for a QEMU that comes back, and keeps the schema. */
import { setTimeout as sleep } from "node:timers/promises";
import { DisconnectedError, type QomfsError } from "../../errors.ts";
import { formatJson, type Json, type JsonObject } from "../../json.ts";
import { Machine } from "../../machine/machine.ts";
import type { Address } from "../../qmp/address.ts";
import type { QemuVersion, QmpEvent } from "../../qmp/messages.ts";
import type { OnTraffic } from "../../qmp/session.ts";
import { holdsSecret } from "../../qom/guard.ts";
import { fetchSchema } from "../../schema/fetch.ts";
import type { QmpSchema } from "../../schema/schema.ts";
import { reachedBy } from "../../share/place.ts";
import type { ShareServer } from "../../share/shareServer.ts";
import { shareMonitor } from "../sharedMonitor.ts";

/** How the shell connects. */
export interface ShellSessionOptions {
	readonly negotiate: boolean;
	/** Whether to connect again when QEMU is gone. */
	readonly reconnects: boolean;
	/** Whether it goes on for long, and must not keep the monitor from others. */
	readonly isLasting: boolean;
	readonly onTraffic?: OnTraffic;
}

/** What the shell tells its user. */
export interface ShellListener {
	onConnected(version: QemuVersion): void;
	onLost(reason: QomfsError): void;
	onEvent(event: QmpEvent): void;
}

/** A longer back-off would look like a hang to the user who waits. */
const longestDelayMs = 2000;
/** How long a command waits for QEMU to come back. */
const waitForReturnMs = 3000;
/** The longest time of a timer: a command may take any time, and Ctrl-C stops waiting. */
const patienceMs = 2 ** 31 - 1;

/** Executes commands for the shell, as long as the user stays. Close it at the end. */
export class ShellSession {
	readonly #machine: Machine;
	readonly #options: ShellSessionOptions;
	#schema: Promise<QmpSchema | undefined> | undefined;
	/** What waits for QEMU to be there, or no longer. */
	#onChange: (() => void)[] = [];
	/** Whether the user has told QEMU to quit, so that its end is expected. */
	#quits = false;
	#shared: ShareServer | undefined;

	/**
	 * @throws AddressError; ConnectError, BusyError, TimeoutError
	 */
	static async connect(
		monitor: Address,
		options: ShellSessionOptions,
		listener: ShellListener,
	): Promise<ShellSession> {
		const session = new ShellSession(monitor, options, listener);
		await session.#machine.open();
		if (options.isLasting)
			session.#shared = await shareMonitor(session.#machine);
		return session;
	}

	private constructor(
		monitor: Address,
		options: ShellSessionOptions,
		listener: ShellListener,
	) {
		const { negotiate, reconnects, isLasting, onTraffic } = options;
		this.#options = options;
		this.#machine = new Machine(monitor, {
			negotiates: negotiate,
			hasObjects: false,
			ownMonitor: isLasting,
			reach: (address) => reachedBy(address, this.#shared?.path),
			timeoutMs: patienceMs,
			reconnects,
			delayMs: (attempt) => Math.min(100 * 2 ** attempt, longestDelayMs),
			...(onTraffic && { onTraffic }),
		});
		this.#machine.subscribe({
			onConnected: ({ greeting }) => {
				this.#schema = undefined;
				this.#changed();
				listener.onConnected(greeting.version);
			},
			onLost: (reason) => {
				this.#changed();
				if (this.#quits) void this.#machine.close();
				else listener.onLost(reason);
			},
			onEvent: (event) => listener.onEvent(event),
		});
	}

	/**
	 * Executes one command. If QEMU is away, it waits a little for its return.
	 *
	 * @throws CommandError QEMU refuses; DisconnectedError QEMU is gone
	 */
	async execute(command: string, args?: JsonObject): Promise<Json> {
		if (!this.#machine.isConnected) await this.#returned(command);
		const secret =
			args !== undefined && holdsSecret(`${command} ${formatJson(args)}`);
		return this.#machine.execute(command, args, { secret });
	}

	/** QEMU's schema, fetched once per session; undefined if QEMU does not give it now. */
	schema(): Promise<QmpSchema | undefined> {
		this.#schema ??= this.#fetchSchema();
		return this.#schema;
	}

	/** A failure is not kept: the next caller asks again. */
	async #fetchSchema(): Promise<QmpSchema | undefined> {
		let schema: QmpSchema | undefined;
		try {
			schema = await fetchSchema((command, args) =>
				this.execute(command, args),
			);
			return schema;
		} finally {
			if (!schema) this.#schema = undefined;
		}
	}

	/** Waits for the end of QEMU, which the user has asked for. */
	async awaitEnd(): Promise<void> {
		this.#quits = true;
		if (this.#machine.isConnected)
			await Promise.race([this.#change(), aWhile()]);
	}

	async close(): Promise<void> {
		await this.#shared?.close();
		await this.#machine.close();
	}

	async #returned(command: string): Promise<void> {
		if (this.#options.reconnects)
			await Promise.race([this.#change(), aWhile()]);
		if (!this.#machine.isConnected)
			throw new DisconnectedError(
				`${command}: not sent, because QEMU is not connected: ${this.#machine.reason.message}`,
			);
	}

	#change(): Promise<void> {
		return new Promise((resolve) => this.#onChange.push(resolve));
	}

	#changed(): void {
		for (const resolve of this.#onChange.splice(0)) resolve();
	}
}

/** Does not keep the process alive. */
function aWhile(): Promise<void> {
	return sleep(waitForReturnMs, undefined, { ref: false });
}
