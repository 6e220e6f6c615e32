/** A client of a monitor, real or shared, that takes no interest in what the texts mean. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";

export class MonitorClient {
	readonly socket: Socket;
	/** All lines so far, the greeting first. */
	readonly lines: string[] = [];
	readonly ended: Promise<unknown>;
	#onLine: (() => void)[] = [];

	/** Connects, and waits for the greeting. */
	static async connect(path: string): Promise<MonitorClient> {
		const client = new MonitorClient(connect(path));
		await client.seen(1);
		return client;
	}

	/** As {@link connect}, and negotiates. */
	static async negotiated(path: string): Promise<MonitorClient> {
		const client = await MonitorClient.connect(path);
		await client.ask('{"execute":"qmp_capabilities"}');
		return client;
	}

	private constructor(socket: Socket) {
		this.socket = socket;
		socket.on("error", () => {});
		this.ended = once(socket, "close");
		const lines = createInterface({ input: socket });
		lines.on("error", () => {});
		lines.on("line", (line) => {
			this.lines.push(line);
			for (const wake of this.#onLine.splice(0)) wake();
		});
		void this.ended.then(() => {
			for (const wake of this.#onLine.splice(0)) wake();
		});
	}

	send(text: string | Uint8Array): void {
		this.socket.write(text);
	}

	/** Sends, and waits for the next line that is no event. */
	async ask(text: string | Uint8Array): Promise<string> {
		let from = this.lines.length;
		this.send(text);
		for (;;) {
			await this.seen(from + 1);
			const line = this.lines[from++] ?? "";
			if (!/"event": /.test(line)) return line;
		}
	}

	/** Waits for so many lines. @throws Error it ends before */
	async seen(count: number): Promise<void> {
		while (this.lines.length < count) {
			if (this.socket.destroyed) throw new Error("the monitor has closed");
			await new Promise<void>((resolve) => this.#onLine.push(resolve));
		}
	}

	close(): void {
		this.socket.destroy();
	}
}
