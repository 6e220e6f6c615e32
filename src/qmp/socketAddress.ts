/** Where a monitor listens that a socket of this host leads to. */
import { resolve } from "node:path";
import { AddressError } from "../errors.ts";

export interface UnixAddress {
	readonly kind: "unix";
	readonly path: string;
	/** What the user has named, where that is reached through another socket. */
	readonly named?: string;
}

export interface TcpAddress {
	readonly kind: "tcp";
	readonly host: string;
	readonly port: number;
}

export type SocketAddress = UnixAddress | TcpAddress;

/** sockaddr_un holds 108 bytes, one of them the final NUL. */
const maxSocketPathBytes = 107;

/** Whether the kernel takes a path as that of a socket. */
export function isSocketPath(path: string): boolean {
	return Buffer.byteLength(path) <= maxSocketPathBytes;
}

/**
 * @param text as the user has written it
 * @throws AddressError
 */
export function unixAddress(path: string, text: string): UnixAddress {
	if (path === "")
		throw new AddressError(`'${text}' names no socket; write unix:PATH`);
	if (!isSocketPath(path))
		throw new AddressError(
			`socket path of ${Buffer.byteLength(path)} bytes is longer than the ${maxSocketPathBytes} that the kernel allows; reach it through a symlink to its directory`,
		);
	return { kind: "unix", path };
}

/**
 * @param text as the user has written it
 * @throws AddressError
 */
export function tcpAddress(hostPort: string, text: string): TcpAddress {
	const match = /^(?:\[([^\]]+)\]|([^:[\]/]*)):(\d{1,5})$/.exec(hostPort);
	const port = Number(match?.[3]);
	if (!match || port < 1 || port > 65535)
		throw new AddressError(
			`'${text}' is not a monitor's address; write /path/to/qmp.sock or HOST:PORT`,
		);
	return { kind: "tcp", host: match[1] ?? (match[2] || "localhost"), port };
}

/** `HOST:PORT`, or `[::1]:PORT`. */
export function formatHostPort({ host, port }: TcpAddress): string {
	return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/**
 * Whether a server may have bound a socket under another name than ours: by a relative path, or
 * from within a root of its own.
 *
 * @param boundPath as the kernel lists it
 */
export function isBoundAs(path: string, boundPath: string): boolean {
	if (boundPath === "") return false;
	const end = boundPath.startsWith("/") ? boundPath : `/${boundPath}`;
	return boundPath === path || resolve(path).endsWith(end);
}
