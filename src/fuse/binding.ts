/**
 * A FileSystem through fuse-native. Glue without policy: promises become callbacks, errors become
 * negative errno numbers, and paths are walked name by name. The only importer of the binding.
 */
import type Fuse from "fuse-native";
import { MountError } from "../errors.ts";
import { log } from "../log.ts";
import { errnoName, errnoOf } from "../vfs/errno.ts";
import type { FileSystem, OpenFile } from "../vfs/fileSystem.ts";
import type { Attributes, NodeKind } from "../vfs/node.ts";
import type { Backend, MountOptions } from "./backend.ts";
import { Paths } from "./paths.ts";
import { ToldSizes } from "./toldSizes.ts";

/** Requests that may be under way at the same time; the maximum of the binding. */
const mostConcurrent = 64;

/** Of these so many may wait for a machine, so that what needs none is answered all the same. */
export const mostWaiting = 48;

/**
 * Mounts a file system. The directory has been checked.
 *
 * @param onUnmounted called when nothing is mounted any more, for whatever reason
 * @throws MountError
 */
export async function mountBinding(
	fs: FileSystem,
	mountpoint: string,
	options: MountOptions,
	onUnmounted: () => void,
): Promise<Backend> {
	const Binding = await loadBinding();
	const fuse = new Binding(mountpoint, operations(fs, options), {
		subtype: "qomfs",
		fsname: options.fsname,
		directIo: true,
		attrTimeout: options.attributesTtlMs / 1000,
		entryTimeout: options.entryTtlMs / 1000,
		maxConcurrency: mostConcurrent,
		timeout: { default: options.requestTimeoutMs },
		allowOther: options.allowOther,
		allowRoot: options.allowRoot,
		defaultPermissions: options.defaultPermissions,
		onError(error, operation) {
			// The kernel has let go: `fusermount3 -u` or `umount`, ours or from outside.
			if ((error as NodeJS.ErrnoException).code === "EFUSELOOPEXIT") {
				clearInterval(keepAlive);
				onUnmounted();
			} else log.fuse("%s: %O", operation, error);
		},
	});
	await open(fuse, mountpoint);
	// The binding does not keep the process alive.
	const keepAlive = setInterval(() => {}, 2 ** 30);
	return {
		invalidate(path) {
			// Not inside a callback of the binding; what is not cached is no failure.
			setImmediate(() => fuse.invalidateEntry(path));
		},
		async invalidateAll() {}, // they expire
		async unmount() {
			await close(fuse);
			clearInterval(keepAlive);
		},
	};
}

async function loadBinding(): Promise<typeof Fuse> {
	try {
		return (await import("fuse-native")).default;
	} catch (cause) {
		throw new MountError(explainBinding(cause as NodeJS.ErrnoException), {
			cause,
		});
	}
}

function explainBinding(error: NodeJS.ErrnoException): string {
	switch (error.code) {
		case "ERR_MODULE_NOT_FOUND":
			return "the FUSE binding is not installed: npm leaves it out where it finds no libfuse 3 or no binary for this Node; install qomfs again, with them";
		case "EFUSEDEPENDENCY":
			return "libfuse 3 is missing; install it with 'apt install fuse3'";
		default:
			return `the FUSE binding does not load in Node ${process.versions.node} (${firstLine(error.message)}); use Node 22, 24 or 26 and run 'npm rebuild fuse-native'`;
	}
}

