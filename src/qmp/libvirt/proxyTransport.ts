/**
 * The monitor of a domain by libvirt's own virt-qemu-qmp-proxy (package libvirt-clients-qemu). It answers
 * one command at a time: of two that come together it forgets one, and is stuck then.
 */
import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ConnectError, type QomfsError, TimeoutError } from "../../errors.ts";
import { formatJson, isObject, parseJson } from "../../json.ts";
import { Guarded } from "../guarded.ts";
import { makePrivateDirectory } from "../privateDirectory.ts";
import { openSocket, SocketTransport, type Transport } from "../transport.ts";
import type { LibvirtAddress } from "./libvirtAddress.ts";
import { closeSoon } from "./shutdown.ts";
import { unattended, virshEnvironment } from "./virsh.ts";

export const proxyName = "virt-qemu-qmp-proxy";

const systemPython = "/usr/bin/python3";

const lookMs = 10;

/**
 * Connects by a proxy of its own, which ends with the transport.
 *
 * @param domain its UUID, or a plain name
 * @returns undefined where there is no proxy that runs
 * @throws ConnectError, TimeoutError
 */
export async function openProxy(
	address: LibvirtAddress,
	domain: string,
	timeoutMs: number,
): Promise<ProxyTransport | undefined> {
	const program = proxyProgram();
	if (program === undefined) return undefined;
	const deadlineMs = performance.now() + timeoutMs;
	const leftMs = () => Math.max(1, deadlineMs - performance.now());
	const directory = await makePrivateDirectory();
	const path = join(directory, "qmp");
	const proxy = new Guarded({
		directory,
		command: [...program, "-c", unattended(address.uri), domain, path],
		env: virshEnvironment,
		isPiped: true,
	});
	let said = "";
	proxy.stdout?.setEncoding("utf8").on("data", (text: string) => {
		said = `${said}${text}`.slice(-1000);
	});
	try {
		while (!existsSync(path)) {
			if (proxy.isOver) {
				await proxy.end();
				if (said === "") return undefined; // it lacks libvirt's module for Python
				throw new ConnectError(
					said
						.trim()
						.split("\n")
						.at(-1)
						?.replace(/^.*?virt-qemu-qmp-proxy: /, "") ?? "",
				);
			}
			if (leftMs() <= 1)
				throw new TimeoutError("libvirt does not answer; is its host up?");
			await Promise.race([sleep(Math.min(lookMs, leftMs())), proxy.ended]);
		}
		const socket = await openSocket({ kind: "unix", path }, leftMs());
		return new ProxyTransport(new SocketTransport(address, socket), proxy);
	} catch (error) {
		await proxy.end();
		throw error;
	}
}

/** What starts it; undefined where it is not installed. */
function proxyProgram(): readonly string[] | undefined {
	const path = (process.env.PATH ?? "")
		.split(delimiter)
		.map((directory) => join(directory, proxyName))
		.find((path) => existsSync(path));
	if (path === undefined) return undefined;
	// It says `env python3`, and is written for the system's, whichever else comes first.
	const isScript = /^#!.*python/.test(
		readFileSync(path, "latin1").slice(0, 80),
	);
	return isScript && existsSync(systemPython) ? [systemPython, path] : [path];
}

/** One command at a time, and events as QEMU sends them. */
export class ProxyTransport implements Transport {
	onMessage: Transport["onMessage"] = () => {};
	onClose: Transport["onClose"] = () => {};
	readonly #socket: SocketTransport;
	readonly #waiting: string[] = [];
	#isAsked = false;
	#hasGreeted = false;
	readonly #gone = Promise.withResolvers<void>();

	constructor(socket: SocketTransport, proxy: Guarded) {
		this.#socket = socket;
		socket.onMessage = (text, bytes) => this.#receive(text, bytes);
		socket.onClose = async (reason) => {
			await proxy.end();
			this.#gone.resolve();
			this.onClose(reason);
		};
	}

	/** Resolves when nothing of it is left. */
	get ended(): Promise<void> {
		return this.#gone.promise;
	}

	send(text: string): number {
		if (this.#isAsked) this.#waiting.push(text);
		else this.#socket.send(text);
		this.#isAsked = true;
		return Buffer.byteLength(text);
	}

	close(): void {
		this.#socket.close();
	}

	explainEnd(): Promise<QomfsError | undefined> {
		return this.#socket.explainEnd();
	}

	explainSilence(waitedMs: number): Promise<QomfsError> {
		return this.#socket.explainSilence(waitedMs);
	}

	async explainLasting(): Promise<undefined> {}

	#receive(text: string, bytes: number): void {
		if (/^\s*\{"(event|timestamp)"/.test(text)) {
			// What happened before the greeting was for another client.
			if (this.#hasGreeted) this.onMessage(asEvent(text), bytes);
			if (/"event": *"SHUTDOWN"/.test(text)) closeSoon(this);
			return;
		}
		if (this.#hasGreeted) {
			const next = this.#waiting.shift();
			if (next === undefined) this.#isAsked = false;
			else this.#socket.send(next);
		}
		this.#hasGreeted = true;
		this.onMessage(text, bytes);
	}
}

/** The proxy passes the data of an event on as a text. */
function asEvent(text: string): string {
	try {
		const event = parseJson(text);
		if (!isObject(event) || typeof event.data !== "string") return text;
		return formatJson({ ...event, data: parseJson(event.data) });
	} catch {
		return text; // the session ends with what is no QMP
	}
}
