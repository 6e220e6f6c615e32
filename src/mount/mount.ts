/** Mounts a machine from within a program. */
import { resolve } from "node:path";
import { absoluteAddress, parseAddress } from "../qmp/address.ts";
import { type Mounted, serveMount } from "./serveMount.ts";
import { defaultMountSettings, type MountSettings } from "./settings.ts";

/**
 * Mounts a machine and serves it from this process, until it is unmounted or the process
 * ends. The FUSE binding is loaded only now.
 *
 * **Never touch the mount with synchronous calls from this very process** (`readFileSync`):
 * they wait for an answer that only this process can give, and cannot be interrupted.
 *
 * @param source as for `connect`
 * @param mountpoint an empty directory
 * @throws AddressError; MountError the kernel or the mount point refused;
 * ConnectError, BusyError, TimeoutError as `connect` does
 */
export function mount(
	source: string,
	mountpoint: string,
	settings: Partial<MountSettings> = {},
): Promise<Mounted> {
	return serveMount({
		address: absoluteAddress(parseAddress(source)),
		path: resolve(mountpoint),
		settings: { ...defaultMountSettings(), ...settings },
	});
}
