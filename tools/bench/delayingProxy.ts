/**
 * A network in front of a monitor: whatever goes through is late by half of a round trip, each way, and nothing
 * waits for what went before it. Counts commands, and the round trips that come one after the other.
 */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { MessageSplitter } from "../../src/qmp/messageSplitter.ts";

/** What was asked. */
export interface Traffic {
	readonly commands: number;
	/**
	 * The longest chain of messages of which each was sent after the reply to the one before had come. To connect
	 * takes one, and the greeting another: TCP's server learns of a connection when its own answer was answered.
	 */
	readonly roundTrips: number;
}

export class DelayingProxy implements AsyncDisposable {
	/** Of the whole network, there and back. */
	roundTripMs: number;
	/** Names of all commands so far, oldest first. */
	readonly commands: string[] = [];
	/** How many are connected at the moment. */
	clients = 0;
	/** Of the longest chain that has come back to the client. */
	#roundTrips = 0;
	readonly #monitor: string;
	readonly #sockets = new Set<Socket>();
	readonly #server = createServer((client) => this.#serve(client));

	/** Listens on `path`, and connects to `monitor` for every client. */
	static async listen(
		path: string,
		monitor: string,
		roundTripMs = 0,
	): Promise<DelayingProxy> {
		const proxy = new DelayingProxy(monitor, roundTripMs);
		await once(proxy.#server.listen(path), "listening");
		return proxy;
	}

	private constructor(monitor: string, roundTripMs: number) {
		this.#monitor = monitor;
		this.roundTripMs = roundTripMs;
	}

	/** What was asked while `act` ran. */
	async during(act: () => Promise<unknown>): Promise<Traffic> {
		const [commands, roundTrips] = [this.commands.length, this.#roundTrips];
		await act();
		return {
			commands: this.commands.length - commands,
			roundTrips: this.#roundTrips - roundTrips,
		};
	}

	async close(): Promise<void> {
		for (const socket of this.#sockets) socket.destroy();
		this.#server.close();
		await once(this.#server, "close");
	}

	[Symbol.asyncDispose](): Promise<void> {
		return this.close();
	}

	#serve(client: Socket): void {
		/** The places in their chains of what QEMU has to answer; the greeting's first. */
		const owed = [this.#roundTrips + 2];
		const monitor = new Promise<Socket>((resolve) =>
			this.#later(3, () => resolve(this.#connect(client, owed))),
		);
		const requests = new MessageSplitter();
		this.#sockets.add(client);
		this.clients++;
		client.on("data", (chunk) => {
			for (const text of requests.push(chunk)) {
				this.commands.push(/"execute":"([^"]*)"/.exec(text)?.[1] ?? "");
				owed.push(this.#roundTrips + 1);
			}
			this.#later(1, async () => (await monitor).write(chunk));
		});
		client.on("error", () => client.destroy());
		client.on("close", () => {
			this.#sockets.delete(client);
			this.clients--;
			this.#later(1, async () => (await monitor).destroy());
		});
	}

	/** To the monitor, on behalf of a client. */
	#connect(client: Socket, owed: number[]): Socket {
		const monitor = connect(this.#monitor);
		const answers = new MessageSplitter();
		this.#sockets.add(monitor);
		monitor.on("data", (chunk) => {
			let come = 0;
			for (const text of answers.push(chunk))
				if (/^\{"(QMP|return|error|id)"/.test(text))
					come = Math.max(come, owed.shift() ?? 0);
			this.#later(1, () => {
				this.#roundTrips = Math.max(this.#roundTrips, come);
				client.write(chunk);
			});
		});
		monitor.on("error", () => monitor.destroy());
		monitor.on("close", () => {
			this.#sockets.delete(monitor);
			this.#later(1, () => client.destroy());
		});
		return monitor;
	}

	/** After so many halves of a round trip. */
	#later(halves: number, act: () => void): void {
		if (this.roundTripMs === 0) act();
		else setTimeout(act, (halves * this.roundTripMs) / 2);
	}
}
