/**
 * A QMP server on a machine's connection (qmp-spec.rst). QEMU serves one client per monitor; this
 * lets any number use the one that a mount holds.
 */
import { once } from "node:events";
import { chmod, readdir, rm, rmdir } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { MountError } from "../errors.ts";
import type { JsonObject } from "../json.ts";
import { log } from "../log.ts";
import type { Machine } from "../machine/machine.ts";
import { makeRuntimeDirectory } from "../qmp/privateDirectory.ts";
import { isReading } from "./commands.ts";
import { listens } from "./place.ts";
import { ShareClient } from "./shareClient.ts";
import { formatAsQemu, replyFor } from "./wire.ts";

export interface ShareOptions {
	/** Of the socket. */
	readonly path: string;
	/** Whether other users may connect. */
	readonly isOpenToAll: boolean;
	/** Lets reading commands alone through. */
	readonly isReadOnly: boolean;
}

const mostClients = 64;
/** So long a client may still read what QEMU has said, when that has gone. */
const graceMs = 1000;
/** QEMU answers in order, so what others have sent before costs the mount's own commands time. */
const mostUnderWay = 4;

export class ShareServer {
	readonly #machine: Machine;
	readonly #options: ShareOptions;
	/** A client that has said all still wants its answers. */
	readonly #server: Server = createServer({ allowHalfOpen: true }, (socket) =>
		this.#serve(socket),
	);
	/** Each has its turn; the one that was served last is the last. */
	readonly #clients = new Map<ShareClient, Socket>();
	readonly #unsubscribe: () => void;
	#underWay = 0;
	/** Resolves when the last reply that had to wait is with its client. */
	#passedOn = Promise.resolve();

	/** @throws MountError, Error the socket cannot be made */
	static async listen(
		machine: Machine,
		options: ShareOptions,
	): Promise<ShareServer> {
		const { path, isOpenToAll } = options;
		const directory = await makeRuntimeDirectory();
		if (await listens(path, "connect"))
			throw new MountError(`${path} is served by somebody else`);
		if (isOpenToAll) await chmod(directory, 0o711);
		await removeDead(directory);
		const server = new ShareServer(machine, options);
		server.#server.listen(path);
		await once(server.#server, "listening");
		// One that cannot be accepted, for want of descriptors, is no reason to end the mount.
		server.#server.on("error", (error) => log.session("shared: %O", error));
		await chmod(path, isOpenToAll ? 0o666 : 0o600);
		return server;
	}

	private constructor(machine: Machine, options: ShareOptions) {
		this.#machine = machine;
		this.#options = options;
		this.#unsubscribe = machine.subscribe({
			onLost: () => this.#endClients(),
			onEvent: ({ message }) => {
				if (this.#clients.size === 0) return; // it may be 60 MB
				const text = formatAsQemu(message);
				for (const client of this.#clients.keys()) client.event(text);
			},
		});
	}

	get path(): string {
		return this.#options.path;
	}

	async close(): Promise<void> {
		this.#unsubscribe();
		this.#server.close();
		for (const socket of this.#clients.values()) socket.destroy();
		await rm(this.path, { force: true });
		// Unless others have theirs there.
		await rmdir(dirname(this.path)).catch(() => {});
	}

	#serve(socket: Socket): void {
		const { greeting } = this.#machine;
		// As a QEMU that is not there, or serves somebody else.
		if (greeting === undefined || this.#clients.size >= mostClients) {
			socket.destroy();
			return;
		}
		const client = new ShareClient(socket, {
			greeting: formatAsQemu(greeting),
			isReadOnly: this.#options.isReadOnly,
			onRequest: () => this.#forwardWaiting(),
		});
		this.#clients.set(client, socket);
		socket.on("close", () => this.#clients.delete(client));
	}

	#endClients(): void {
		this.#underWay = 0;
		const clients = [...this.#clients];
		this.#clients.clear();
		void this.#passedOn.then(() => {
			for (const [client, socket] of clients) {
				client.end();
				// Not every client closes its own end.
				setTimeout(() => socket.destroy(), graceMs);
			}
		});
	}

	#forwardWaiting(): void {
		for (const [client, socket] of this.#clients) {
			if (this.#underWay >= mostUnderWay) return;
			const next = client.take();
			if (!next) continue;
			this.#clients.delete(client);
			this.#clients.set(client, socket);
			this.#forward(next.request, (text, ourId) =>
				next.answer(replyFor(text, ourId, next.id)),
			);
		}
	}

	#forward(
		request: JsonObject,
		answer: (text: string, ourId: number) => void,
	): void {
		this.#underWay++;
		const isForwarded = this.#machine.forward(request, (text, ourId) => {
			this.#underWay--;
			if (isReading(String(request.execute))) answer(text, ourId);
			else
				this.#passedOn = this.#machine
					.forget()
					.catch((error) => log.session("shared: %O", error))
					.then(() => answer(text, ourId));
			this.#forwardWaiting();
		});
		// Whoever asked is ended with the session that has just gone.
		if (!isForwarded) this.#underWay--;
	}
}

/** The sockets of those who were killed. */
async function removeDead(directory: string): Promise<void> {
	for (const name of await readdir(directory)) {
		const path = join(directory, name);
		if (name.endsWith(".sock") && !(await listens(path, "connect")))
			await rm(path, { force: true });
	}
}
