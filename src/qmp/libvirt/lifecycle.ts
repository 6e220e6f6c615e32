/** When domains of libvirt start and stop, by its own events. */
import { setTimeout as sleep } from "node:timers/promises";
import { Guarded } from "../guarded.ts";
import { makePrivateDirectory } from "../privateDirectory.ts";
import { unattended, virshEnvironment } from "./virsh.ts";

/** To look again, where an event was missed; and where there are none. */
const patienceMs = 30_000;
const withoutEventsMs = 1000;

export class Lifecycle {
	readonly #uri: string;
	/** Undefined where it could not be started. */
	#virsh: Promise<Guarded | undefined> | undefined;
	#next = Promise.withResolvers<void>();

	constructor(uri: string) {
		this.#uri = uri;
		this.#virsh = this.#start();
	}

	/** Resolves when something may have changed since the last time. */
	async changed(signal: AbortSignal): Promise<void> {
		this.#virsh ??= this.#start();
		const virsh = await this.#virsh;
		const mostMs = virsh && !virsh.isOver ? patienceMs : withoutEventsMs;
		await Promise.race([
			this.#next.promise,
			sleep(mostMs, undefined, { ref: false, signal }).catch(() => {}),
		]);
		this.#next = Promise.withResolvers();
		if (virsh && !virsh.isOver) return;
		this.#virsh = undefined;
		await virsh?.end();
	}

	/** Resolves when nothing of it is left. */
	async close(): Promise<void> {
		await (await this.#virsh)?.end();
	}

	async #start(): Promise<Guarded | undefined> {
		const directory = await makePrivateDirectory().catch(() => undefined);
		if (directory === undefined) return undefined;
		const uri = unattended(this.#uri);
		const words = ["event", "--event", "lifecycle", "--loop"];
		const virsh = new Guarded({
			directory,
			command: ["virsh", "-q", "-c", uri, ...words],
			env: virshEnvironment,
			isPiped: true,
		});
		const tell = () => this.#next.resolve();
		virsh.stdout?.on("data", tell);
		void virsh.ended.then(tell);
		return virsh;
	}
}
