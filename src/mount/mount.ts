/** Mounts a machine, or a saved one, from within a program. */
import { resolve } from "node:path";
import { type Mounted, serveMount } from "./serveMount.ts";
import { defaultMountSettings, type MountSettings } from "./settings.ts";
import { parseSources } from "./source.ts";

/**
 * Mounts a machine and serves it from this process, until it is unmounted or the process
 * ends. The FUSE binding is loaded only now.
 *
 * **Never touch the mount with synchronous calls from this very process** (`readFileSync`):
 * they wait for an answer that only this process can give, and cannot be interrupted.
 *
 * @param source as for `connect`, a snapshot, a directory of monitors, or `NAME=SOURCE` of several
 * @param mountpoint an empty directory
 * @throws AddressError; SnapshotError; MountError the kernel or the mount point refused;
 * ConnectError, BusyError, TimeoutError as `connect` does
 */
export async function mount(
	source: string | readonly string[],
	mountpoint: string,
	settings: Partial<MountSettings> = {},
): Promise<Mounted> {
	return serveMount({
		source: await parseSources([source].flat()),
		path: resolve(mountpoint),
		settings: { ...defaultMountSettings(), ...settings },
	});
}
