/**
 * One QMP session: greeting, negotiation, commands, events, end. It knows the protocol
 * (qmp-spec.rst) and nothing of the object model. A session that has ended stays ended;
 * for another one, connect again.
 */
import {
	CommandError,
	ProtocolError,
	type QomfsError,
	TimeoutError,
} from "../errors.ts";
import { formatJson, type Json, type JsonObject, parseJson } from "../json.ts";
import { log } from "../log.ts";
import {
	type ErrorReply,
	type Greeting,
	type QmpEvent,
	type Reply,
	readMessage,
} from "./messages.ts";
import { RoundTrip } from "./roundTrip.ts";
import type { Transport } from "./transport.ts";

export interface SessionOptions {
	/** For connecting, greeting and negotiation together. */
	readonly connectTimeoutMs?: number;
	/** For one command, unless the command says otherwise. */
	readonly timeoutMs?: number;
	/** Without `qmp_capabilities` QEMU takes no other command (default: true). */
	readonly negotiate?: boolean;
	/** Told of every message after the greeting, as it is on the wire; secrets too. */
	readonly onTraffic?: OnTraffic;
}

export type OnTraffic = (direction: "sent" | "received", text: string) => void;

export interface SessionCounters {
	readonly commands: number;
	readonly bytesSent: number;
	readonly bytesReceived: number;
}

export interface CommandOptions {
	readonly timeoutMs?: number;
	/** Keeps arguments and reply out of the log. */
	readonly secret?: boolean;
}

interface PendingCommand {
	/** Milliseconds since 1970. */
	readonly sentMs: number;
	readonly secret: boolean;
	/** @param text of the reply, as it is on the wire */
	readonly answered: (reply: Reply | ErrorReply, text: string) => void;
	/** There will be no reply. */
	readonly lost: (reason: QomfsError) => void;
}

/** The same error, with the stack of the sender of the command. */
function asSentFrom(
	{ stack = "" }: { readonly stack?: string },
	error: QomfsError,
): QomfsError {
	const frames = stack.slice(stack.indexOf("\n"));
	error.stack = `${error.name}: ${error.message}${frames}`;
	return error;
}

export class QmpSession {
	readonly greeting: Greeting;
	/** Resolves when the session has ended, with the reason. Never rejects. */
	readonly ended: Promise<QomfsError>;
	readonly #transport: Transport;
	readonly #timeoutMs: number;
	readonly #onTraffic: OnTraffic;
	/** By id, oldest first. A command that has timed out stays until its late reply is here. */
	readonly #pending = new Map<number, PendingCommand>();
	readonly #roundTrip = new RoundTrip();
	/** The command that was sent while QEMU owed nothing, and when. */
	#alone: { readonly id: number; readonly sentMs: number } | undefined;
	readonly #listeners = new Set<(event: QmpEvent) => void>();
	#endReason: QomfsError | undefined;
	#lastId = -1;
	#commands = 0;
	#bytesSent = 0;
	#bytesReceived = 0;

