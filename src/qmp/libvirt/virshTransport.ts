/**
 * The monitor of a domain by virsh(1): one that lives as long as the connection and runs
 * `qemu-monitor-command`, and one that tells of events.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import {
	ConnectError,
	DisconnectedError,
	type QomfsError,
	TimeoutError,
} from "../../errors.ts";
import {
	formatJson,
	isObject,
	type JsonObject,
	parseJson,
} from "../../json.ts";
import { Guarded } from "../guarded.ts";
import { makePrivateDirectory } from "../privateDirectory.ts";
import type { Transport } from "../transport.ts";
import { formatLibvirtAddress, type LibvirtAddress } from "./libvirtAddress.ts";
import { closeSoon } from "./shutdown.ts";
import { refusalIn, unattended, virshEnvironment } from "./virsh.ts";
import { commandLine, EventReader, withId } from "./virshText.ts";

/** Whatever virsh says then, the domain or libvirt is gone, and not the command wrong. */
const isLoss =
	/domain is not running|failed to get domain|Domain not found|[Rr]econnect to the hypervisor|Disconnected from|client socket is closed|Unable to read from monitor|failed to connect/;

/** What virsh complains about comes by another pipe than its mark. */
const complaintMs = 100;

/** A domain as virsh is told of it. */
export interface FoundDomain {
	/** Its UUID, or its name where nothing else can be meant by that. */
	readonly key: string;
	readonly name: string;
}

const longestMark = 64;

interface Asked {
	/** As the session knows it. */
	readonly id: number;
	readonly mark: string;
}

/**
 * Connects by two virsh of its own, which end with the transport.
 *
 * @throws ConnectError, DisconnectedError, TimeoutError
 */
export async function openVirsh(
	address: LibvirtAddress,
	domain: FoundDomain,
	timeoutMs: number,
): Promise<VirshTransport> {
	const [commands, events] = await Promise.all(
		[[], ["qemu-monitor-event", "--domain", domain.key, "--loop"]].map(
			async (words) => {
				const directory = await makePrivateDirectory();
				return new Guarded({
					directory,
					command: ["virsh", "-q", "-c", unattended(address.uri), ...words],
					env: {
						...virshEnvironment,
						// Its history, which it would write over, is the user's.
						...{ XDG_CACHE_HOME: directory, VIRSH_HISTSIZE: "0" },
						TERM: "dumb",
					},
					isPiped: true,
				});
			},
		),
	);
	const transport = new VirshTransport(
		address,
		domain,
		commands as Guarded,
		events as Guarded,
	);
	const version = await firstAnswer(transport, "query-version", timeoutMs);
	// libvirt has had QEMU's greeting. By now the owner listens.
	setImmediate(() =>
		transport.onMessage(`{"QMP":{"version":${version},"capabilities":[]}}`, 0),
	);
	return transport;
}

/** What a command returns before anybody owns the transport, as JSON. */
function firstAnswer(
	transport: VirshTransport,
	command: string,
	timeoutMs: number,
): Promise<string> {
	return new Promise((resolve, reject) => {
		const timer = setTimeout(() => {
			transport.close();
			reject(
				new TimeoutError(
					"no answer from the domain; is its QEMU stopped, or busy?",
				),
			);
		}, timeoutMs);
		transport.onMessage = (text) => {
			const reply = objectIn(text);
			if (reply?.event !== undefined) return;
			clearTimeout(timer);
			if (reply?.return !== undefined) return resolve(formatJson(reply.return));
			transport.close();
			const error = reply?.error;
			const desc = isObject(error) ? error.desc : undefined;
			reject(
				new ConnectError(`${desc ?? "virsh answers with what is no QMP"}`),
			);
		};
		transport.onClose = (reason) => {
			clearTimeout(timer);
			reject(reason);
		};
		transport.send(formatJson({ execute: command, id: 0 }));
	});
}

function objectIn(text: string): JsonObject | undefined {
	try {
		const value = parseJson(text);
		return isObject(value) ? value : undefined;
	} catch {
		return undefined;
	}
}

