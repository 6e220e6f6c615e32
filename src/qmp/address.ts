/** Where a monitor listens, and how users write it. */
import { resolve } from "node:path";
import { AddressError } from "../errors.ts";
import {
	formatLibvirtAddress,
	isLibvirtUri,
	type LibvirtAddress,
	parseLibvirtAddress,
} from "./libvirt/libvirtAddress.ts";
import {
	formatHostPort,
	isSocketPath,
	type SocketAddress,
	tcpAddress,
	unixAddress,
} from "./socketAddress.ts";
import {
	formatSshAddress,
	parseSshAddress,
	type SshAddress,
} from "./ssh/sshAddress.ts";

export type Address = SocketAddress | SshAddress | LibvirtAddress;

/**
 * Reads `/path`, `unix:PATH`, `HOST:PORT`, `tcp:HOST:PORT`, `[::1]:4444`, `ssh://HOST/path`,
 * `ssh://HOST/?tcp=HOST:PORT` or `qemu:///system?domain=NAME`.
 *
 * Any other text with a slash is always a path, as in QEMU's own tools, and so is one without a colon.
 *
 * @throws AddressError when it is none of them
 */
export function parseAddress(text: string): Address {
	if (typeof text !== "string")
		throw new AddressError("no monitor is named; give its address as a string");
	if (text.startsWith("ssh://")) return parseSshAddress(text);
	if (isLibvirtUri(text)) return parseLibvirtAddress(text);
	if (hasScheme(text))
		throw new AddressError(
			`'${text}' is of no kind that is known; write ssh://HOST/path, qemu:///system?domain=NAME, or for a file ./${text}`,
		);
	if (text.startsWith("unix:")) return unixAddress(text.slice(5), text);
	if (text.startsWith("tcp:")) return tcpAddress(text.slice(4), text);
	if (text.includes("/") || !text.includes(":")) return unixAddress(text, text);
	return tcpAddress(text, text);
}

/** Whether a socket of this host leads there. */
export function isSocketAddress(address: Address): address is SocketAddress {
	return address.kind === "unix" || address.kind === "tcp";
}

/** The same address for a process that changes its directory, where the kernel's limit allows it. */
export function absoluteAddress(address: Address): Address {
	if (address.kind !== "unix") return address;
	const path = resolve(address.path);
	return isSocketPath(path) ? { ...address, path } : address;
}

/** The address as text that `parseAddress` reads back. */
export function formatAddress(address: Address): string {
	switch (address.kind) {
		case "ssh":
			return formatSshAddress(address);
		case "libvirt":
			return formatLibvirtAddress(address);
		case "unix": {
			const { path, named = parseable(path) ? path : `unix:${path}` } = address;
			return named;
		}
		case "tcp": {
			const text = formatHostPort(address);
			return /^(unix|tcp):/.test(text) ? `tcp:${text}` : text;
		}
	}
}

/** As in a URI, of which there are two kinds here. */
function hasScheme(text: string): boolean {
	return /^[A-Za-z][\w+.-]*:\/\//.test(text) && !/^(unix|tcp):/.test(text);
}

/** Whether a path needs no prefix to be read as one. */
function parseable(path: string): boolean {
	return (
		!/^(unix|tcp):/.test(path) &&
		!hasScheme(path) &&
		(path.includes("/") || !path.includes(":"))
	);
}
