/** What can be mounted: a machine, one that was saved, or several of both. */
import type { MountHandle } from "../fuse/serve.ts";
import type { JsonObject } from "../json.ts";
import type { Directory } from "../vfs/node.ts";

/** What the kernel knows of a subject: its names can be withdrawn, and it can be unmounted. */
export type NameHandle = Pick<
	MountHandle,
	"invalidate" | "invalidateAll" | "unmount"
>;

/** What is mounted: a root, and what stands behind it. */
export interface Subject {
	readonly root: Directory;
	/** The source column of findmnt. */
	readonly fsname: string;
	/** For people. */
	readonly title: () => string;
	/** What people should know of how it is reached, if anything. */
	readonly note?: () => string | undefined;
	/** For people: the title, and how it is. */
	readonly state: () => string;
	/** What `.qomfs/status` shows. */
	readonly status: () => JsonObject;
	/** Whether there is anything to see at the moment. */
	readonly isThere: () => boolean;
	open(): Promise<void>;
	/** Resolves after the first attempt; where that fails, it goes on by itself. */
	openEventually(): Promise<void>;
	/** Files that it has made, and that are to go with it however it ends. */
	litter(): readonly string[];
	/** From now on the kernel is told what it must forget, and the end of the subject ends the mount. */
	served(handle: NameHandle): void;
	/** @throws MountError when its end was the end of the mount */
	close(): Promise<void>;
}
