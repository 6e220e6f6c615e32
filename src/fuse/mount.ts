/**
 * The kernel's side: a FileSystem served through fuse-native. Glue without policy: promises
 * become callbacks, errors become negative errno numbers. The only importer of the binding.
 */
import type Fuse from "fuse-native";
import { MountError } from "../errors.ts";
import { log } from "../log.ts";
import { errnoName, errnoOf } from "../vfs/errno.ts";
import type { FileSystem } from "../vfs/filesystem.ts";
import type { Attributes, NodeKind } from "../vfs/node.ts";
import { unmountIdle } from "./mountpoint.ts";
import { Watchdog } from "./watchdog.ts";

export interface MountOptions {
	/** The source column of findmnt. */
	readonly fsname: string;
	/** How long the kernel may keep names, in seconds. */
	readonly entryTimeoutSec: number;
	/** How long it may keep attributes, sizes among them. */
	readonly attributesTimeoutSec: number;
	/** When the binding gives up on an answer; above every limit of ours. */
	readonly requestTimeoutMs: number;
	readonly uid: number;
	readonly gid: number;
	/** Permission bits taken from every mode. */
	readonly umask: number;
	readonly allowOther: boolean;
	readonly allowRoot: boolean;
	readonly defaultPermissions: boolean;
}

export interface MountHandle {
	readonly mountpoint: string;
	/** Resolves once nothing is mounted any more, whoever ended it. */
	readonly ended: Promise<void>;
	/** Makes the kernel forget a name, for one that is gone. */
	invalidate(path: string): void;
	/** Detaches a mount that is in use: who uses it gets errors from then on. */
	unmount(): Promise<Departure>;
}

export type Departure = "unmounted" | "detached";

/** Requests that may wait at the same time; the binding's own maximum. */
const maxConcurrency = 64;

/**
 * Mounts a file system on a directory that `prepareMountpoint` has approved, and serves it
 * until `unmount` or an unmount from outside.
 * The process that serves must never touch the mount by synchronous calls.
 *
 * @throws MountError
 */
export async function mount(
	fs: FileSystem,
	mountpoint: string,
	options: MountOptions,
): Promise<MountHandle> {
	const Binding = await loadBinding();
	const ended = Promise.withResolvers<void>();
	const fuse = new Binding(mountpoint, operations(fs, options), {
		subtype: "qomfs",
		// These three would be read as the end of the option.
		fsname: options.fsname.replace(/[,\\\n]/g, "?"),
		directIo: true,
		attrTimeout: options.attributesTimeoutSec,
		entryTimeout: options.entryTimeoutSec,
		maxConcurrency,
		timeout: { default: options.requestTimeoutMs },
		allowOther: options.allowOther,
		allowRoot: options.allowRoot,
		defaultPermissions: options.defaultPermissions,
		onError(error, operation) {
			// The kernel has let go: `fusermount3 -u` or `umount`, ours or from outside.
			if ((error as NodeJS.ErrnoException).code === "EFUSELOOPEXIT")
				ended.resolve();
			else log.fuse("%s: %O", operation, error);
		},
	});
	const watchdog = new Watchdog(mountpoint);
	await open(fuse, mountpoint).catch((error) => {
		watchdog.dismiss();
		throw error;
	});
	// The binding does not keep the process alive.
	const keepAlive = setInterval(() => {}, 2 ** 30);
	ended.promise.then(() => {
		clearInterval(keepAlive);
		watchdog.dismiss();
	});
	let leaving: Promise<Departure> | undefined;
	return {
		mountpoint,
		ended: ended.promise,
		invalidate(path) {
			// Not inside a callback of the binding; what is not cached is no failure.
			setImmediate(() => fuse.invalidateEntry(path));
		},
		unmount() {
			leaving ??= leave(fuse, mountpoint, ended);
			return leaving;
		},
	};
}

/** Politely first, for only that tells whether somebody is still in there. */
async function leave(
	fuse: Fuse,
	mountpoint: string,
	ended: PromiseWithResolvers<void>,
): Promise<Departure> {
	try {
		await unmountIdle(mountpoint);
		// The binding notices by itself.
		await ended.promise;
		return "unmounted";
	} catch (error) {
		log.fuse("detaching, for %s", error);
		await close(fuse);
		ended.resolve();
		return "detached";
	}
}

async function loadBinding(): Promise<typeof Fuse> {
	// The binding takes any `*` in DEBUG for its own, and would print every request.
	// Our channels were set up when `debug` was loaded.
	delete process.env.DEBUG;
	try {
		return (await import("fuse-native")).default;
	} catch (cause) {
		throw new MountError(explainBinding(cause as NodeJS.ErrnoException), {
			cause,
		});
	}
}

function explainBinding(error: NodeJS.ErrnoException): string {
	return error.code === "EFUSEDEPENDENCY"
		? "libfuse 3 is missing; install it with 'apt install fuse3'"
		: `the FUSE binding does not load in Node ${process.versions.node} (${firstLine(error.message)}); use Node 22, 24 or 26 and run 'npm rebuild fuse-native'`;
}

function open(fuse: Fuse, path: string): Promise<void> {
	return new Promise((resolve, reject) => {
		fuse.mount((error) => {
			if (!error) return resolve();
			reject(
				new MountError(explainMount(path, error as NodeJS.ErrnoException), {
					cause: error,
				}),
			);
		});
	});
}