function open(fuse: Fuse, path: string): Promise<void> {
	return new Promise((resolve, reject) => {
		// The binding takes any `*` in DEBUG for its own, and would print every request.
		const { DEBUG } = process.env;
		delete process.env.DEBUG;
		fuse.mount((error) => {
			if (DEBUG !== undefined) process.env.DEBUG = DEBUG;
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

type Callback<Value> = (error: number, value?: Value) => void;

function operations(fs: FileSystem, options: MountOptions): Fuse.OPERATIONS {
	const paths = new Paths(fs);
	const open = new Map<number, OpenFile>();
	/** By path, the handle that was opened last: an fstat comes by path, too. */
	const newest = new Map<string, OpenFile>();
	const toldSizes = new ToldSizes(options.attributesTtlMs);
	let lastHandle = 0;

	const opened = (handle: number | bigint): OpenFile => {
		const file = open.get(Number(handle));
		if (!file) throw new Error(`handle ${handle} is not open`);
		return file;
	};
	/** For operations on a path, be it there or not, whose callback comes last. */
	const refuse =
		(operation: string) =>
		(path: string | null, ...rest: unknown[]) => {
			const callback = rest.at(-1) as Callback<void>;
			answer(operation, path, callback, async () => {
				const [directory] = await paths.entry(path);
				return fs.refuse(directory);
			});
		};
	return {
		getattr: (path, callback) =>
			answer("getattr", path, callback, async () => {
				const node = await paths.node(path);
				const attributes = await fs.getattr(node, newest.get(path ?? ""));
				if (node.kind !== "file") return stats(attributes, options);
				// It may have been opened meanwhile, and the next fstat is told what we say now.
				const size = newest.get(path ?? "")?.handle.size ?? attributes.size;
				toldSizes.tell(path ?? "", size);
				return stats({ ...attributes, size }, options);
			}),
		readdir: (path, callback) =>
			answer(
				"readdir",
				path,
				(error: number, entries: readonly Dirent[] = []) =>
					callback(
						error,
						entries.map(({ name }) => name),
						entries.map(({ mode }) => ({ mode })),
					),
				async () => {
					const entries = await fs.readdir(await paths.node(path));
					// The kind alone, so that `find -type` asks for no attributes.
					return [
						{ name: ".", mode: fileTypes.directory },
						{ name: "..", mode: fileTypes.directory },
						...entries.map(({ name, node }) => ({
							name,
							mode: fileTypes[node.kind],
						})),
					];
				},
			),
		readlink: (path, callback) =>
			answer("readlink", path, callback, async () =>
				fs.readlink(await paths.node(path)),
			),
		open: (path, flags, callback) =>
			answer("open", path, callback, async () => {
				const file = await fs.open(await paths.node(path), flags);
				const handle = ++lastHandle;
				open.set(handle, file);
				newest.set(path, file);
				const { size } = file.handle;
				if (size !== undefined) await toldSizes.forgotten(path, size);
				return handle;
			}),
		readBuffer: (path, handle, length, position, callback) =>
			answer("read", path, callback, async () =>
				toBuffer(await fs.read(opened(handle), length, Number(position))),
			),
		write: (path, handle, buffer, length, position, callback) =>
			answer(
				"write",
				path,
				(error: number) => callback(error || length),
				() =>
					fs.write(
						opened(handle),
						buffer.subarray(0, length),
						Number(position),
					),
			),
		release: (path, handle, callback) =>
			answer("release", path, callback, async () => {
				const file = opened(handle);
				open.delete(Number(handle));
				if (path !== null && newest.get(path) === file) newest.delete(path);
				await fs.release(file);
			}),
		truncate: (path, _size, callback) =>
			answer("truncate", path, callback, async () =>
				fs.truncate(await paths.node(path)),
			),
		ftruncate: (path, handle, _size, callback) =>
			answer("truncate", path, callback, async () =>
				fs.truncate(opened(handle).node),
			),
		utimensWithTimespec: (path, _atime, _mtime, callback) =>
			answer("utimens", path, callback, async () =>
				fs.utimens(await paths.node(path)),
			),
		symlink: (target, path, callback) =>
			answer("symlink", path, callback, async () =>
				fs.symlink(...(await paths.entry(path)), target),
			),
		rename: (from, to, callback) =>
			answer("rename", to, callback, async () =>
				fs.rename(...(await paths.entry(from)), ...(await paths.entry(to))),
			),
		unlink: (path, callback) =>
			answer("unlink", path, callback, async () =>
				fs.unlink(...(await paths.entry(path))),
			),
		getxattr: (path, name, _position, callback) =>
			answer("getxattr", path, callback, async () => {
				const text = await fs.getxattr(await paths.node(path), name);
				return text === undefined ? null : Buffer.from(text);
			}),
		listxattr: (path, callback) =>
			answer("listxattr", path, callback, async () =>
				fs.listxattr(await paths.node(path)),
			),
		access: (path, wanted, callback) =>
			answer("access", path, callback, async () => {
				const isRoot = process.getuid?.() === 0;
				const node = await paths.node(path);
				await fs.access(node, wanted, isRoot, options.umask);
			}),
		statfs: (path, callback) =>
			answer("statfs", path, callback, async () => {
				const { blockBytes, maxNameBytes } = fs.statfs();
				return { bsize: blockBytes, frsize: blockBytes, namemax: maxNameBytes };
			}),
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

/** An entry as the binding takes it. */
interface Dirent {
	readonly name: string;
	readonly mode: number;
}

/** Gives what comes of an operation to a callback of the binding. */
function answer<Value>(
	operation: string,
	path: string | null,
	callback: Callback<Value>,
	act: () => Promise<Value>,
): void {
	void act().then(
		(value) => callback(0, value),
		(error) => {
			log.vfs("%s %s: %s %O", operation, path, errnoName(error), error);
			callback(-errnoOf(error));
		},
	);
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
