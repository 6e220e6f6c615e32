/**
 * QEMU serves one client per monitor: a second one connects, sits in the listener's backlog
 * and hears nothing. A server of another kind accepts, and is silent too. The kernel knows
 * the difference: a connection that was never accepted has no file, so its inode is 0.
 */
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { basename } from "node:path";
import type { Address } from "./address.ts";

/**
 * Whether the connection still waits for the server to accept it;
 * undefined where the kernel of this machine does not know (a remote host).
 *
 * Source: proc(5), /proc/net/unix and /proc/net/tcp.
 */
export function awaitsAccept(
	address: Address,
	socket: Socket,
): boolean | undefined {
	try {
		return address.kind === "unix"
			? unixAwaitsAccept(address.path)
			: tcpAwaitsAccept(socket.localPort ?? 0, address.port);
	} catch {
		return undefined; // no /proc here: nothing can be said
	}
}

/** Whose entry it is cannot be told, but where one waits, nobody is being accepted. */
function unixAwaitsAccept(path: string): boolean | undefined {
	const sockets = tableRows("/proc/net/unix").map((row) => ({
		isWaiting: row[6] === "0",
		boundPath: row.slice(7).join(" "),
	}));
	const same = sockets.filter(({ boundPath }) => boundPath === path);
	// Or under what the server calls it: a relative path, or one in a root of its own.
	const ours =
		same.length > 0
			? same
			: sockets.filter(
					({ boundPath }) => basename(boundPath) === basename(path),
				);
	return ours.length === 0
		? undefined
		: ours.some(({ isWaiting }) => isWaiting);
}

/** The server's end of our connection: its local port is our remote one, and the reverse. */
function tcpAwaitsAccept(
	localPort: number,
	remotePort: number,
): boolean | undefined {
	const row = ["/proc/net/tcp", "/proc/net/tcp6"]
		.flatMap(tableRows)
		.find(
			(row) => portOf(row[1]) === remotePort && portOf(row[2]) === localPort,
		);
	return row && row[9] === "0";
}

function tableRows(path: string): string[][] {
	const [, ...lines] = readFileSync(path, "latin1").trimEnd().split("\n");
	return lines.map((line) => line.trim().split(/\s+/));
}

/** `0100007F:115C` is 127.0.0.1:4444. */
function portOf(hexAddress: string | undefined): number {
	return Number.parseInt(hexAddress?.split(":")[1] ?? "", 16);
}
