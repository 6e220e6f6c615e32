/** A QMP server that is honest about a small tree, except where a test makes it misbehave. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { MessageSplitter } from "../../src/qmp/messageSplitter.ts";
import { toJson } from "./rawQmp.ts";

export interface HostileRequest {
	readonly execute: string;
	// biome-ignore lint/suspicious/noExplicitAny: a test looks into arguments as it likes
	readonly arguments?: any;
	readonly id: number;
}

/** What goes onto the wire as it is; nothing where it is undefined. */
type Wire = string | Uint8Array | undefined;

/** Answers in the place of the honest server, or leaves it to that one. */
export type Trick = (
	request: HostileRequest,
	socket: Socket,
) => Wire | "honest" | Promise<Wire | "honest">;

export interface HostileEntry {
	readonly name: string;
	readonly type: string;
	readonly value?: unknown;
}

/** Path of an object -> its properties. */
export type HostileTree = Readonly<Record<string, readonly HostileEntry[]>>;

export const goodName = "good";

/** Something that must stay readable, whatever its neighbours are. */
export const goodEntry: HostileEntry = {
	...{ name: goodName, type: "string", value: "fine" },
};

export const plainTree: HostileTree = {
	"/": [goodEntry, { name: "machine", type: "child<container>" }],
	"/machine": [goodEntry, { name: "type", type: "string", value: "hostile" }],
};

export class HostileServer {
	trick: Trick = () => "honest";
	tree: HostileTree = plainTree;
	/** What it opens with. */
	greeting: Wire;
	/** When clients came, in ms. */
	readonly connections: number[] = [];
	readonly requests: HostileRequest[] = [];
	readonly #sockets = new Set<Socket>();
	readonly #server = createServer((socket) => this.#serve(socket));

	/** Listens on a path, or on a port of the loopback. */
	static async listen(path?: string): Promise<HostileServer> {
		const hostile = new HostileServer();
		hostile.#server.listen(path ? { path } : { host: "127.0.0.1", port: 0 });
		await once(hostile.#server, "listening");
		return hostile;
	}

	/** @param major version that it claims to be */
	constructor(major = 7) {
		this.greeting = greetingOf(major);
	}

	get address(): string {
		const address = this.#server.address() as AddressInfo | string;
		return typeof address === "string"
			? address
			: `${address.address}:${address.port}`;
	}

	/** Says something to everybody. */
	broadcast(bytes: string | Uint8Array): void {
		for (const socket of this.#sockets) socket.write(bytes);
	}

	/** Does something to every connection. */
	each(act: (socket: Socket) => void): void {
		for (const socket of this.#sockets) act(socket);
	}

	async close(): Promise<void> {
		this.each((socket) => socket.destroy());
		this.#server.close();
		await once(this.#server, "close");
	}

	#serve(socket: Socket): void {
		this.connections.push(performance.now());
		this.#sockets.add(socket);
		socket.on("error", () => socket.destroy());
		socket.on("close", () => this.#sockets.delete(socket));
		const splitter = new MessageSplitter();
		socket.on("data", async (chunk) => {
			for (const text of splitter.push(chunk)) {
				const request: HostileRequest = JSON.parse(text);
				this.requests.push(request);
				const tricked = await this.trick(request, socket);
				const wire = tricked === "honest" ? this.answer(request) : tricked;
				if (wire !== undefined && !socket.destroyed) socket.write(wire);
			}
		});
		if (this.greeting !== undefined) socket.write(this.greeting);
	}

	/** The honest answer. */
	answer({ execute, arguments: args, id }: HostileRequest): string {
		const refuse = (desc: string, errorClass = "GenericError") =>
			`${toJson({ id, error: { class: errorClass, desc } })}\r\n`;
		const entries = this.tree[args?.path];
		switch (execute) {
			case "qmp_capabilities":
			case "query-name":
				return reply(id, {});
			case "qom-list":
			case "qom-get":
			case "qom-set":
				break;
			default:
				return refuse(
					`The command ${execute} has not been found`,
					"CommandNotFound",
				);
		}
		if (!entries)
			return refuse(`Device '${args.path}' not found`, "DeviceNotFound");
		if (execute === "qom-list")
			return reply(
				id,
				entries.map(({ name, type }) => ({ name, type })),
			);
		const entry = entries.find(({ name }) => name === args.property);
		if (!entry) return refuse(`Property 'x.${args.property}' not found`);
		return reply(id, execute === "qom-get" ? (entry.value ?? "") : {});
	}
}

export function reply(id: unknown, value: unknown): string {
	return `${toJson({ return: value, id })}\r\n`;
}

export function greetingOf(major: number): string {
	const qemu = { major, minor: 1, micro: 2 };
	return `${toJson({ QMP: { version: { qemu, package: "" }, capabilities: [] } })}\r\n`;
}
