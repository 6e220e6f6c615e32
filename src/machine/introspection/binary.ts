/** The program that runs a machine, where it can be run once more. */
import { createHash } from "node:crypto";
import { readlink, stat } from "node:fs/promises";
import type { Address } from "../../qmp/address.ts";
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
	const [name, root, program, process] = await Promise.all([
		readlink(link),
		readlink(`/proc/${pid}/root`),
		stat(link),
		stat(`/proc/${pid}`),
	]);
	// What is in a container is to stay there.
	if (!(await isInOurNamespaces(pid)) || !isTrustworthy(program))
		return undefined;
	const { uid, gid } = process;
	const isRoot = ourUid() === 0;
	const { dev, ino, size, mtimeMs } = program;
	const build = createHash("sha256")
		.update([dev, ino, size, mtimeMs, name].join(" "))
		.digest("hex")
		.slice(0, 32);
	if (root === "/") {
		// By its name if that is still the same file: a link in /proc goes with its process.
		const named = await stat(name).catch(() => undefined);
		const isNamed = named?.ino === ino && named.dev === dev;
		const user = isRoot && uid !== 0 ? { uid, gid } : undefined;
		return { command: [isNamed ? name : link], user, build };
	}
	if (!isRoot || !isTrustworthy(await stat(root)) || !name.startsWith(root))
		return undefined;
	const userSpec = `--userspec=${uid}:${gid}`;
	return {
		command: ["chroot", userSpec, root, name.slice(root.length)],
		user: undefined,
		build,
	};
}

function ourUid(): number {
	return process.getuid?.() ?? 0;
}

/** Whether nobody but root and this user can have changed a file or a directory. */
function isTrustworthy({ uid, mode }: { uid: number; mode: number }): boolean {
	return [0, ourUid()].includes(uid) && (mode & 0o022) === 0;
}

async function isInOurNamespaces(pid: number): Promise<boolean> {
	for (const kind of ["pid", "user"]) {
		const [theirs, ours] = await Promise.all(
			[pid, "self"].map((each) => readlink(`/proc/${each}/ns/${kind}`)),
		);
		if (theirs !== ours) return false;
	}
	return true;
}
