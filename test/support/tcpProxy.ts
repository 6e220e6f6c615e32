/** TCP in front of a monitor, for what unix sockets cannot do: resets, half-open ends. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export class TcpProxy {
	readonly clients = new Set<Socket>();
	isSilent = false;
	/** What it should have passed on while it was silent. */
	swallowedBytes = 0;
	readonly #monitor: string;
	readonly #server = createServer({ allowHalfOpen: true }, (client) =>
		this.#serve(client),
	);

	static async listen(monitor: string): Promise<TcpProxy> {
		const proxy = new TcpProxy(monitor);
		proxy.#server.listen(0, "127.0.0.1");
		await once(proxy.#server, "listening");
		return proxy;
	}

	private constructor(monitor: string) {
		this.#monitor = monitor;
	}

	get address(): string {
		return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
	}

	async close(): Promise<void> {
		for (const client of this.clients) client.destroy();
		this.#server.close();
		await once(this.#server, "close");
	}

	#serve(client: Socket): void {
		const monitor = connect(this.#monitor);
		this.clients.add(client);
		client.on("data", (chunk) => {
			if (this.isSilent) this.swallowedBytes += chunk.length;
			else monitor.write(chunk);
		});
		client.on("error", () => client.destroy());
		client.on("end", () => client.end());
		client.on("close", () => {
			this.clients.delete(client);
			monitor.destroy();
		});
		monitor.on("data", (chunk) => client.write(chunk));
		monitor.on("error", () => client.destroy());
		monitor.on("close", () => client.destroy());
	}
}
