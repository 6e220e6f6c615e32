/**
 * QEMU serves one client per monitor: a second one connects, sits in the listener's backlog
 * and hears nothing. A QEMU that is stopped accepts nobody, and a server of another kind
 * accepts and is silent. The kernel knows the difference: a connection that was never accepted
 * has no file, so its inode is 0.
 */
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { type Address, isSocketAddress } from "./address.ts";
import { isBoundAs } from "./socketAddress.ts";

/** What the server has done with a connection that hears nothing. */
export type Acceptance =
	| "accepted"
	/** It serves another client. */
	| "after another"
	/** It serves nobody. */
	| "by nobody";

/** The server's end of a connection, as the kernel lists it. */
interface ServerEnd {
	readonly isConnected: boolean;
	readonly isAccepted: boolean;
	readonly isOurs: boolean;
}

/**
 * Whether the server has taken a connection, or what it waits for; undefined where the kernel
 * of this machine does not know (a remote host, or one that ssh leads to).
 *
 * Source: proc(5), /proc/net/unix and /proc/net/tcp.
 */
export function acceptanceOf(
	address: Address,
	socket: Socket,
): Acceptance | undefined {
	if (!isSocketAddress(address)) return undefined;
	try {
		const ends = (
			address.kind === "unix"
				? unixEnds(address.path)
				: tcpEnds(socket.localPort ?? 0, address.port)
		).filter(({ isConnected }) => isConnected);
		const ours = ends.filter(({ isOurs }) => isOurs);
		if (ours.length === 0) return undefined;
		if (ours.every(({ isAccepted }) => isAccepted)) return "accepted";
		return ends.some(({ isAccepted }) => isAccepted)
			? "after another"
			: "by nobody";
	} catch {
		return undefined; // no /proc here: nothing can be said
	}
}

/** The table does not tell which entry is ours. If one waits, no new connection is accepted. */
function unixEnds(path: string): readonly ServerEnd[] {
	const ours = tableRows("/proc/net/unix").filter((row) =>
		isBoundAs(path, row.slice(7).join(" ")),
	);
	return ours.map((row) => ({
		isConnected: row[5] !== unixListening && !isOrphan(row),
		isAccepted: row[6] !== "0",
		isOurs: true,
	}));
}

/** Its client is gone and the server has not noticed yet: it has no other reference. */
function isOrphan(row: readonly string[]): boolean {
	return row[6] !== "0" && Number.parseInt(row[1] ?? "", 16) <= 2;
}

/** The state SS_UNCONNECTED, in which a listener is. */
const unixListening = "01";

/** The server's end of our connection: its local port is our remote one, and the reverse. */
function tcpEnds(localPort: number, remotePort: number): readonly ServerEnd[] {
	return ["/proc/net/tcp", "/proc/net/tcp6"]
		.flatMap(tableRows)
		.filter((row) => portOf(row[1]) === remotePort)
		.map((row) => ({
			isConnected: row[3] === tcpEstablished,
			isAccepted: row[9] !== "0",
			isOurs: portOf(row[2]) === localPort,
		}));
}

/** The state TCP_ESTABLISHED. */
const tcpEstablished = "01";

function tableRows(path: string): string[][] {
	const [, ...lines] = readFileSync(path, "latin1").trimEnd().split("\n");
	return lines.map((line) => line.trim().split(/\s+/));
}

/** `0100007F:115C` is 127.0.0.1:4444. */
function portOf(hexAddress: string | undefined): number {
	return Number.parseInt(hexAddress?.split(":")[1] ?? "", 16);
}
