/** A FileSystem at a mount point, and how it ends. */
import { log } from "../log.ts";
import type { FileSystem } from "../vfs/fileSystem.ts";
import type { Backend, MountOptions } from "./backend.ts";
import { mountBinding } from "./binding.ts";
import { unmountIdle } from "./mountpoint.ts";
import { Watchdog } from "./watchdog.ts";

export interface MountHandle {
	readonly mountpoint: string;
	/** Resolves when nothing is mounted any more, for whatever reason. */
	readonly ended: Promise<void>;
	/** Makes the kernel forget a name, for one that is gone. */
	invalidate(path: string): void;
	/** Detaches a mount that is in use: who uses it gets errors from then on. */
	unmount(): Promise<Departure>;
}

export type Departure = "unmounted" | "detached";

/**
 * Mounts a file system on a directory that `prepareMountpoint` has approved, and serves it
 * until `unmount` or an unmount from outside.
 * The process that serves must never touch the mount by synchronous calls.
 *
 * @throws MountError
 */
export async function serveFileSystem(
	fs: FileSystem,
	mountpoint: string,
	options: MountOptions,
): Promise<MountHandle> {
	const ended = Promise.withResolvers<void>();
	const watchdog = new Watchdog(mountpoint);
	let backend: Backend;
	try {
		backend = await mountBinding(fs, mountpoint, options, ended.resolve);
	} catch (error) {
		watchdog.dismiss();
		throw error;
	}
	// The binding does not keep the process alive.
	const keepAlive = setInterval(() => {}, 2 ** 30);
	void ended.promise.then(() => {
		clearInterval(keepAlive);
		watchdog.dismiss();
	});
	/** Politely first, for only that tells whether somebody is still in there. */
	const leave = async (): Promise<Departure> => {
		try {
			await unmountIdle(mountpoint);
			// The binding notices by itself.
			await ended.promise;
			return "unmounted";
		} catch (error) {
			log.fuse("detaching, for %s", error);
			await backend.unmount();
			ended.resolve();
			return "detached";
		}
	};
	let leaving: Promise<Departure> | undefined;
	return {
		mountpoint,
		ended: ended.promise,
		invalidate: (path) => backend.invalidate(path),
		unmount() {
			leaving ??= leave();
			return leaving;
		},
	};
}
