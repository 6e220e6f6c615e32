/** `qomfs umount`: the same as `fusermount3 -u`, for our mounts alone. */
import { execFile } from "node:child_process";
import { realpath } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { MountError } from "../errors.ts";
import { findMount, mountType } from "../fuse/mountTable.ts";

/** @throws MountError not one of ours, or in use */
export async function runUmount(path: string): Promise<void> {
	const mountpoint = await canonical(resolve(path));
	if (findMount(mountpoint)?.type !== mountType)
		throw new MountError(
			`${path}: no qomfs is mounted there; 'findmnt -t ${mountType}' lists them`,
		);
	try {
		await promisify(execFile)("fusermount3", ["-u", "--", mountpoint]);
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

/** Resolves links on the way to the mount point, but does not touch it: it may be dead. */
async function canonical(path: string): Promise<string> {
	try {
		return join(await realpath(dirname(path)), basename(path));
	} catch {
		return path; // the mount table decides
	}
}
