/** How a machine is mounted. The command line writes them as `-o` options. */
import type { BackendName } from "../fuse/backend.ts";
import {
	defaultFreshness,
	type FreshnessSettings,
} from "../machine/freshness.ts";

export interface MountSettings extends FreshnessSettings {
	/** Implies `defaultPermissions`; needs `user_allow_other` in /etc/fuse.conf. */
	readonly allowOther: boolean;
	/** Needs `user_allow_other` in /etc/fuse.conf. */
	readonly allowRoot: boolean;
	readonly defaultPermissions: boolean;
	/** Whether to wait for a QEMU that goes away, or to unmount. */
	readonly reconnect: boolean;
	/** Mounts at once, and connects when QEMU is there. */
	readonly delayConnect: boolean;
	readonly readOnly: boolean;
	/** Lifts the guard on what can crash the machine or cut the session. */
	readonly unsafeWrites: boolean;
	/** Leaves out of listings what cannot be read. */
	readonly hideUnreadable: boolean;
	/** Reads even what is known to end QEMU. */
	readonly unsafeReads: boolean;
	/** Lists what is told of a type only when it is described. */
	readonly introspects: boolean;
	readonly uid: number;
	readonly gid: number;
	/** Permission bits to take away. */
	readonly umask: number;
	/** What findmnt shows as source; undefined: the source's address. */
	readonly fsname: string | undefined;
	/** How long QEMU may take for one command. */
	readonly timeoutSec: number;
	readonly connectTimeoutSec: number;
	/** Whether to leave the monitor to others where QEMU can have one more, for the mount. */
	readonly ownMonitor: boolean;
	/** Whether other clients may use the monitor meanwhile, and what for. */
	readonly share: "rw" | "ro" | "no";
	/** The way to the kernel. */
	readonly backend: BackendName;
}

export function defaultMountSettings(): MountSettings {
	return {
		allowOther: false,
		allowRoot: false,
		defaultPermissions: false,
		reconnect: true,
		delayConnect: false,
		readOnly: false,
		unsafeWrites: false,
		unsafeReads: false,
		hideUnreadable: false,
		introspects: false,
		uid: process.getuid?.() ?? 0,
		gid: process.getgid?.() ?? 0,
		umask: 0,
		fsname: undefined,
		...defaultFreshness,
		timeoutSec: 10,
		connectTimeoutSec: 3,
		ownMonitor: true,
		share: "rw",
		backend: "kernel",
	};
}
