/** A FileSystem at a mount point, and how it ends. */
import { setTimeout as sleep } from "node:timers/promises";
import { log } from "../log.ts";
import type { FileSystem } from "../vfs/fileSystem.ts";
import type { Backend, BackendName, MountOptions } from "./backend.ts";
import { mostWaiting, mountBinding } from "./binding.ts";
import { mountKernel } from "./kernel/kernel.ts";
import { loadNative } from "./kernel/native.ts";
import {
	confirmMountpoint,
	detach,
	givenDescriptor,
	unmountIdle,
} from "./mountpoint.ts";
import { findMount, uncoveredMounts } from "./mountTable.ts";
import { Watchdog } from "./watchdog.ts";

export interface MountHandle {
	readonly mountpoint: string;
	/** Resolves when nothing is mounted any more, for whatever reason. */
	readonly ended: Promise<void>;
	/** Makes the kernel forget a name, for one that is gone. */
	invalidate(path: string): void;
	/**
	 * Makes it forget all names in a directory, the root if none is named, for a machine that is another
	 * one; resolves when it has.
	 */
	invalidateAll(path?: string): Promise<void>;
	/** Detaches a mount that is in use: who uses it gets errors from then on. */
	unmount(): Promise<Departure>;
}

/** An unmounted file system ends within a few milliseconds, if nothing holds it. */
const holdMs = 250;

export type Departure = "unmounted" | "detached";

export interface BackendChoice {
	readonly name: BackendName;
	/** How many requests may wait for a machine at the same time; undefined for any number. */
	readonly mostWaiting: number | undefined;
	readonly mount: (
		fs: FileSystem,
		mountpoint: string,
		options: MountOptions,
		onUnmounted: () => void,
	) => Promise<Backend>;
	/** For people, where it is not what was asked for. */
	readonly note?: string;
}

const binding: BackendChoice = {
	name: "fuse-native",
	mostWaiting,
	mount: mountBinding,
};

/** The back end of a name, or the other one where this machine cannot have it. */
export async function chooseBackend(name: BackendName): Promise<BackendChoice> {
	if (name === "fuse-native") return binding;
	try {
		await loadNative();
	} catch (error) {
		const { message } = error as Error;
		return { ...binding, note: `mounting through fuse-native, for ${message}` };
	}
	return { name, mostWaiting: undefined, mount: mountKernel };
}

/**
 * Mounts a file system on a directory that `prepareMountpoint` has approved, and serves it
 * until `unmount` or an unmount from outside.
 * The process that serves must never touch the mount by synchronous calls.
 *
 * @param litter files that are to go if this process is killed
 * @throws MountError
 */
export async function serveFileSystem(
	fs: FileSystem,
	mountpoint: string,
	options: MountOptions,
	{ mount }: BackendChoice,
	litter: readonly string[] = [],
): Promise<MountHandle> {
	await confirmMountpoint(mountpoint);
	const ended = Promise.withResolvers<void>();
	const isGiven = givenDescriptor(mountpoint) !== undefined;
	const watchdog = isGiven ? undefined : new Watchdog(mountpoint, litter);
	let backend: Backend;
	try {
		backend = await mount(fs, mountpoint, options, ended.resolve);
	} catch (error) {
		watchdog?.dismiss();
		throw error;
	}
	const own = isGiven ? undefined : findMount(mountpoint);
	if (own) watchdog?.guard(own.device);
	void ended.promise.then(() => watchdog?.dismiss());
	/** Politely first, for only that tells whether somebody is still in there. */
	const leave = async (): Promise<Departure> => {
		try {
			// A directory above may have another name by now.
			const there = uncoveredMounts().find(({ id }) => id === own?.id);
			if (there) {
				await unmountIdle(there.mountpoint);
				// The back end notices by itself, unless a bind mount or another mount namespace holds it.
				const late = sleep(holdMs, "held", { ref: false });
				if ((await Promise.race([ended.promise, late])) !== "held")
					return "unmounted";
			}
		} catch (error) {
			log.fuse("detaching, for %s", error);
		}
		for (const { device, mountpoint } of uncoveredMounts())
			if (device === own?.device)
				await detach(mountpoint).catch((error) => log.fuse("%s", error)); // it may be another user's
		await backend.unmount();
		ended.resolve();
		return "detached";
	};
	let leaving: Promise<Departure> | undefined;
	return {
		mountpoint,
		ended: ended.promise,
		invalidate: (path) => backend.invalidate(path),
		invalidateAll: (path) => backend.invalidateAll(path),
		unmount() {
			leaving ??= leave();
			return leaving;
		},
	};
}
