/**
 * Stands between qomfs and a monitor: passes every byte on, both ways, and remembers
 * what was asked.
 */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { type JsonObject, parseJson } from "../../src/json.ts";
import { MessageSplitter } from "../../src/qmp/messageSplitter.ts";

export interface ProxiedRequest {
	readonly command: string;
	readonly args: JsonObject;
	readonly bytes: number;
}

export class CountingProxy implements AsyncDisposable {
	/** All requests so far, oldest first, none of them answered before it is in here. */
	readonly requests: ProxiedRequest[] = [];
	/** How many replies have gone to the client. */
	answered = 0;
	readonly #sockets = new Set<Socket>();
	readonly #server = createServer((client) => this.#serve(client));
	readonly #monitor: string;

	/** Listens on `path`, and connects to `monitor` for every client. */
	static async listen(path: string, monitor: string): Promise<CountingProxy> {
		const proxy = new CountingProxy(monitor);
		await once(proxy.#server.listen(path), "listening");
		return proxy;
	}

	private constructor(monitor: string) {
		this.#monitor = monitor;
	}

	/** How many requests, of one command or in all. */
	count(command?: string): number {
		return command === undefined
			? this.requests.length
			: this.requests.filter((request) => request.command === command).length;
	}

	/** What was asked while `act` ran. */
	async during(act: () => Promise<unknown>): Promise<ProxiedRequest[]> {
		const start = this.requests.length;
		await act();
		return this.requests.slice(start);
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
		const monitor = connect(this.#monitor);
		const splitter = new MessageSplitter();
		client.on("data", (chunk) => {
			for (const text of splitter.push(chunk)) {
				const request = parseJson(text) as JsonObject;
				this.requests.push({
					command: String(request.execute),
					args: (request.arguments ?? {}) as JsonObject,
					bytes: Buffer.byteLength(text),
				});
			}
		});
		client.pipe(monitor);
		const answers = new MessageSplitter();
		monitor.on("data", (chunk) => {
			client.write(chunk);
			for (const text of answers.push(chunk))
				if (/^\{"(return|error|id)"/.test(text)) this.answered++;
		});
		monitor.on("end", () => client.end());
		for (const socket of [client, monitor]) {
			this.#sockets.add(socket);
			socket.on("error", () => socket.destroy());
			socket.on("close", () => {
				this.#sockets.delete(socket);
				client.destroy();
				monitor.destroy();
			});
		}
	}
}

/** The values that these requests set, in order. */
export function valuesSet(requests: readonly ProxiedRequest[]): unknown[] {
	return requests
		.filter(({ command }) => command === "qom-set")
		.map(({ args }) => args.value);
}
