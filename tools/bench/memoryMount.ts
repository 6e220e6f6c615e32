/**
 * The benchmark's floor for the kernel's side: a tree of `memoryTree.ts`, served from memory.
 * `node tools/bench/memoryMount.ts FILE MOUNTPOINT kernel|fuse-native` prints `ready` when it
 * is up, and unmounts at SIGTERM.
 */
import { readFileSync } from "node:fs";
import type { BackendName } from "../../src/fuse/backend.ts";
import { chooseBackend, serveFileSystem } from "../../src/fuse/serve.ts";
import { defaultFreshness, freshnessOf } from "../../src/machine/freshness.ts";
import type { FileHandle } from "../../src/vfs/fileHandle.ts";
import { snapshotHandle } from "../../src/vfs/fileHandle.ts";
import { FileSystem } from "../../src/vfs/fileSystem.ts";
import type { Directory, Node } from "../../src/vfs/node.ts";
import { Volume } from "../../src/vfs/volume.ts";
import { type MemoryNode, parseTree } from "./memoryTree.ts";

const [file = "", mountpoint = "", backend = ""] = process.argv.slice(2);
const kinds = { d: "directory", f: "file", l: "symlink" } as const;
const volume = new Volume({
	readOnly: false,
	unsafeWrites: false,
	mountpoint,
	mostWaiting: undefined,
	sinceMs: () => 0,
});
const root = nodeOf(parseTree(readFileSync(file)), "/") as Directory;
const handle = await serveFileSystem(
	new FileSystem(root),
	mountpoint,
	{
		...freshnessOf(defaultFreshness),
		fsname: "memory",
		requestTimeoutMs: 10_000,
		uid: 0,
		gid: 0,
		umask: 0,
		allowOther: false,
		allowRoot: false,
		defaultPermissions: false,
	},
	await chooseBackend(backend as BackendName),
);
process.once("SIGTERM", () => void handle.unmount());
console.log("ready");
await handle.ended;
process.exit();

function nodeOf({ kind, data, children }: MemoryNode, path: string): Node {
	const known = (mode: number) => ({
		kind: kinds[kind],
		mode,
		size: data.length,
		mtimeMs: 0,
	});
	const base = (mode: number) => ({
		volume,
		path,
		waits: false,
		known: () => known(mode),
		attributes: async () => known(mode),
	});
	if (kind === "d") {
		const entries = children.map((child) => ({
			name: child.name,
			node: nodeOf(child, `${path === "/" ? "" : path}/${child.name}`),
		}));
		const nodes = new Map(entries.map(({ name, node }) => [name, node]));
		return {
			...base(0o755),
			kind: "directory",
			lookup: async (name) => nodes.get(name),
			entries: async () => entries,
		};
	}
	if (kind === "l")
		return {
			...base(0o777),
			kind: "symlink",
			target: async () => data.toString(),
		};
	return {
		...base(0o644),
		kind: "file",
		open: async (): Promise<FileHandle> => ({
			...snapshotHandle(data),
			write: async () => {},
		}),
	};
}
