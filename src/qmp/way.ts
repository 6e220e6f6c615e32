/** How a monitor is reached: by a socket of this host, or by a passage to another one. */
import type { Address } from "./address.ts";
import { LibvirtPassage } from "./libvirt/libvirtPassage.ts";
import type { SocketAddress } from "./socketAddress.ts";
import { SshPassage } from "./ssh/sshPassage.ts";
import type { Passage } from "./transport.ts";

export type Way = SocketAddress | Passage;

/** Nothing is connected yet. A passage is to be closed by whoever has asked for it. */
export function wayTo(address: Address): Way {
	switch (address.kind) {
		case "ssh":
			return new SshPassage(address);
		case "libvirt":
			return new LibvirtPassage(address);
		default:
			return address;
	}
}

export function isPassage(way: Way): way is Passage {
	return "connect" in way;
}
