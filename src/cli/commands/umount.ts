/** `qomfs umount`: the same as `fusermount3 -u`, but only for mounts of qomfs. */
import { resolve } from "node:path";
import { MountError } from "../../errors.ts";
import { canonicalMountpoint, unmountIdle } from "../../fuse/mountpoint.ts";
import { isOnTop, mountType, readMounts } from "../../fuse/mountTable.ts";
import type { CommandDefinition } from "../command.ts";

export const command: CommandDefinition = {
	arguments: [{ name: "<mountpoint>", complete: ownMountpoints }],
	options: [],
	run: ([mountpoint = ""]) => unmount(mountpoint),
};

/** Where qomfs is mounted. */
export function ownMountpoints(): readonly string[] {
	return readMounts()
		.filter(({ type }) => type === mountType)
		.map(({ mountpoint }) => mountpoint);
}

/** @throws MountError qomfs is not mounted there, or it is in use */
async function unmount(path: string): Promise<void> {
	const mountpoint = await canonicalMountpoint(resolve(path));
	if (!isOnTop(mountpoint))
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
