/** Volumes and trees for tests, in process. */

import { CachedSource } from "../../src/cache/cachedSource.ts";
import type { QomSource } from "../../src/qom/source.ts";
import type { FileSystem } from "../../src/vfs/fileSystem.ts";
import type { Directory, Node } from "../../src/vfs/node.ts";
import { qomRoot } from "../../src/vfs/qomDirectory.ts";
import { Volume, type VolumeOptions } from "../../src/vfs/volume.ts";

export function volumeFor(options: Partial<VolumeOptions> = {}): Volume {
	return new Volume({
		readOnly: false,
		unsafeWrites: false,
		hideUnreadable: false,
		mountpoint: "/mnt",
		mostWaiting: 48,
		sinceMs: () => 0,
		...options,
	});
}

/** A source behind a cache that keeps nothing longer than it must. */
export function rootOf(
	source: QomSource,
	volume = volumeFor(),
	hidden: ReadonlyMap<string, Node> = new Map(),
): Directory {
	const cache = new CachedSource(source, { listTtlMs: 0, valueTtlMs: 0 });
	return qomRoot(cache, volume, hidden);
}

/** Walks a path name by name. */
export async function nodeAt(fs: FileSystem, path: string): Promise<Node> {
	let node: Node = fs.root;
	for (const name of path.split("/").filter((name) => name !== ""))
		node = await fs.lookup(node, name);
	return node;
}
