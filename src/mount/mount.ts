/** Mounts a machine, or a saved one, from within a program. */
import { resolve } from "node:path";
import { type Mounted, serveMount } from "./serveMount.ts";
import { defaultMountSettings, type MountSettings } from "./settings.ts";
import { parseSource } from "./source.ts";

/**
 * Mounts a machine and serves it from this process, until it is unmounted or the process
 * ends. The FUSE binding is loaded only now.
 *
 * **Never touch the mount with synchronous calls from this very process** (`readFileSync`):
 * they wait for an answer that only this process can give, and cannot be interrupted.
 *
 * @param source as for `connect`, or a snapshot
 * @param mountpoint an empty directory
 * @throws AddressError; SnapshotError; MountError the kernel or the mount point refused;
 * ConnectError, BusyError, TimeoutError as `connect` does
 */
export async function mount(
	source: string,
	mountpoint: string,
	settings: Partial<MountSettings> = {},
): Promise<Mounted> {
	return serveMount({
		source: await parseSource(source),
		path: resolve(mountpoint),
		settings: { ...defaultMountSettings(), ...settings },
	});
}
