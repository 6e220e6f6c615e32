/** A host as all of this process share it: one connection of ssh, while somebody needs it. */
import { DisconnectedError } from "../../errors.ts";
import type { SocketAddress } from "../socketAddress.ts";
import { formatDestination, type SshDestination } from "./sshAddress.ts";
import { SshLink } from "./sshLink.ts";

const hosts = new Map<string, SshHost>();

export class SshHost {
	readonly #destination: SshDestination;
	readonly #released = new AbortController();
	#users = 0;
	#link: Promise<SshLink> | undefined;
	#isLost = false;

	/** To be released, once. */
	static of(destination: SshDestination): SshHost {
		const name = formatDestination(destination);
		const host = hosts.get(name) ?? new SshHost(destination);
		hosts.set(name, host);
		host.#users++;
		return host;
	}

	private constructor(destination: SshDestination) {
		this.#destination = destination;
	}

	/**
	 * The connection; a new one where there is none, or where it was lost.
	 *
	 * @throws as {@link SshLink.start} does; DisconnectedError it is released
	 */
	async link(timeoutMs: number): Promise<SshLink> {
		const { signal } = this.#released;
		signal.throwIfAborted();
		if (this.#link && !this.#isLost) return this.#link;
		this.#isLost = false;
		this.#link = SshLink.start(this.#destination, timeoutMs, signal);
		const lost = () => {
			this.#isLost = true;
		};
		this.#link.then((link) => link.ended.then(lost), lost);
		return this.#link;
	}

	/**
	 * Ends the connection with its last user; resolves when nothing is left of it.
	 *
	 * @param target to which nothing needs to be forwarded any more
	 */
	async release(target?: SocketAddress): Promise<void> {
		if (--this.#users > 0) {
			const link = await this.#link?.catch(() => undefined);
			if (target) await link?.cancel(target);
			return;
		}
		hosts.delete(formatDestination(this.#destination));
		this.#released.abort(
			new DisconnectedError(
				`the connection to ${formatDestination(this.#destination)} is closed`,
			),
		);
		const link = await this.#link?.catch(() => undefined);
		await link?.close();
	}
}
