/** A tree in memory as the nodes of a file system. */
import type { MountOptions } from "../../src/fuse/backend.ts";
import { defaultFreshness, freshnessOf } from "../../src/machine/freshness.ts";
import { snapshotHandle } from "../../src/vfs/fileHandle.ts";
import type { Directory, Entry, Node } from "../../src/vfs/node.ts";
import { Volume } from "../../src/vfs/volume.ts";
import type { MemoryNode } from "./memoryTree.ts";

const kinds = { d: "directory", f: "file", l: "symlink" } as const;

/** With the ages that a mount of a machine has by default. */
export const memoryMountOptions: MountOptions = {
	...freshnessOf(defaultFreshness),
	fsname: "memory",
	requestTimeoutMs: 10_000,
	uid: 0,
	gid: 0,
	umask: 0,
	allowOther: false,
	allowRoot: false,
	readOnly: false,
	defaultPermissions: false,
};

export function memoryRoot(tree: MemoryNode): Directory {
	const volume = new Volume({
		readOnly: false,
		unsafeWrites: false,
		hideUnreadable: false,
		mountpoint: "/",
		mostWaiting: undefined,
		sinceMs: () => 0,
	});
	return memoryNode(tree, "/", volume) as Directory;
}

/** What is written to a file is taken, and goes nowhere. */
function memoryNode(
	{ kind, data, children }: MemoryNode,
	path: string,
	volume: Volume,
): Node {
	const base = (mode: number) => {
		const size = data.length;
		const known = () => ({ kind: kinds[kind], mode, size, mtimeMs: 0 });
		return {
			...{ volume, path, waits: false, known },
			attributes: async () => known(),
		};
	};
	switch (kind) {
		case "d": {
			const nodes = new Map<string, Node>();
			const entries: Entry[] = children.map((child) => {
				const { name } = child;
				const childPath = `${path === "/" ? "" : path}/${name}`;
				const node = memoryNode(child, childPath, volume);
				nodes.set(name, node);
				return { name, node };
			});
			return {
				...base(0o755),
				kind: "directory",
				lookup: async (name) => nodes.get(name),
				entries: async () => entries,
			};
		}
		case "l":
			return {
				...base(0o777),
				kind: "symlink",
				target: async () => data.toString(),
			};
		case "f":
			return {
				...base(0o644),
				kind: "file",
				open: async () => ({ ...snapshotHandle(data), write: async () => {} }),
			};
	}
}
