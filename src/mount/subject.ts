/** What can be mounted: a machine, or one that was saved. */
import type { MountHandle } from "../fuse/serve.ts";
import type { Directory } from "../vfs/node.ts";

/** What is mounted: a root, and what stands behind it. */
export interface Subject {
	readonly root: Directory;
	/** The source column of findmnt. */
	readonly fsname: string;
	/** For people. */
	readonly title: () => string;
	/** For people: the title, and how it is. */
	readonly state: () => string;
	open(): Promise<void>;
	/** Files that it has made, and that are to go with it however it ends. */
	litter(): readonly string[];
	/** From now on the kernel is told what it must forget, and the end of the subject ends the mount. */
	served(handle: MountHandle): void;
	/** @throws MountError when its end was the end of the mount */
	close(): Promise<void>;
}
