/** Directories for sockets that are nobody else's. */
import { existsSync } from "node:fs";
import {
	lstat,
	mkdir,
	mkdtemp,
	readdir,
	realpath,
	rm,
	rmdir,
	stat,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { QomfsError } from "../errors.ts";
import {
	isBoundAs,
	isSocketPath,
	type SocketAddress,
} from "./socketAddress.ts";

/** Of this user, and of nobody else. */
export function runtimeDirectory(): string {
	return runtimeDirectories()[0] ?? "";
}

/**
 * That of this process first, then those of processes of the same user with another environment:
 * mount(8) and a session do not agree on XDG_RUNTIME_DIR.
 */
export function runtimeDirectories(): readonly string[] {
	const uid = process.getuid?.() ?? 0;
	const runtime = process.env.XDG_RUNTIME_DIR;
	const without = uid === 0 ? ["/run/qomfs"] : [join(tmpdir(), `qomfs-${uid}`)];
	return [
		...(runtime ? [join(runtime, "qomfs")] : without),
		...without,
		`/run/user/${uid}/qomfs`,
	];
}

/** Whether nobody but this user or root can put anything there. */
export async function isTrusted(directory: string): Promise<boolean> {
	return (await whoWrites(directory)) === "we";
}

/**
 * Makes the runtime directory.
 *
 * @throws QomfsError others may write to it; Error it cannot be made
 */
export async function makeRuntimeDirectory(): Promise<string> {
	const directory = runtimeDirectory();
	await mkdir(directory, { recursive: true, mode: 0o700 });
	if (!(await isTrusted(directory)))
		throw new QomfsError(`others may write to ${directory}`);
	return directory;
}

/** `each` has its own files in a directory like /tmp, which nobody else can remove or replace. */
async function whoWrites(
	directory: string,
): Promise<"we" | "each" | "others" | undefined> {
	const stats = await lstat(directory).catch(() => undefined);
	if (!stats?.isDirectory()) return undefined;
	if (![0, process.getuid?.()].includes(stats.uid)) return "others";
	if ((stats.mode & 0o022) === 0) return "we";
	return (stats.mode & 0o1000) !== 0 ? "each" : "others";
}

/** The only file in such a directory. */
export const meetingSocket = "qmp";

/** A new directory that only we and one QEMU can enter. */
export interface MeetingPlace {
	readonly directory: string;
	/** The same directory, as QEMU sees it. */
	readonly seenByQemu: string;
}

/**
 * Makes a directory where QEMU can reach a socket of ours. Best beside the monitor: that place both
 * can see, even a QEMU with a root or a mount namespace of its own.
 *
 * @param boundPaths the unix sockets that QEMU listens on, as it has bound them
 * @throws Error there is none
 */
export async function makeMeetingPlace(
	address: SocketAddress,
	boundPaths: readonly string[],
): Promise<MeetingPlace> {
	if (address.kind !== "unix") return sameForBoth(await makePrivateDirectory());
	const path = await realpath(address.path);
	// Root must not work in a directory that somebody else may change meanwhile.
	if ((await stat(path)).uid !== process.getuid?.())
		throw new QomfsError(`${path} belongs to somebody else`);
	const directory = await makeBeside(path).catch(() => makePrivateDirectory());
	const bound = boundPaths.find((bound) => isBoundAs(path, bound));
	if (bound === undefined || dirname(directory) !== dirname(path))
		return sameForBoth(directory);
	const name = directory.slice(dirname(directory).length + 1);
	return { directory, seenByQemu: join(dirname(bound), name) };
}

/** @param directory that {@link makeMeetingPlace} or {@link makePrivateDirectory} has made */
export async function removePrivateDirectory(directory: string): Promise<void> {
	await rm(directory, { recursive: true, force: true });
	// Unless somebody shares a monitor there.
	if (dirname(directory) === runtimeDirectory())
		await rmdir(runtimeDirectory()).catch(() => {});
}

function sameForBoth(directory: string): MeetingPlace {
	return { directory, seenByQemu: directory };
}

async function makeBeside(path: string): Promise<string> {
	const directory = dirname(path);
	const part = await changeableBy(directory);
	if (part !== undefined) throw new QomfsError(`others may write to ${part}`);
	return makeIn(directory);
}

/**
 * The directory by which somebody else could put something in place of what is in another one: whoever may
 * rename a directory above can do that, too. Undefined where nobody but root and this user can.
 */
export async function changeableBy(
	directory: string,
): Promise<string | undefined> {
	for (let part = directory; ; part = dirname(part)) {
		if (!["we", "each"].includes((await whoWrites(part)) ?? "others"))
			return part;
		if (part === dirname(part)) return undefined;
	}
}

/** Of a socket in such a directory: ssh(1) gives its own a longer name for a moment. */
const longestName = "control.0123456789abcdef";

/**
 * A new directory that only we can enter.
 *
 * @throws as {@link makeRuntimeDirectory} does
 */
export async function makePrivateDirectory(): Promise<string> {
	for (let attempt = 0; ; attempt++)
		try {
			const directory = await makeIn(await makeRuntimeDirectory());
			if (isSocketPath(join(directory, longestName))) return directory;
			await rmdir(directory);
			throw new QomfsError(
				`${runtimeDirectory()} is too long a path for sockets; set XDG_RUNTIME_DIR to a shorter one`,
			);
		} catch (error) {
			// Whoever was the last there has just removed it.
			const isGone = (error as NodeJS.ErrnoException).code === "ENOENT";
			if (!isGone || attempt === 10) throw error;
		}
}

async function makeIn(directory: string): Promise<string> {
	await removeForgotten(directory).catch(() => {}); // there may be no looking into it
	return mkdtemp(join(directory, `.qomfs-${process.pid}-`));
}

/** Those of processes that were killed while they had one. */
async function removeForgotten(directory: string): Promise<void> {
	for (const name of await readdir(directory)) {
		const pid = /^\.qomfs-(\d+)-\w{6}$/.exec(name)?.[1];
		if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
		const path = join(directory, name);
		// Anybody can give something such a name, a link to elsewhere among them.
		const stats = await lstat(path);
		if (stats.isDirectory() && stats.uid === process.getuid?.())
			await removePrivateDirectory(path).catch(() => {});
	}
}
