/** A tree in memory, and how it is mounted. */
import type { MountOptions } from "../../src/fuse/backend.ts";
import type { Directory } from "../../src/vfs/node.ts";
import { memoryRoot } from "../../tools/bench/memoryNodes.ts";
import type { MemoryNode } from "../../tools/bench/memoryTree.ts";

export const mountOptions: MountOptions = {
	fsname: "test",
	entryTtlMs: 100,
	attributesTtlMs: 100,
	requestTimeoutMs: 1000,
	uid: 0,
	gid: 0,
	umask: 0,
	allowOther: false,
	allowRoot: false,
	defaultPermissions: false,
};

const file = (name: string, text: string): MemoryNode => ({
	...{ kind: "f", name, data: Buffer.from(text), children: [] },
});
const directory = (name: string, ...children: MemoryNode[]): MemoryNode => ({
	...{ kind: "d", name, data: Buffer.alloc(0), children },
});
const tree = directory(
	"",
	file("one", "1\n"),
	file("two", "22\n"),
	directory("below", file("three", "333\n")),
	{ kind: "l", name: "link", data: Buffer.from("below"), children: [] },
);

/** `one`, `two`, `below/three` and `link`, which leads to `below`. */
export function smallRoot(): Directory {
	return memoryRoot(tree);
}