function explainMount(path: string, error: NodeJS.ErrnoException): string {
	switch (error.code) {
		case "EFUSEHELPER":
			return "fusermount3 is missing; install it with 'apt install fuse3'";
		case "EFUSEDEVICE":
			return "/dev/fuse is missing or not accessible; load it with 'modprobe fuse', and let your user read and write it (mode 0666)";
		case "EFUSEALLOWOTHER":
			return "allow_other and allow_root need the line 'user_allow_other' in /etc/fuse.conf";
		default:
			return `${path}: cannot mount: ${firstLine(error.message)}`;
	}
}

/**
 * Answering a request and unmounting in the same tick writes into freed memory
 * in the binding: hence a tick of its own.
 */
function close(fuse: Fuse): Promise<void> {
	return new Promise((resolve, reject) => {
		setImmediate(() =>
			fuse.unmount((error) => {
				if (!error) return resolve();
				reject(
					new MountError(`cannot unmount: ${error.message}`, { cause: error }),
				);
			}),
		);
	});
}

function operations(fs: FileSystem, options: MountOptions): Fuse.OPERATIONS {
	/** For operations whose path comes first and whose callback comes last. */
	const refuse =
		(operation: string) =>
		(path: string | null, ...rest: unknown[]) => {
			const callback = rest.at(-1) as (error: number) => void;
			answer(operation, path, fs.refuse(operation, path ?? ""), callback);
		};
	return {
		getattr: (path, callback) =>
			answer("getattr", path, fs.getattr(path ?? ""), callback, (attributes) =>
				stats(attributes, options),
			),
		readdir: (path, callback) => {
			fs.readdir(path ?? "").then(
				(entries) =>
					callback(
						0,
						entries.map((entry) => entry.name),
						// The kind alone, so that `find -type` asks for no attributes.
						entries.map((entry) => ({ mode: fileTypes[entry.kind] })),
					),
				(error) => callback(failure("readdir", path, error)),
			);
		},
		readlink: (path, callback) =>
			answer("readlink", path, fs.readlink(path), callback),
		open: (path, flags, callback) =>
			answer("open", path, fs.open(path, flags), callback),
		readBuffer: (path, handle, length, position, callback) =>
			answer(
				"read",
				path,
				fs.read(Number(handle), length, Number(position)),
				callback,
				toBuffer,
			),
		write: (path, handle, buffer, length, position, callback) => {
			const bytes = buffer.subarray(0, length);
			fs.write(Number(handle), bytes, Number(position)).then(
				() => callback(length),
				(error) => callback(failure("write", path, error)),
			);
		},
		release: (path, handle, callback) =>
			answer("release", path, fs.release(Number(handle)), callback),
		truncate: (path, _size, callback) =>
			answer("truncate", path, fs.truncate(), callback),
		ftruncate: (path, _handle, _size, callback) =>
			answer("truncate", path, fs.truncate(), callback),
		utimensWithTimespec: (path, _atime, _mtime, callback) =>
			answer("utimens", path, fs.utimens(), callback),
		symlink: (target, path, callback) =>
			answer("symlink", path, fs.symlink(target, path), callback),
		rename: (from, to, callback) =>
			answer("rename", to, fs.rename(from, to), callback),
		unlink: (path, callback) =>
			answer("unlink", path, fs.unlink(path), callback),
		getxattr: (path, name, _position, callback) =>
			answer("getxattr", path, fs.getxattr(path, name), callback, (text) =>
				text === undefined ? null : Buffer.from(text),
			),
		listxattr: (path, callback) =>
			answer("listxattr", path, fs.listxattr(path), callback),
		statfs: (path, callback) =>
			answer(
				"statfs",
				path,
				Promise.resolve(fs.statfs()),
				callback,
				(statfs) => ({
					bsize: statfs.blockBytes,
					frsize: statfs.blockBytes,
					namemax: statfs.maxNameBytes,
				}),
			),
		create: refuse("create"),
		mknod: refuse("mknod"),
		mkdir: refuse("mkdir"),
		rmdir: refuse("rmdir"),
		chmod: refuse("chmod"),
		chown: refuse("chown"),
		setxattr: refuse("setxattr"),
		removexattr: refuse("removexattr"),
		link: (_existing, path, callback) => refuse("link")(path, callback),
	};
}

/** Gives a promise's outcome to a callback of the binding. */
function answer<Value, Answer = Value>(
	operation: string,
	path: string | null,
	outcome: Promise<Value>,
	callback: (error: number, value?: Answer) => void,
	convert: (value: Value) => Answer = (value) => value as unknown as Answer,
): void {
	outcome.then(convert).then(
		(value) => callback(0, value),
		(error) => callback(failure(operation, path, error)),
	);
}

function failure(
	operation: string,
	path: string | null,
	error: unknown,
): number {
	log.vfs("%s %s: %s %O", operation, path, errnoName(error), error);
	return -errnoOf(error);
}

const fileTypes: Record<NodeKind, number> = {
	directory: 0o040000,
	file: 0o100000,
	symlink: 0o120000,
};

function stats(attributes: Attributes, options: MountOptions): Fuse.Stats {
	const permissions =
		attributes.kind === "symlink"
			? attributes.mode
			: attributes.mode & ~options.umask;
	const time = Math.floor(attributes.mtimeMs); // the binding takes milliseconds
	return {
		mode: fileTypes[attributes.kind] | permissions,
		size: attributes.size,
		nlink: 1, // a directory with one link tells find not to count sub-directories
		uid: options.uid,
		gid: options.gid,
		mtime: time,
		ctime: time,
		atime: time,
	};
}

function toBuffer(bytes: Uint8Array): Buffer {
	return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function firstLine(text: string): string {
	return text.split("\n", 1)[0] ?? "";
}
