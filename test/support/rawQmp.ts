/**
 * An independent QMP client for checking what qomfs shows. It shares no code with `src`:
 * one JSON text a line, as QEMU's plain monitors send it, integers kept as bigint.
 */
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";

// biome-ignore lint/suspicious/noExplicitAny: a test looks into replies as it likes
export type RawReply = any;

export class RawQmp {
	readonly #socket: Socket;
	readonly #waiting: ((reply: RawReply) => void)[] = [];
	#commands = 0;

	static async connect(path: string): Promise<RawQmp> {
		const client = new RawQmp(connect(path));
		await client.#next(); // the greeting
		await client.execute("qmp_capabilities");
		return client;
	}

	private constructor(socket: Socket) {
		this.#socket = socket;
		const lines = createInterface({ input: socket });
		lines.on("error", () => {}); // the socket's own, passed on
		lines.on("line", (line) => {
			const message = parse(line);
			if (!("event" in message)) this.#waiting.shift()?.(message);
		});
		socket.on("error", () => socket.destroy());
	}

	get commands(): number {
		return this.#commands;
	}

	/** The whole reply, `{return}` or `{error}`. */
	async ask(execute: string, args?: object): Promise<RawReply> {
		this.#commands++;
		this.#socket.write(toJson({ execute, arguments: args }));
		return this.#next();
	}

	/** What the command returns; an error reply is thrown. */
	async execute(command: string, args?: object): Promise<RawReply> {
		const reply = await this.ask(command, args);
		if (reply.error) throw new Error(`${command}: ${reply.error.desc}`);
		return reply.return;
	}

	close(): void {
		this.#socket.destroy();
	}

	#next(): Promise<RawReply> {
		return new Promise((resolve) => this.#waiting.push(resolve));
	}
}

export interface WalkedProperty {
	readonly object: string;
	readonly name: string;
	readonly type: string;
}

/** Every property of every object, by `qom-list` alone; `ls -R` in QOM. */
export async function walk(qmp: RawQmp): Promise<WalkedProperty[]> {
	const found: WalkedProperty[] = [];
	const queue = ["/"];
	for (let object = queue.shift(); object; object = queue.shift()) {
		for (const { name, type } of await qmp.execute("qom-list", {
			path: object,
		})) {
			found.push({ object, name, type });
			if (type.startsWith("child<")) queue.push(childPath(object, name));
		}
	}
	return found;
}

export function childPath(object: string, name: string): string {
	return object === "/" ? `/${name}` : `${object}/${name}`;
}

/** Compact JSON, integers beyond 2^53 digit by digit. */
export function toJson(value: unknown): string {
	return JSON.stringify(value, (_key, member) =>
		typeof member === "bigint" ? rawJson(`${member}`) : member,
	);
}

const rawJson = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON;

function parse(line: string): RawReply {
	return JSON.parse(line, (_key, value, context?: { source: string }) =>
		typeof value === "number" && !Number.isSafeInteger(value)
			? BigInt(context?.source ?? "")
			: value,
	);
}
