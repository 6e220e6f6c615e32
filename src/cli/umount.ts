/** `qomfs umount`: the same as `fusermount3 -u`, for our mounts alone. */
import { resolve } from "node:path";
import { MountError } from "../errors.ts";
import { canonicalMountpoint, unmountIdle } from "../fuse/mountpoint.ts";
import { findMount, mountType } from "../fuse/mountTable.ts";

/** @throws MountError not one of ours, or in use */
export async function runUmount(path: string): Promise<void> {
	const mountpoint = await canonicalMountpoint(resolve(path));
	if (findMount(mountpoint)?.type !== mountType)
		throw new MountError(
			`${path}: no qomfs is mounted there; 'findmnt -t ${mountType}' lists them`,
		);
	try {
		await unmountIdle(mountpoint);
	} catch (cause) {
		const { stderr = "" } = cause as { stderr?: string };
		throw new MountError(
			/busy/i.test(stderr)
				? `${path}: in use; leave it ('fuser -vm ${path}' shows who is there), or detach it with 'fusermount3 -uz ${path}'`
				: `${path}: ${stderr.trim() || (cause as Error).message}`,
			{ cause },
		);
	}
}
