/** What a mount shows: the monitor of a machine, or a snapshot in a file. */
import { resolve } from "node:path";
import { type Address, absoluteAddress, parseAddress } from "../qmp/address.ts";
import { snapshotFileOf } from "../qom/snapshot/file.ts";

/** A file that a machine was saved in. */
export interface SnapshotFile {
	readonly kind: "snapshot";
	/** Absolute: the daemon changes its directory. */
	readonly path: string;
}

export type MountSource = Address | SnapshotFile;

/**
 * Reads a source as a user writes it.
 *
 * @throws AddressError
 */
export async function parseSource(text: string): Promise<MountSource> {
	const file = await snapshotFileOf(text);
	return file !== undefined
		? { kind: "snapshot", path: resolve(file) }
		: absoluteAddress(parseAddress(text));
}
