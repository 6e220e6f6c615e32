/** The kernel's list of mounts (proc(5), /proc/self/mountinfo). Reading it never touches a mount. */
import { readFileSync } from "node:fs";

export interface Mount {
	/** Of this mount alone; it stays when a directory above is renamed. */
	readonly id: string;
	/** Of the file system, as `0:57`; bind mounts show the same one. */
	readonly device: string;
	readonly mountpoint: string;
	/** `fuse.qomfs` for ours. */
	readonly type: string;
	/** The fsname, for ours the monitor's address. */
	readonly source: string;
	/** The number of the user who has mounted it, where it is a FUSE file system. */
	readonly userId: number | undefined;
}

export const mountType = "fuse.qomfs";

/** The mounts of this namespace, the topmost of a stack last. */
export function readMounts(): Mount[] {
	return readFileSync("/proc/self/mountinfo", "utf8")
		.trimEnd()
		.split("\n")
		.map(parseMount);
}

/** What is mounted exactly there, the topmost if several. */
export function findMount(mountpoint: string): Mount | undefined {
	return readMounts().findLast((mount) => mount.mountpoint === mountpoint);
}

/** The mounts that nothing is mounted over, which whoever unmounts would hit. */
export function uncoveredMounts(): Mount[] {
	const topmost = new Map(
		readMounts().map((mount) => [mount.mountpoint, mount]),
	);
	return [...topmost.values()];
}

/** Whether qomfs is mounted there, and nothing over it, which whoever unmounts would hit. */
export function isOnTop(mountpoint: string): boolean {
	return findMount(mountpoint)?.type === mountType;
}

/** `36 35 98:0 /root /mnt rw,noatime master:1 - ext3 /dev/root rw` */
function parseMount(line: string): Mount {
	const [before = "", after = ""] = line.split(" - ");
	const [id = "", _parent, device = "", _root, mountpoint = ""] =
		before.split(" ");
	const [type = "", source = "", options = ""] = after.split(" ");
	const [, userId] = /(?:^|,)user_id=(\d+)/.exec(options) ?? [];
	return {
		id,
		device,
		mountpoint: unescapeOctal(mountpoint),
		type,
		source: unescapeOctal(source),
		userId: userId === undefined ? undefined : Number(userId),
	};
}

/** Space, tab, newline and backslash stand as `\040` and so on, byte by byte. */
function unescapeOctal(text: string): string {
	return text.replace(/\\([0-7]{3})/g, (_all, octal: string) =>
		String.fromCharCode(Number.parseInt(octal, 8)),
	);
}
