/** `qomfs umount`: the same as `fusermount3 -u`, but only for mounts of qomfs. */
import { execFile } from "node:child_process";
import { relative, resolve } from "node:path";
import { promisify } from "node:util";
import { MountError } from "../../errors.ts";
import { canonicalMountpoint, unmountIdle } from "../../fuse/mountpoint.ts";
import {
	findMount,
	type Mount,
	mountType,
	readMounts,
} from "../../fuse/mountTable.ts";
import type { CommandDefinition, Completer } from "../command.ts";

/** Absolute or relative, as the user has begun. */
const completeMountpoint: Completer = ({ current }) => {
	if (current.startsWith("/")) return ownMountpoints();
	const below = ownMountpoints().map((path) => relative("", path));
	return below.filter((path) => path !== "" && !path.startsWith(".."));
};

export const command: CommandDefinition = {
	arguments: [{ name: "<mountpoint>", complete: completeMountpoint }],
	options: [],
	run: ([mountpoint = ""]) => unmount(mountpoint),
};

/** Where qomfs is mounted. */
export function ownMountpoints(): readonly string[] {
	return readMounts()
		.filter(({ type }) => type === mountType)
		.map(({ mountpoint }) => mountpoint);
}

/** @throws MountError qomfs is not mounted there, it is in use, or somebody else's */
async function unmount(path: string): Promise<void> {
	const mountpoint = await canonicalMountpoint(resolve(path));
	const mount = findMount(mountpoint);
	if (mount?.type !== mountType)
		throw new MountError(
			`${path}: no qomfs is mounted there; 'findmnt -t ${mountType}' lists them`,
		);
	try {
		await unmountIdle(mountpoint);
	} catch (cause) {
		throw new MountError(`${path}: ${await explain(path, mount, cause)}`, {
			cause,
		});
	}
}

async function explain(
	path: string,
	{ userId }: Mount,
	cause: unknown,
): Promise<string> {
	const user = process.getuid?.();
	if (userId !== user && user !== 0)
		return `it belongs to ${await userName(userId)}, who may unmount it, and root`;
	const { stderr = "", message } = cause as Error & { stderr?: string };
	if (/busy/i.test(stderr))
		return `in use; leave it ('fuser -vm ${path}' shows who is there), or detach it with 'fusermount3 -uz ${path}'`;
	return stderr.trim() || message;
}

async function userName(id: number | undefined): Promise<string> {
	const { stdout } = await promisify(execFile)("id", ["-nu", `${id}`]).catch(
		() => ({ stdout: "" }),
	);
	return stdout.trim() || `user ${id}`;
}
