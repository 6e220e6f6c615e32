/**
 * Debug channels, off unless named in DEBUG: `DEBUG=qomfs:*`, `DEBUG=qomfs:qmp:send`.
 * They go to stderr, which a mount in the background does not have: use `-f` or `-d`.
 */
import createDebug from "debug";

export const log = {
	cli: createDebug("qomfs:cli"),
	session: createDebug("qomfs:qmp:session"),
	send: createDebug("qomfs:qmp:send"),
	receive: createDebug("qomfs:qmp:recv"),
	cache: createDebug("qomfs:cache"),
	vfs: createDebug("qomfs:vfs"),
	fuse: createDebug("qomfs:fuse"),
};

/** Turns every channel on, beside those that DEBUG names. */
export function showEverything(): void {
	const named = process.env.DEBUG;
	createDebug.enable(named ? `${named},qomfs:*` : "qomfs:*");
}
