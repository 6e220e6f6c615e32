/**
 * Debug channels, off unless named in DEBUG: `DEBUG=qomfs:*`, `DEBUG=qomfs:qmp:send`.
 * They go to stderr, which a mount in the background does not have: use `-f` or `-d`.
 */
import { createRequire } from "node:module";
import type { Debugger } from "debug";

/** What of a channel is used here. */
interface Channel {
	(format: string, ...values: unknown[]): void;
	readonly enabled: boolean;
}

const silent: Channel = Object.assign(() => {}, { enabled: false });

export const log = {
	cli: silent,
	session: silent,
	send: silent,
	receive: silent,
	cache: silent,
	vfs: silent,
	fuse: silent,
};

const names: Readonly<Record<keyof typeof log, string>> = {
	cli: "qomfs:cli",
	session: "qomfs:qmp:session",
	send: "qomfs:qmp:send",
	receive: "qomfs:qmp:recv",
	cache: "qomfs:cache",
	vfs: "qomfs:vfs",
	fuse: "qomfs:fuse",
};

// Loading it takes longer than a whole command, so only where somebody wants to see something.
if (process.env.DEBUG) openChannels();

/** Turns every channel on, beside those that DEBUG names. */
export function showEverything(): void {
	const named = process.env.DEBUG;
	openChannels().enable(named ? `${named},qomfs:*` : "qomfs:*");
}

function openChannels(): typeof import("debug") {
	const createDebug: typeof import("debug") = createRequire(import.meta.url)(
		"debug",
	);
	for (const key of Object.keys(names) as (keyof typeof log)[])
		log[key] = createDebug(names[key]) satisfies Debugger;
	return createDebug;
}
