/** A socket that carries JSON texts. Knows nothing of what they mean. */
import { createConnection, type Socket } from "node:net";
import {
	DisconnectedError,
	ProtocolError,
	type QomfsError,
	TimeoutError,
} from "../errors.ts";
import { type Address, formatAddress } from "./address.ts";
import { acceptanceOf } from "./backlog.ts";
import { MessageSplitter } from "./messageSplitter.ts";
import type { SocketAddress } from "./socketAddress.ts";

export interface Transport {
	/** Sends one JSON text; returns its length in bytes. */
	send(text: string): number;
	/** Ends the connection. `onClose` follows, once. */
	close(): void;
	/** Set by the owner before the first message can arrive. */
	onMessage: (text: string, lengthBytes: number) => void;
	onClose: (reason: QomfsError) => void;
	/** Explains why the connection has ended before anything was said, if more is known than that. */
	explainEnd(): Promise<QomfsError | undefined>;
	/** Explains why the peer is silent, when the owner has waited long enough. */
	explainSilence(waitedMs: number): Promise<QomfsError>;
	/** Tells that the peer serves somebody else, if waiting for so long is no use. */
	explainLasting(patienceMs: number): Promise<QomfsError | undefined>;
}

/**
 * The way to a monitor that no socket of this host leads to. It outlives the connections that are made
 * on it.
 */
export interface Passage {
	readonly address: Address;
	/**
	 * A new connection to the monitor. The way there is made anew if it was lost.
	 *
	 * @throws ConnectError, TimeoutError; DisconnectedError it is closed
	 */
	connect(timeoutMs: number): Promise<Transport>;
	/** Resolves when nothing of it is left. */
	close(): Promise<void>;
	/** What carries it, where the address does not say; undefined while it is not connected. */
	readonly carrier?: string | undefined;
}

/**
 * Connects a socket.
 *
 * @throws ConnectError, BusyError, TimeoutError
 */
export async function openTransport(
	address: SocketAddress,
	timeoutMs: number,
): Promise<Transport> {
	return new SocketTransport(address, await openSocket(address, timeoutMs));
}

/** @throws as {@link openTransport} does */
export function openSocket(
	address: SocketAddress,
	timeoutMs: number,
): Promise<Socket> {
	return new Promise((resolve, reject) => {
		const socket = createConnection(
			address.kind === "unix" ? { path: address.path } : address,
		);
		const timer = setTimeout(() => {
			socket.destroy();
			reject(
				new TimeoutError(
					`${formatAddress(address)}: no connection within ${timeoutMs / 1000} s; is the host up?`,
				),
			);
		}, timeoutMs);
		socket.once("connect", () => {
			clearTimeout(timer);
			socket.removeAllListeners("error");
			resolve(socket);
		});
		socket.once("error", async (error) => {
			clearTimeout(timer);
			const { connectError } = await explanations();
			reject(await connectError(address, error));
		});
	});
}

/** Loaded only where something went wrong. */
const explanations = () => import("./connectError.ts");

/** Who carries a connection may know more of its other end, and say so. */
export interface Explanations {
	/** Why it has ended before anything was said. */
	readonly end?: () => Promise<QomfsError | undefined>;
	/** Why nothing is said on it. */
	readonly silence?: () => Promise<QomfsError | undefined>;
}

/** So much is read before whatever else waits has its turn. */
const turnBytes = 64 * 1024;

/** On a socket that is connected. */
export class SocketTransport implements Transport {
	onMessage: Transport["onMessage"] = () => {};
	onClose: Transport["onClose"] = () => {};
	readonly #address: Address;
	readonly #socket: Socket;
	readonly #knows: Explanations;
	readonly #splitter = new MessageSplitter();
	#heardBytes = 0;
	/** Since whatever else waits had its turn. */
	#turnBytes = 0;
	#reason: QomfsError | undefined;

	/**
	 * @param address of the monitor, for messages
	 * @param knows what is known beyond this host
	 */
	constructor(address: Address, socket: Socket, knows: Explanations = {}) {
		this.#address = address;
		this.#socket = socket;
		this.#knows = knows;
		socket.setNoDelay(true);
		socket.setKeepAlive(true, 5000); // notices a host that went without a word
		socket.on("data", (chunk) => this.#receive(chunk));
		socket.on("error", (cause) => {
			this.#reason ??= new DisconnectedError(
				`connection to ${formatAddress(address)} broke: ${cause.message}`,
				{ cause },
			);
		});
		socket.on("close", () =>
			this.onClose(
				this.#reason ??
					new DisconnectedError(
						`${formatAddress(address)} closed the connection`,
					),
			),
		);
	}

	send(text: string): number {
		const bytes = Buffer.from(text);
		this.#socket.write(bytes);
		return bytes.length;
	}

	close(): void {
		this.#reason ??= new DisconnectedError(
			`connection to ${formatAddress(this.#address)} is closed`,
		);
		this.#socket.destroy();
	}

	async explainEnd(): Promise<QomfsError | undefined> {
		return this.#knows.end?.();
	}

	async explainSilence(waitedMs: number): Promise<QomfsError> {
		const where = formatAddress(this.#address);
		const seconds = Math.round(waitedMs / 100) / 10;
		if (this.#heardBytes > 0)
			return new ProtocolError(
				`${where} sent ${this.#heardBytes} bytes in ${seconds} s, but no QMP greeting; is it a QMP monitor?`,
			);
		const acceptance = acceptanceOf(this.#address, this.#socket);
		if (acceptance === "accepted")
			return new ProtocolError(
				`${where} accepted the connection and said nothing for ${seconds} s, so it is no free QMP monitor; start QEMU with -qmp unix:PATH,server=on,wait=off`,
			);
		if (acceptance === "by nobody")
			return new TimeoutError(
				`${where} takes no connection within ${seconds} s, though nobody else holds it; is QEMU stopped, or busy?`,
			);
		const known = await this.#knows.silence?.();
		if (known) return known;
		const { busyError } = await explanations();
		return busyError(this.#address);
	}

	async explainLasting(patienceMs: number): Promise<QomfsError | undefined> {
		const isAfterAnother = () =>
			acceptanceOf(this.#address, this.#socket) === "after another";
		if (!isAfterAnother()) return undefined;
		const { lastingHolder, busyError } = await explanations();
		const holder = await lastingHolder(this.#address, patienceMs);
		return holder && isAfterAnother()
			? busyError(this.#address, holder)
			: undefined;
	}

	#receive(chunk: Buffer): void {
		this.#heardBytes += chunk.length;
		this.#giveWay(chunk.length);
		try {
			for (const text of this.#splitter.push(chunk))
				this.onMessage(text, Buffer.byteLength(text));
		} catch (error) {
			if (!(error instanceof ProtocolError)) throw error;
			this.#reason = new ProtocolError(
				`${formatAddress(this.#address)}: ${error.message}`,
				{ cause: error },
			);
			this.#socket.destroy();
		}
	}

	/**
	 * Node reads up to 2 MiB at once before it looks at anything else, and a flood of small
	 * messages costs half a second then.
	 */
	#giveWay(bytes: number): void {
		this.#turnBytes += bytes;
		if (this.#turnBytes < turnBytes || this.#socket.isPaused()) return;
		this.#socket.pause();
		setImmediate(() => {
			this.#turnBytes = 0;
			this.#socket.resume();
		});
	}
}