export class VirshTransport implements Transport {
	onMessage: Transport["onMessage"] = () => {};
	onClose: Transport["onClose"] = () => {};
	readonly #where: string;
	readonly #domain: FoundDomain;
	readonly #commands: Guarded;
	readonly #events: Guarded;
	readonly #asked: Asked[] = [];
	readonly #eventReader: EventReader;
	/** Of standard output, since the last mark. */
	#parts: string[] = [];
	/** The end of that, for a mark may come in pieces. */
	#recent = "";
	#count = 0;
	/** So that no value can be taken for a mark. */
	readonly #secret = randomBytes(8).toString("hex");
	#isClosed = false;
	readonly #gone = Promise.withResolvers<void>();

	constructor(
		address: LibvirtAddress,
		domain: FoundDomain,
		commands: Guarded,
		events: Guarded,
	) {
		this.#where = formatLibvirtAddress(address);
		this.#domain = domain;
		this.#eventReader = new EventReader(domain.name);
		this.#commands = commands;
		this.#events = events;
		commands.stdout
			?.setEncoding("utf8")
			.on("data", (text: string) => this.#hear(text));
		events.stdout
			?.setEncoding("utf8")
			.on("data", (text: string) => this.#hearEvents(text));
		for (const virsh of [commands, events])
			void virsh.ended.then(() =>
				this.#end(refusalIn(virsh.heard || "error: virsh has ended")),
			);
	}

	/** Resolves when nothing of it is left. */
	get ended(): Promise<void> {
		return this.#gone.promise;
	}

	send(text: string): number {
		const { id, ...request } = parseJson(text) as JsonObject;
		const number = Number(id);
		if (request.execute === "qmp_capabilities")
			queueMicrotask(() =>
				this.onMessage(`{"return": {}, "id": ${number}}`, 0),
			);
		else this.#ask(request, number);
		return Buffer.byteLength(text);
	}

	close(): void {
		this.#end("the connection is closed");
	}

	async explainEnd(): Promise<undefined> {}

	async explainSilence(): Promise<QomfsError> {
		return new DisconnectedError(`${this.#where}: virsh does not answer`);
	}

	async explainLasting(): Promise<undefined> {}

	#ask(request: JsonObject, id: number): void {
		const mark = `M${this.#secret}-${++this.#count}-`;
		this.#asked.push({ id, mark });
		// The mark is in two parts, for virsh shows what it reads.
		this.#commands.stdin?.write(
			`${commandLine(this.#domain.key, request)}\necho "M""${mark.slice(1)}"\n`,
		);
	}

	#hear(text: string): void {
		const recent = this.#recent + text;
		this.#recent = recent.slice(-longestMark);
		this.#parts.push(text);
		for (
			let [asked] = this.#asked;
			asked && recent.includes(asked.mark);
			[asked] = this.#asked
		) {
			const all = this.#parts.join("");
			const end = all.indexOf(asked.mark);
			this.#parts = [all.slice(end + asked.mark.length)];
			this.#asked.shift();
			const reply = /^\{.*$/m.exec(all.slice(0, end))?.[0];
			if (reply !== undefined) this.#reply(withId(reply, asked.id));
			else void this.#complain(asked.id);
		}
		if (this.#asked.length === 0) this.#parts = []; // a prompt
	}

	/** QEMU was not asked. */
	async #complain(id: number): Promise<void> {
		const virsh = this.#commands;
		for (
			let waited = 0;
			virsh.heard === "" && waited < complaintMs;
			waited += 10
		)
			await sleep(10);
		const text = virsh.takeHeard();
		if (isLoss.test(text)) return this.#end(refusalIn(text));
		const error = {
			class: "GenericError",
			desc: `libvirt: ${refusalIn(text)}`,
		};
		this.#reply(formatJson({ error, id }));
	}

	#reply(text: string): void {
		if (!this.#isClosed) this.onMessage(text, Buffer.byteLength(text));
	}

	#hearEvents(text: string): void {
		for (const event of this.#eventReader.push(text)) {
			this.#reply(event);
			if (/"event": "SHUTDOWN"/.test(event)) closeSoon(this);
		}
	}

	#end(reason: string): void {
		if (this.#isClosed) return;
		this.#isClosed = true;
		void Promise.all([this.#commands.end(), this.#events.end()]).then(() => {
			this.#gone.resolve();
			this.onClose(new DisconnectedError(`${this.#where}: ${reason}`));
		});
	}
}
