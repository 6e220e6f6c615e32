/** The program that runs a machine, where it can be run once more. */
import { createHash } from "node:crypto";
import type { Stats } from "node:fs";
import { readlink, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Address } from "../../qmp/address.ts";
import { changeableBy } from "../../qmp/privateDirectory.ts";
import { findServer } from "../../qmp/server.ts";

export interface Binary {
	/** What starts it, to be followed by its options. */
	readonly command: readonly [string, ...string[]];
	/** Whom to run it as, if not as this user. */
	readonly user: { readonly uid: number; readonly gid: number } | undefined;
	/** The same text for the same program, and another one when it was built or installed anew. */
	readonly build: string;
}

/**
 * The binary of the QEMU that serves a monitor; undefined where it cannot be seen, or where running it
 * would give somebody else more rights than they have.
 */
export async function binaryOf(address: Address): Promise<Binary | undefined> {
	const pid = await findServer(address);
	if (pid === undefined) return undefined;
	try {
		return await binaryOfProcess(pid);
	} catch {
		return undefined; // it has just ended, or this user may not look
	}
}

async function binaryOfProcess(pid: number): Promise<Binary | undefined> {
	const link = `/proc/${pid}/exe`;
	const [path, root, program, process] = await Promise.all([
		readlink(link),
		readlink(`/proc/${pid}/root`),
		stat(link),
		stat(`/proc/${pid}`),
	]);
	// What is in a container is to stay there.
	if (!(await isInOurs(pid, "pid")) || !(await isInOurs(pid, "user")))
		return undefined;
	if (!isTrustworthy(program)) return undefined;
	const { uid, gid } = process;
	const { dev, ino, size, mtimeMs } = program;
	const build = createHash("sha256")
		.update([dev, ino, size, mtimeMs, path].join(" "))
		.digest("hex")
		.slice(0, 32);
	// By its name: a link in /proc goes with its process, and its number may be another's later.
	const isNamed = await isStillThere(path, program);
	if (root !== "/") {
		if (ourUid() !== 0 || !isNamed || !path.startsWith(`${root}/`))
			return undefined;
		// With a sign before them they are no names, which the root would have a say in.
		const user = `--userspec=+${uid}:+${gid}`;
		return {
			command: ["chroot", user, "--groups=", root, path.slice(root.length)],
			user: undefined,
			build,
		};
	}
	if (isNamed) {
		const isAnother = ourUid() === 0 && uid !== 0;
		const user = isAnother ? { uid, gid } : undefined;
		return { command: [path], user, build };
	}
	// One that was built anew meanwhile: its user loses nothing by it, but only its user.
	const isOurs = ourUid() !== 0 && uid === ourUid();
	return isOurs && (await isInOurs(pid, "mnt"))
		? { command: [link], user: undefined, build }
		: undefined;
}

function ourUid(): number {
	return process.getuid?.() ?? 0;
}

/** Whether nobody but root and this user can have changed a file. */
function isTrustworthy({ uid, mode }: Stats): boolean {
	return [0, ourUid()].includes(uid) && (mode & 0o022) === 0;
}

/** Whether a path leads to that very file, and nobody else can make it lead elsewhere. */
async function isStillThere(path: string, file: Stats): Promise<boolean> {
	const named = await stat(path).catch(() => undefined);
	return (
		named?.ino === file.ino &&
		named.dev === file.dev &&
		(await changeableBy(dirname(path))) === undefined
	);
}

async function isInOurs(pid: number, kind: string): Promise<boolean> {
	const [theirs, ours] = await Promise.all(
		[`${pid}`, "self"].map((each) => readlink(join("/proc", each, "ns", kind))),
	);
	return theirs === ours;
}
