/** `qomfs umount`: the same as `fusermount3 -u`, but only for mounts of qomfs. */
import { execFile } from "node:child_process";
import { relative, resolve } from "node:path";
import { promisify } from "node:util";
import { MountError, UsageError } from "../../errors.ts";
import { canonicalMountpoint, unmountIdle } from "../../fuse/mountpoint.ts";
import {
	findMount,
	type Mount,
	mountType,
	readMounts,
} from "../../fuse/mountTable.ts";
import type { CommandDefinition, Completer } from "../command.ts";
import { print } from "../output.ts";
import { refusalsOf, throwRefusals } from "../refusals.ts";
import { onOneLine } from "../text.ts";

/** Absolute or relative, as the user has begun. */
export const completeMountpoint: Completer = ({ current }) => {
	if (current.startsWith("/")) return ownMountpoints();
	const below = ownMountpoints().map((path) => relative("", path));
	return below.filter((path) => path !== "" && !path.startsWith(".."));
};

interface UmountFlags {
	readonly all?: true;
}

export const command: CommandDefinition<UmountFlags> = {
	arguments: [{ name: "[mountpoint]", complete: completeMountpoint }],
	options: [{ flags: "-a, --all", help: "all that you may unmount" }],
	usage: "[options] <mountpoint>",
	async run([mountpoint], { all }) {
		if (mountpoint === undefined && !all)
			throw new UsageError(
				"missing 'mountpoint', or --all; 'qomfs umount --help' shows how",
			);
		if (mountpoint !== undefined && all)
			throw new UsageError(`either ${mountpoint} or --all`);
		const user = process.getuid?.();
		const wanted = mountpoint
			? [mountpoint]
			: ownMounts()
					.filter(({ userId }) => user === 0 || userId === user)
					.map((mount) => mount.mountpoint)
					// What was mounted last may lie within another.
					.reverse();
		throwRefusals(
			await refusalsOf(wanted, async (path) => {
				await unmount(path);
				if (all) print(onOneLine(`unmounted ${path}`));
			}),
		);
	},
};

/** A mount of qomfs, whoever's. */
export type OwnMount = Mount;

/** In the order in which they were mounted. */
export function ownMounts(): readonly OwnMount[] {
	return readMounts().filter(({ type }) => type === mountType);
}

/** Where qomfs is mounted. */
export function ownMountpoints(): readonly string[] {
	return ownMounts().map(({ mountpoint }) => mountpoint);
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

export async function userName(id: number | undefined): Promise<string> {
	const { stdout } = await promisify(execFile)("id", ["-nu", `${id}`]).catch(
		() => ({ stdout: "" }),
	);
	return stdout.trim() || `user ${id}`;
}
