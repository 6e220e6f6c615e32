/**
 * The descriptor of a new mount: `/dev/fuse`, opened and mounted by root itself, by fusermount3
 * for everybody else, or by whoever has started this process and names it `/dev/fd/N`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, readlinkSync } from "node:fs";
import { constants as os } from "node:os";
import { text } from "node:stream/consumers";
import { MountError } from "../../errors.ts";
import type { MountOptions } from "../backend.ts";
import { givenDescriptor } from "../mountpoint.ts";
import type { Native } from "./native.ts";

const device = "/dev/fuse";
const helperName = "fusermount3";

/** MS_NOSUID | MS_NODEV, as fusermount3 has it. */
const mountFlags = 2 | 4;
/** MS_RDONLY. */
const readOnlyFlag = 1;

/** @throws MountError */
export async function openMount(
	native: Native,
	mountpoint: string,
	options: MountOptions,
): Promise<number> {
	const given = givenDescriptor(mountpoint);
	if (given !== undefined) return given;
	if (process.geteuid?.() !== 0)
		return mountThroughHelper(native, mountpoint, options);
	await checkHelper(); // it unmounts in the end
	const directory = openDirectory(mountpoint);
	const fd = openDevice();
	const target = `/proc/self/fd/${directory}`;
	const errno = mountDirectly(native, fd, target, options);
	closeSync(directory);
	if (errno === 0) return fd;
	closeSync(fd);
	// A root that may not mount, in a container: perhaps the helper may.
	if (errno === os.errno.EPERM)
		return mountThroughHelper(native, mountpoint, options);
	throw new MountError(`${mountpoint}: cannot mount: ${nameOf(errno)}`);
}

async function checkHelper(): Promise<void> {
	const helper = spawn(helperName, ["-V"], { cwd: "/", stdio: "ignore" });
	await once(helper, "close").catch(refuseWithoutHelper);
}

function refuseWithoutHelper(cause: unknown): never {
	throw new MountError(
		"fusermount3 is missing; install it with 'apt install fuse3'",
		{ cause },
	);
}

function openDevice(): number {
	try {
		return openSync(device, constants.O_RDWR);
	} catch (cause) {
		throw new MountError(noDevice, { cause });
	}
}

const noDevice = `${device} is missing or not accessible; load it with 'modprobe fuse', and let your user read and write it (mode 0666)`;

/** Returns 0, or the errno. */
function mountDirectly(
	native: Native,
	fd: number,
	mountpoint: string,
	options: MountOptions,
): number {
	const data = [
		`fd=${fd}`,
		"rootmode=40000",
		`user_id=${process.getuid?.()}`,
		`group_id=${process.getgid?.()}`,
		...commonOptions(options),
	];
	const flags = mountFlags | (options.readOnly ? readOnlyFlag : 0);
	const status = native.mount(
		...[options.fsname, mountpoint, "fuse.qomfs", flags, data.join(",")],
	);
	return status === 0 ? 0 : native.errno();
}

/** The very directory that is mounted on: its path may lead elsewhere in the next moment. */
function openDirectory(mountpoint: string): number {
	const { O_DIRECTORY, O_NOFOLLOW } = constants;
	const changed = `${mountpoint}: something took its place; mount on a directory that stays`;
	let directory: number;
	try {
		directory = openSync(mountpoint, O_DIRECTORY | O_NOFOLLOW);
	} catch (cause) {
		throw new MountError(changed, { cause });
	}
	if (readlinkSync(`/proc/self/fd/${directory}`) === mountpoint)
		return directory;
	closeSync(directory);
	throw new MountError(changed);
}

/** The kernel knows no allow_root: the session refuses all others. */
function commonOptions({
	allowOther,
	allowRoot,
	defaultPermissions,
}: MountOptions): string[] {
	return [
		...(allowOther || allowRoot ? ["allow_other"] : []),
		...(defaultPermissions ? ["default_permissions"] : []),
	];
}

/** fusermount3 opens the device, mounts, and sends the descriptor back (fuse_mnt.c: _FUSE_COMMFD). */
async function mountThroughHelper(
	native: Native,
	mountpoint: string,
	options: MountOptions,
): Promise<number> {
	const [ours, theirs] = native.socketpair(afUnix, sockStream | closeOnExec, 0);
	try {
		const helper = spawn(
			helperName,
			[
				"-o",
				[
					`fsname=${options.fsname}`,
					"subtype=qomfs",
					...(options.readOnly ? ["ro"] : []),
					...commonOptions(options),
				].join(","),
				"--",
				mountpoint,
			],
			{
				cwd: "/",
				env: { ...process.env, _FUSE_COMMFD: "3", LC_ALL: "C" },
				stdio: ["ignore", "ignore", "pipe", theirs],
			},
		);
		const [said] = await Promise.all([
			text(helper.stderr as NodeJS.ReadableStream),
			once(helper, "close"),
		]).catch(refuseWithoutHelper);
		const fd = native.receiveDescriptor(ours);
		if (fd === undefined) throw new MountError(explainHelper(mountpoint, said));
		return fd;
	} finally {
		closeSync(ours);
		closeSync(theirs);
	}
}

const afUnix = 1;
const sockStream = 1;
const closeOnExec = 0o2000000;

/** Its own words, as one line with what to do. */
function explainHelper(mountpoint: string, said: string): string {
	const line =
		said
			.split("\n")
			.find((line) => line !== "")
			?.replace(/^fusermount3: /, "") ?? "fusermount3 gave no reason";
	for (const [pattern, explanation] of explanations)
		if (pattern.test(line)) return explanation;
	return `${mountpoint}: cannot mount: ${line}`;
}

const explanations: readonly (readonly [RegExp, string])[] = [
	[
		/user_allow_other/,
		"allow_other and allow_root need the line 'user_allow_other' in /etc/fuse.conf",
	],
	[/fuse device|\/dev\/fuse/, noDevice],
	[
		/Operation not permitted/,
		"fusermount3 may not mount: it has lost its setuid bit (reinstall fuse3), or this process may gain no privileges (no_new_privs, a file system mounted nosuid)",
	],
];

function nameOf(errno: number): string {
	const [name] =
		Object.entries(os.errno).find(([, number]) => number === errno) ?? [];
	return name ?? `errno ${errno}`;
}
