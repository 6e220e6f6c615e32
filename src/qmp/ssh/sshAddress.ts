/** A monitor on a host that ssh(1) reaches: `ssh://[USER@]HOST[:PORT]/path`, or `.../?tcp=HOST:PORT`. */
import { AddressError } from "../../errors.ts";
import {
	formatHostPort,
	type SocketAddress,
	tcpAddress,
	unixAddress,
} from "../socketAddress.ts";
import { decoded } from "../uri.ts";

/** Whom ssh(1) connects to. What is left out its own configuration says. */
export interface SshDestination {
	readonly user?: string;
	/** A name of its configuration, or of a host. */
	readonly host: string;
	readonly port?: number;
}

export interface SshAddress extends SshDestination {
	readonly kind: "ssh";
	/** As that host sees it; a path is absolute. */
	readonly target: SocketAddress;
}

/** A place on such a host. */
export interface SshPlace extends SshDestination {
	/** Absolute, on that host. */
	readonly path: string;
	/** What follows behind the path, undecoded. */
	readonly query: string | undefined;
}

const form = "write ssh://[USER@]HOST[:PORT]/path/to/qmp.sock";

/** @throws AddressError */
export function parseSshPlace(text: string): SshPlace {
	const match =
		/^ssh:\/\/(?:([^-@/?#][^@/?#]*)@)?(?:\[([^-\]/@][^\]/@]*)\]|([^-:@/?#[\]][^:@/?#[\]]*))(?::(\d{1,5}))?(\/[^?#]*)(?:\?([^#]*))?$/.exec(
			text,
		);
	const [, user, bracketed, host = bracketed, port, path] = match ?? [];
	if (host === undefined || path === undefined)
		throw new AddressError(`'${text}' names no monitor; ${form}`);
	if (user?.includes(":"))
		throw new AddressError(
			"an ssh:// source takes no password; ssh asks for it, or uses a key",
		);
	if (port !== undefined && !(Number(port) >= 1 && Number(port) <= 65535))
		throw new AddressError(`'${text}': ${port} is no port; ${form}`);
	return {
		...(user !== undefined && { user: decoded(user, text) }),
		host,
		...(port !== undefined && { port: Number(port) }),
		path: checked(decoded(path, text)),
		query: match?.[6],
	};
}

/** Whether a text means a directory of monitors: its path ends with a slash. */
export function isSshDirectory(text: string): boolean {
	return /^ssh:\/\/[^?#]*\/$/.test(text);
}

/** @throws AddressError */
export function parseSshAddress(text: string): SshAddress {
	const { path, query, ...destination } = parseSshPlace(text);
	const [, hostPort] = /^tcp=(.+)$/.exec(query ?? "") ?? [];
	if (
		query !== undefined &&
		(hostPort === undefined || path !== "/" || !hostPort.includes(":"))
	)
		throw new AddressError(
			`'${text}': behind a '?' comes the address of a monitor alone, as in ssh://HOST/?tcp=HOST:PORT`,
		);
	if (path.endsWith("/") && hostPort === undefined)
		throw new AddressError(
			`'${text}' names a directory, and this needs one machine; ${form}`,
		);
	const target =
		hostPort === undefined
			? unixAddress(path, text)
			: tcpAddress(decoded(hostPort, text), text);
	return { kind: "ssh", ...destination, target };
}

/** The text that is read back as the same destination: `ssh://USER@HOST:PORT`. */
export function formatDestination({
	user,
	host,
	port,
}: SshDestination): string {
	const who = user === undefined ? "" : `${encoded(user, /[^\w.~+-]/gu)}@`;
	const where = host.includes(":") ? `[${host}]` : host;
	return `ssh://${who}${where}${port === undefined ? "" : `:${port}`}`;
}

/** The text that {@link parseSshAddress} reads back. */
export function formatSshAddress({
	target,
	...destination
}: SshAddress): string {
	return (
		formatDestination(destination) +
		(target.kind === "unix"
			? encodedPath(target.path)
			: `/?tcp=${formatHostPort(target)}`)
	);
}

/** The text of a directory there, with a slash at its end. */
export function formatSshDirectory(
	destination: SshDestination,
	path: string,
): string {
	return formatDestination(destination) + encodedPath(path);
}

function encodedPath(path: string): string {
	return encoded(path, /[\p{Cc} %?#]/gu);
}

function encoded(text: string, characters: RegExp): string {
	return text.replace(characters, encodeURIComponent);
}

/** @throws AddressError ssh(1) cannot be told of such a path */
function checked(path: string): string {
	if (["\0", "\n", "${"].some((each) => path.includes(each)))
		throw new AddressError(
			`${JSON.stringify(path)} cannot be named to ssh; reach it by another name, as a symlink`,
		);
	return path;
}
