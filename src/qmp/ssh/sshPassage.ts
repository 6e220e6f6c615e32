/** The way to a monitor on another host: a socket of ours, which ssh(1) leads there. */
import {
	ConnectError,
	DisconnectedError,
	type QomfsError,
	TimeoutError,
} from "../../errors.ts";
import { formatAddress } from "../address.ts";
import { openSocket, type Passage, SocketTransport } from "../transport.ts";
import type { SshAddress } from "./sshAddress.ts";
import type { SshHost } from "./sshHost.ts";
import type { SshLink } from "./sshLink.ts";

/** For a look at why a monitor is silent. */
const silenceMs = 500;

export class SshPassage implements Passage {
	readonly address: SshAddress;
	#host: SshHost | undefined;
	#isClosed = false;

	constructor(address: SshAddress) {
		this.address = address;
	}

	async connect(timeoutMs: number): Promise<SocketTransport> {
		const startMs = performance.now();
		const leftMs = () => Math.max(1, timeoutMs - (performance.now() - startMs));
		const { SshHost } = await import("./sshHost.ts");
		if (this.#isClosed) throw new DisconnectedError(`${this.#where} is closed`);
		this.#host ??= SshHost.of(this.address);
		const link = await this.#host.link(leftMs());
		const path = await link.forward(this.address.target);
		try {
			return new SocketTransport(
				this.address,
				await openSocket({ kind: "unix", path }, leftMs()),
				{
					end: () => this.#explainEnd(link, leftMs()),
					silence: () => this.#explainSilence(link),
				},
			);
		} catch (cause) {
			await link.close(); // the next attempt begins anew
			throw new ConnectError(
				`${this.#where}: the connection of ssh has just ended`,
				{ cause },
			);
		}
	}

	async close(): Promise<void> {
		this.#isClosed = true;
		const host = this.#host;
		this.#host = undefined;
		await host?.release(this.address.target);
	}

	get #where(): string {
		return formatAddress(this.address);
	}

	async #explainEnd(
		link: SshLink,
		timeoutMs: number,
	): Promise<QomfsError | undefined> {
		const { explainFarEnd } = await import("./farEnd.ts");
		const what = await explainFarEnd(link, this.address, timeoutMs);
		return what === undefined
			? undefined
			: new ConnectError(`${this.#where}: ${what}`);
	}

	/** When all the time for connecting is over; a look at that host takes little more. */
	async #explainSilence(link: SshLink): Promise<QomfsError | undefined> {
		const { explainFarSilence } = await import("./farEnd.ts");
		const what = await explainFarSilence(link, this.address, silenceMs);
		return what === undefined
			? undefined
			: new TimeoutError(`${this.#where}: ${what}`);
	}
}
