/** Checks a mount point before anything is mounted, one clear line for each thing that can be wrong. */
import { execFile } from "node:child_process";
import { readdir, realpath, stat } from "node:fs/promises";
import { promisify } from "node:util";
import { MountError } from "../errors.ts";
import { findMount, mountType } from "./mountTable.ts";

/**
 * The canonical path of an empty directory to mount on. A dead mount of ours that
 * a killed daemon has left there is cleared first.
 *
 * @throws MountError
 */
export async function prepareMountpoint(path: string): Promise<string> {
	await clearDeadMount(path);
	const mountpoint = await existing(path);
	const mounted = findMount(mountpoint);
	if (mounted?.type === mountType)
		throw new MountError(
			`${path}: ${mounted.source} is already mounted there; 'qomfs umount ${path}' ends it`,
		);
	if (mounted)
		throw new MountError(
			`${path}: something else is mounted there; use a directory of its own`,
		);
	if (!(await stat(mountpoint)).isDirectory())
		throw new MountError(`${path}: not a directory`);
	if ((await entryNames(mountpoint, path)).length > 0)
		throw new MountError(
			`${path}: directory is not empty; mount on an empty one`,
		);
	return mountpoint;
}

/** Detaches a mount, even a busy one, without touching it. */
export async function detach(mountpoint: string): Promise<void> {
	await promisify(execFile)("fusermount3", ["-uz", "--", mountpoint]);
}

async function existing(path: string): Promise<string> {
	try {
		return await realpath(path);
	} catch (cause) {
		const { code, message } = cause as NodeJS.ErrnoException;
		throw new MountError(
			code === "ENOENT"
				? `${path}: no such directory; create it with 'mkdir ${path}'`
				: `${path}: ${message}`,
			{ cause },
		);
	}
}

async function entryNames(mountpoint: string, path: string): Promise<string[]> {
	try {
		return await readdir(mountpoint);
	} catch (cause) {
		throw new MountError(`${path}: ${(cause as Error).message}`, { cause });
	}
}

/** A mount whose daemon is dead answers ENOTCONN, even to realpath. */
async function clearDeadMount(path: string): Promise<void> {
	try {
		await stat(path);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "ENOTCONN") return;
		if (findMount(path)?.type === mountType) await detach(path);
	}
}
