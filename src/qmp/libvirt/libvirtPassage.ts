/** The way to a domain of libvirt: by its own proxy where that is installed, else by virsh. */
import {
	ConnectError,
	DisconnectedError,
	QomfsError,
	TimeoutError,
} from "../../errors.ts";
import type { Passage, Transport } from "../transport.ts";
import { formatLibvirtAddress, type LibvirtAddress } from "./libvirtAddress.ts";
import type { Domain } from "./virsh.ts";

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

	async connect(timeoutMs: number): Promise<Transport> {
		const startMs = performance.now();
		const leftMs = () => Math.max(1, timeoutMs - (performance.now() - startMs));
		try {
			const domain = await this.#domain(leftMs());
			this.#transport = await this.#open(domain, leftMs);
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

	/** @throws ConnectError there is none of that name, or it does not run */
	async #domain(timeoutMs: number): Promise<Domain> {
		const { domainsOf } = await import("./virsh.ts");
		const { uri, domain } = this.address;
		const isIt = ({ name, uuid }: Domain) => name === domain || uuid === domain;
		const running = await domainsOf(uri, "running", timeoutMs);
		const found = running.find(isIt);
		if (found) return found;
		const all = await domainsOf(uri, "all", timeoutMs);
		const virsh = `virsh -c '${uri}'`;
		throw new ConnectError(
			all.some(isIt)
				? `the domain is shut off; ${virsh} start DOMAIN starts it`
				: `there is no such domain; ${virsh} list --all shows them`,
		);
	}

	async #open(domain: Domain, leftMs: () => number): Promise<Ending> {
		if (this.#hasProxy) {
			const { openProxy, proxyName } = await import("./proxyTransport.ts");
			const proxied = await openProxy(this.address, domain.uuid, leftMs());
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
