/** A tree in memory. */
import type { Directory } from "../../src/vfs/node.ts";
import { memoryRoot } from "../../tools/bench/memoryNodes.ts";
import type { MemoryNode } from "../../tools/bench/memoryTree.ts";

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
