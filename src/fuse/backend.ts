/** A way to the kernel: its options, and what a mount through it can do. */

/** Requests that may be under way at the same time; the maximum of the binding. */
export const mostConcurrent = 64;

/** Of these so many may wait for a machine, so that what needs none is answered all the same. */
export const mostWaiting = 48;

export interface MountOptions {
	/** The source column of findmnt. */
	readonly fsname: string;
	/** How long the kernel may keep names. */
	readonly entryTtlMs: number;
	/** How long it may keep attributes, sizes among them. */
	readonly attributesTtlMs: number;
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

/** A file system that is mounted. */
export interface Backend {
	/** Makes the kernel forget a name, for one that is gone. */
	invalidate(path: string): void;
	/** Ends the mount, even one that is in use. */
	unmount(): Promise<void>;
}
