/** Where a monitor listens, and how users write it. */
import { resolve } from "node:path";
import { AddressError } from "../errors.ts";

export type Address =
	| {
			readonly kind: "unix";
			readonly path: string;
			/** What the user has named, where that is reached through another socket. */
			readonly named?: string;
	  }
	| { readonly kind: "tcp"; readonly host: string; readonly port: number };

/**
 * Reads `/path`, `unix:PATH`, `HOST:PORT`, `tcp:HOST:PORT` or `[::1]:4444`.
 *
 * A text with a slash is always a path, as in QEMU's own tools, and so is one without a colon.
 *
 * @throws AddressError when it is none of them
 */
export function parseAddress(text: string): Address {
	if (typeof text !== "string")
		throw new AddressError("no monitor is named; give its address as a string");
	if (text.startsWith("unix:")) return unixAddress(text.slice(5), text);
	if (text.startsWith("tcp:")) return tcpAddress(text.slice(4), text);
	if (text.includes("/") || !text.includes(":")) return unixAddress(text, text);
	return tcpAddress(text, text);
}

/** The same address for a process that changes its directory, where the kernel's limit allows it. */
export function absoluteAddress(address: Address): Address {
	if (address.kind !== "unix") return address;
	const path = resolve(address.path);
	return Buffer.byteLength(path) > maxSocketPathBytes
		? address
		: { ...address, path };
}

/** The address as text that `parseAddress` reads back. */
export function formatAddress(address: Address): string {
	if (address.kind === "unix") {
		const { path, named = parseable(path) ? path : `unix:${path}` } = address;
		return named;
	}
	const host = address.host.includes(":") ? `[${address.host}]` : address.host;
	const prefix = host === "unix" || host === "tcp" ? "tcp:" : "";
	return `${prefix}${host}:${address.port}`;
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

/** Whether a path needs no prefix to be read as one. */
function parseable(path: string): boolean {
	return (
		!/^(unix|tcp):/.test(path) && (path.includes("/") || !path.includes(":"))
	);
}

/** sockaddr_un holds 108 bytes, one of them the final NUL. */
const maxSocketPathBytes = 107;

function unixAddress(path: string, text: string): Address {
	if (path === "")
		throw new AddressError(`'${text}' names no socket; write unix:PATH`);
	if (Buffer.byteLength(path) > maxSocketPathBytes)
		throw new AddressError(
			`socket path of ${Buffer.byteLength(path)} bytes is longer than the ${maxSocketPathBytes} that the kernel allows; reach it through a symlink to its directory`,
		);
	return { kind: "unix", path };
}

function tcpAddress(hostPort: string, text: string): Address {
	const match = /^(?:\[([^\]]+)\]|([^:[\]/]*)):(\d{1,5})$/.exec(hostPort);
	const port = Number(match?.[3]);
	if (!match || port < 1 || port > 65535)
		throw new AddressError(
			`'${text}' is not a monitor's address; write /path/to/qmp.sock or HOST:PORT`,
		);
	return { kind: "tcp", host: match[1] ?? (match[2] || "localhost"), port };
}