	/** Use `connectSession`. Negotiation is still to be done. */
	constructor(
		transport: Transport,
		greeting: Greeting,
		timeoutMs: number,
		onTraffic: OnTraffic = () => {},
	) {
		this.greeting = greeting;
		this.#transport = transport;
		this.#timeoutMs = timeoutMs;
		this.#onTraffic = onTraffic;
		transport.onMessage = (text, lengthBytes) => {
			this.#bytesReceived += lengthBytes;
			onTraffic("received", text);
			this.#receive(text);
		};
		this.ended = new Promise((resolve) => {
			transport.onClose = (reason) => {
				this.#end(reason);
				resolve(this.#endReason ?? reason);
			};
		});
	}

	/**
	 * Since when QEMU owes an answer, milliseconds since 1970; undefined where it owes none.
	 * A command that has timed out is still to be answered.
	 */
	get owedSinceMs(): number | undefined {
		const [oldest] = this.#pending.values();
		return oldest?.sentMs;
	}

	/** How long a short command and its answer are on their way at least; 0 before the first one. */
	get roundTripMs(): number {
		return this.#roundTrip.ms;
	}

	get counters(): SessionCounters {
		return {
			commands: this.#commands,
			bytesSent: this.#bytesSent,
			bytesReceived: this.#bytesReceived,
		};
	}

	/**
	 * Sends one command and returns what QEMU returns.
	 *
	 * A command that has timed out may still take effect: QMP cannot take it back.
	 *
	 * @throws CommandError when QEMU refuses, TimeoutError, DisconnectedError
	 */
	execute(
		command: string,
		args?: JsonObject,
		options: CommandOptions = {},
	): Promise<Json> {
		const { timeoutMs = this.#timeoutMs, secret = false } = options;
		if (this.#endReason) return Promise.reject(this.#endReason);
		const sent: { stack?: string } = {};
		Error.captureStackTrace(sent, this.execute);
		return new Promise((resolve, reject) => {
			const timer = setTimeout(() => {
				// It stays pending until its late reply is here, which then changes nothing.
				const seconds = Math.round(timeoutMs / 100) / 10;
				const error = new TimeoutError(
					`${command}: no answer from QEMU within ${seconds} s`,
				);
				reject(asSentFrom(sent, error));
			}, timeoutMs);
			this.#send(
				{ execute: command, ...(args && { arguments: args }) },
				{
					sentMs: Date.now(),
					secret,
					answered(reply) {
						clearTimeout(timer);
						if (reply.kind === "return") return resolve(reply.value);
						const { class: errorClass, desc } = reply;
						const error = new CommandError(command, errorClass, desc);
						reject(asSentFrom(sent, error));
					},
					lost(reason) {
						clearTimeout(timer);
						reject(reason);
					},
				},
			);
		});
	}

	/**
	 * Sends what somebody else has asked, whatever it is; only its id is ours.
	 *
	 * @param secret keeps arguments and reply out of the log
	 * @param onReply called with the reply as it is on the wire, and the id in it; never, if the
	 *   session ends before
	 */
	forward(
		request: JsonObject,
		secret: boolean,
		onReply: (text: string, id: number) => void,
	): void {
		if (this.#endReason) return;
		const id: number = this.#send(request, {
			sentMs: Date.now(),
			secret,
			answered: (_reply, text) => onReply(text, id),
			lost() {},
		});
	}

	/** @returns the id of the command */
	#send(request: JsonObject, pending: PendingCommand): number {
		const id = this.#freeId();
		// QEMU reads its input byte by byte, so every byte counts: short ids, no spaces.
		const text = formatJson({ ...request, id });
		if (this.#pending.size === 0)
			this.#alone = { id, sentMs: performance.now() };
		this.#pending.set(id, pending);
		log.send("%s", pending.secret ? `${request.execute} (redacted)` : text);
		this.#commands++;
		this.#onTraffic("sent", text);
		this.#bytesSent += this.#transport.send(text);
		return id;
	}

	/** Calls the listener for every event, in order with the replies; returns its removal. */
	onEvent(listener: (event: QmpEvent) => void): () => void {
		this.#listeners.add(listener);
		return () => this.#listeners.delete(listener);
	}

	/** Ends the session; everything in flight fails with a DisconnectedError. */
	async close(): Promise<void> {
		this.#transport.close();
		await this.ended;
	}

	/** Ten short ids suffice, unless more commands are under way. */
	#freeId(): number {
		const ids = Math.max(10, 2 * this.#pending.size);
		do this.#lastId = (this.#lastId + 1) % ids;
		while (this.#pending.has(this.#lastId));
		return this.#lastId;
	}

	#receive(text: string): void {
		let message: ReturnType<typeof readMessage>;
		try {
			message = readMessage(parseJson(text));
		} catch (cause) {
			// It may have been the reply to any command, so no command can be answered any more.
			const reason = new ProtocolError(`QEMU sent what is not QMP: ${cause}`, {
				cause,
			});
			this.#end(reason);
			this.#transport.close();
			return;
		}
		if (message.kind === "event" || message.kind === "greeting")
			log.receive("%s", text);
		if (message.kind === "event")
			for (const listener of this.#listeners) listener(message);
		else if (message.kind !== "greeting") this.#settle(message, text);
	}

	/** @param text of the reply */
	#settle(reply: Reply | ErrorReply, text: string): void {
		// QEMU answers a request that it could not read without an id; replies come in order,
		// so it is the oldest one's.
		const [oldest] = this.#pending.keys();
		const id = reply.id === undefined ? oldest : reply.id;
		const pending = typeof id === "number" ? this.#pending.get(id) : undefined;
		if (typeof id !== "number" || !pending) {
			log.receive("dropped a reply that nothing asked for");
			return;
		}
		this.#pending.delete(id);
		if (this.#alone?.id === id) {
			this.#roundTrip.note(performance.now() - this.#alone.sentMs, text);
			this.#alone = undefined;
		}
		log.receive("%s", pending.secret ? "(redacted)" : text);
		pending.answered(reply, text);
	}

	#end(reason: QomfsError): void {
		if (this.#endReason) return;
		this.#endReason = reason;
		for (const pending of this.#pending.values()) pending.lost(reason);
		this.#pending.clear();
	}
}
