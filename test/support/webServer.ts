/** `qomfs web`, and requests to it that a browser would not send. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { qomfsBin } from "./mounted.ts";

export interface Answer {
	readonly status: number;
	readonly headers: IncomingMessage["headers"];
	readonly text: string;
}

export interface Asked {
	readonly method?: string;
	readonly headers?: Readonly<Record<string, string>>;
	readonly body?: string;
}

export class WebServer {
	/** As it was printed. */
	readonly address: URL;
	readonly process: ChildProcess;
	/** Its exit status, or the signal that ended it. */
	readonly ended: Promise<number | string>;
	/** What a browser would send after the address was opened. */
	cookie = "";

	static async start(...args: string[]): Promise<WebServer> {
		const child = spawn(process.execPath, [qomfsBin, "web", ...args], {
			stdio: ["ignore", "pipe", "pipe"],
			env: { ...process.env, QMP_SOCKET: "" },
		});
		let said = "";
		child.stderr.on("data", (chunk) => {
			said += chunk;
		});
		const [first] = await Promise.race([
			once(child.stdout, "data"),
			once(child, "exit").then(() => {
				throw new Error(`qomfs web ended: ${said}`);
			}),
		]);
		return new WebServer(`${first}`.trim(), child);
	}

	private constructor(address: string, child: ChildProcess) {
		this.address = new URL(address);
		this.process = child;
		this.ended = once(child, "exit").then(
			([status, signal]) => status ?? signal,
		);
	}

	/** Opens the printed address, as a browser does. */
	async open(): Promise<void> {
		const { headers } = await this.ask(
			this.address.pathname + this.address.search,
		);
		this.cookie = `${headers["set-cookie"]}`.split(";")[0] ?? "";
	}

	/** With the cookie, if it has one. */
	ask(path: string, asked: Asked = {}): Promise<Answer> {
		const { method = "GET", headers = {}, body } = asked;
		return new Promise((resolve, reject) => {
			const sent = request(
				{
					...{ host: "127.0.0.1", port: this.address.port, path, method },
					headers: {
						host: this.address.host,
						...(this.cookie && { cookie: this.cookie }),
						...headers,
					},
				},
				async (response) => {
					let text = "";
					for await (const chunk of response) text += chunk;
					resolve({
						status: response.statusCode ?? 0,
						headers: response.headers,
						text,
					});
				},
			);
			sent.on("error", reject);
			sent.end(body);
		});
	}

	/** What the page sends to change a value. */
	set(path: string, property: string, text: string, headers = {}) {
		return this.ask("/set", {
			method: "POST",
			headers: {
				origin: this.address.origin,
				"content-type": "application/json",
				...headers,
			},
			body: JSON.stringify({ path, property, text }),
		});
	}

	/** Follows `/live`; `text` is what has come so far. */
	follow(query: string): { text(): string; stop(): void } {
		let text = "";
		const sent = request(
			{
				...{ host: "127.0.0.1", port: this.address.port },
				path: `/live?${query}`,
				headers: { host: this.address.host, cookie: this.cookie },
			},
			(response) => {
				response.on("data", (chunk) => {
					text += chunk;
				});
				response.on("error", () => {}); // it was stopped
			},
		);
		sent.on("error", () => {});
		sent.end();
		return { text: () => text, stop: () => sent.destroy() };
	}

	async stop(): Promise<void> {
		this.process.kill("SIGTERM");
		await this.ended;
	}
}
