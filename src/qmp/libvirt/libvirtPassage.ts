/** The way to a domain of libvirt: by its own proxy where that is installed, else by virsh. */
import {
	ConnectError,
	DisconnectedError,
	QomfsError,
	TimeoutError,
} from "../../errors.ts";
import type { Passage, Transport } from "../transport.ts";
import { formatLibvirtAddress, type LibvirtAddress } from "./libvirtAddress.ts";
import { takeTurn } from "./turns.ts";
import type { Domain } from "./virsh.ts";
import type { FoundDomain } from "./virshTransport.ts";

/** Nothing but a name can be meant by it, so that it need not be looked up. */
const plainName = /^(?![0-9a-f-]{32,36}$)[a-z][\w.-]*$/i;

/** One that says when nothing of it is left. */
interface Ending extends Transport {
	readonly ended: Promise<void>;
}

export class LibvirtPassage implements Passage {
	readonly address: LibvirtAddress;
	#carrier: string | undefined;
	/** Until it was tried. */
	#hasProxy = true;
	#transport: Ending | undefined;
	#isClosed = false;

	constructor(address: LibvirtAddress) {
		this.address = address;
	}

	get carrier(): string | undefined {
		return this.#carrier;
	}

	/** The time is counted from when it has its turn. */
	async connect(timeoutMs: number): Promise<Transport> {
		try {
			this.#transport = await takeTurn(() => this.#connect(timeoutMs));
			if (!this.#isClosed) return this.#transport;
			await this.close();
			throw new DisconnectedError("the connection is closed");
		} catch (error) {
			throw this.#named(error);
		}
	}

	async close(): Promise<void> {
		this.#isClosed = true;
		this.#transport?.close();
		await this.#transport?.ended;
	}

	async #connect(timeoutMs: number): Promise<Ending> {
		const startMs = performance.now();
		const leftMs = () => Math.max(1, timeoutMs - (performance.now() - startMs));
		if (this.#isClosed) throw new DisconnectedError("the connection is closed");
		const name = this.address.domain;
		if (!plainName.test(name))
			return this.#open(await this.#domain(leftMs()), leftMs);
		try {
			return await this.#open({ key: name, name }, leftMs);
		} catch (error) {
			// What is wrong with the domain can be told better than by its monitor.
			if (!(error instanceof TimeoutError)) await this.#domain(leftMs());
			throw error;
		}
	}

	/** @throws ConnectError there is none of that name, or it does not run */
	async #domain(timeoutMs: number): Promise<FoundDomain> {
		const { domainsOf } = await import("./virsh.ts");
		const { uri, domain } = this.address;
		const isIt = ({ name, uuid }: Domain) => name === domain || uuid === domain;
		const running = await domainsOf(uri, "running", timeoutMs);
		const found = running.find(isIt);
		if (found) return { key: found.uuid, name: found.name };
		const all = await domainsOf(uri, "all", timeoutMs);
		const virsh = `virsh -c '${uri}'`;
		throw new ConnectError(
			all.some(isIt)
				? `the domain is shut off; ${virsh} start DOMAIN starts it`
				: `there is no such domain; ${virsh} list --all shows them`,
		);
	}

	async #open(domain: FoundDomain, leftMs: () => number): Promise<Ending> {
		if (this.#hasProxy) {
			const { openProxy, proxyName } = await import("./proxyTransport.ts");
			const proxied = await openProxy(this.address, domain.key, leftMs());
			this.#carrier = proxyName;
			if (proxied) return proxied;
			this.#hasProxy = false;
		}
		const { openVirsh } = await import("./virshTransport.ts");
		this.#carrier = "virsh";
		return openVirsh(this.address, domain, leftMs());
	}

	#named(error: unknown): unknown {
		if (!(error instanceof QomfsError)) return error;
		const where = formatLibvirtAddress(this.address);
		// Of libvirt itself the URI says enough.
		if (error.message.startsWith(this.address.uri)) return error;
		const message = `${where}: ${error.message}`;
		return error instanceof TimeoutError
			? new TimeoutError(message, { cause: error })
			: new ConnectError(message, { cause: error });
	}
}
