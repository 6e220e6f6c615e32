/** A way to the kernel: its options, and what a mount through it can do. */

/** `kernel`: the kernel's own protocol; `fuse-native`: the same through libfuse. */
export const backendNames = ["kernel", "fuse-native"] as const;
export type BackendName = (typeof backendNames)[number];

export interface MountOptions {
	/** The source column of findmnt. No comma, backslash or newline is in it. */
	readonly fsname: string;
	/** How long the kernel may keep names. */
	readonly entryTtlMs: number;
	/** How long it may keep attributes, sizes among them. */
	readonly attributesTtlMs: number;
	/** When the binding gives up on an answer; above every limit of ours. */
	readonly requestTimeoutMs: number;
	/** The kernel refuses every change by itself, and findmnt shows `ro`. */
	readonly readOnly: boolean;
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
	/** Makes it forget all names, for a machine that is another one. */
	invalidateAll(path?: string): Promise<void>;
	/** Lets go of the kernel: whoever still uses the mount gets errors from then on. */
	unmount(): Promise<void>;
}
