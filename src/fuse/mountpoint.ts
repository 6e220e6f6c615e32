/** Checks a mount point before anything is mounted, one clear line for each thing that can be wrong. */
import { execFile } from "node:child_process";
import {
	access,
	constants,
	lstat,
	readdir,
	readlink,
	realpath,
	stat,
} from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { MountError } from "../errors.ts";
import { findMount, isOnTop, mountType } from "./mountTable.ts";

/**
 * The canonical path of an empty directory to mount on. A dead mount of ours that
 * a killed daemon has left there is cleared first.
 *
 * @throws MountError
 */
export async function prepareMountpoint(path: string): Promise<string> {
	if (givenDescriptor(path) !== undefined) return path;
	const mountpoint = await canonicalMountpoint(path);
	await clearDeadMount(mountpoint);
	await checkExists(mountpoint, path);
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
		throw new MountError(`${path}: not a directory; name an empty one`);
	if ((await entryNames(mountpoint, path)).length > 0)
		throw new MountError(
			`${path}: directory is not empty; mount on an empty one`,
		);
	await access(mountpoint, constants.W_OK).catch((cause) => {
		throw new MountError(
			`${path}: you may not write there, so fusermount3 refuses it; mount on a directory of yours`,
			{ cause },
		);
	});
	return mountpoint;
}

/**
 * Checks again what `prepareMountpoint` has approved: connecting takes a while, in which somebody
 * may have filled the directory, or put a symlink in its place.
 *
 * @throws MountError
 */
export async function confirmMountpoint(mountpoint: string): Promise<void> {
	if ((await prepareMountpoint(mountpoint)) !== mountpoint)
		throw new MountError(
			`${mountpoint}: a symlink took its place; mount on a directory that stays`,
		);
}

/**
 * The descriptor of a mount point that is one: /dev/fd/N stands for a mount that whoever has
 * started this process made, and ends (mount.fuse3 -o drop_privileges).
 */
export function givenDescriptor(mountpoint: string): number | undefined {
	const [, digits] = /^\/dev\/fd\/(\d+)$/.exec(mountpoint) ?? [];
	return digits === undefined ? undefined : Number(digits);
}

/** Unmounts a mount that is not in use. @throws Error with fusermount3's own words in `stderr` */
export async function unmountIdle(mountpoint: string): Promise<void> {
	await promisify(execFile)("fusermount3", ["-u", "--", mountpoint], {
		cwd: "/", // ours may be inside the mount
	});
}

/** Detaches a mount, even a busy one, without touching it. */
export async function detach(mountpoint: string): Promise<void> {
	await promisify(execFile)("fusermount3", ["-uz", "--", mountpoint], {
		cwd: "/",
	});
}

/**
 * Resolves the symlinks in a path to a mount point, but asks the mount itself nothing:
 * it may be dead. Where the way there is wrong, the path comes back as it is.
 */
export async function canonicalMountpoint(path: string): Promise<string> {
	let current = path;
	try {
		for (let links = 0; links < maxLinks; links++) {
			current = join(await realpath(dirname(current)), basename(current));
			if (!(await lstat(current)).isSymbolicLink()) break;
			current = resolve(dirname(current), await readlink(current));
		}
	} catch {
		// ENOTCONN is a dead mount; for the rest there is `checkExists`.
	}
	return current;
}

/** As many as the kernel follows (path_resolution(7)). */
const maxLinks = 40;

async function checkExists(mountpoint: string, path: string): Promise<void> {
	try {
		await stat(mountpoint);
	} catch (cause) {
		throw new MountError(`${path}: ${explainMissing(path, cause)}`, { cause });
	}
}

function explainMissing(path: string, error: unknown): string {
	const { code, message } = error as NodeJS.ErrnoException;
	switch (code) {
		case "ENOENT":
			return `no such directory; create it with 'mkdir ${path}'`;
		case "EACCES":
			return "permission denied; use a directory of your own";
		case "ELOOP":
			return "its symlinks go round in circles; name the directory itself";
		default:
			return `${message}; name an empty directory`;
	}
}

async function entryNames(mountpoint: string, path: string): Promise<string[]> {
	try {
		return await readdir(mountpoint);
	} catch (cause) {
		throw new MountError(`${path}: ${explainMissing(path, cause)}`, { cause });
	}
}

/** A mount whose daemon is dead answers ENOTCONN. */
async function clearDeadMount(mountpoint: string): Promise<void> {
	try {
		await stat(mountpoint);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "ENOTCONN") return;
		if (isOnTop(mountpoint)) await detach(mountpoint);
	}
}
