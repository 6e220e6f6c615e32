/** How a monitor is reached: by a socket of this host, or by a passage to another one. */
import { type Address, isSocketAddress } from "./address.ts";
import type { SocketAddress } from "./socketAddress.ts";
import { SshPassage } from "./ssh/sshPassage.ts";
import type { Passage } from "./transport.ts";

export type Way = SocketAddress | Passage;

/** Nothing is connected yet. A passage is to be closed by whoever has asked for it. */
export function wayTo(address: Address): Way {
	return isSocketAddress(address) ? address : new SshPassage(address);
}

export function isPassage(way: Way): way is Passage {
	return "connect" in way;
}
