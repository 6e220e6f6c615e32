/** The end of a domain, which nobody says on its monitor. */
import type { Transport } from "../transport.ts";

/** libvirt ends QEMU, unless it lets the domain start anew. */
const shutdownMs = 500;

/** After the event SHUTDOWN: a domain that goes on is found again by whoever reconnects. */
export function closeSoon(transport: Transport): void {
	setTimeout(() => transport.close(), shutdownMs).unref();
}
