/**
 * The benchmark's floor for the kernel's side: a tree of `memoryTree.ts`, served from memory.
 * `node tools/bench/memoryMount.ts FILE MOUNTPOINT kernel|fuse-native` prints `ready` when it
 * is up, and unmounts at SIGTERM.
 */
import { readFileSync } from "node:fs";
import type { BackendName } from "../../src/fuse/backend.ts";
import { chooseBackend, serveFileSystem } from "../../src/fuse/serve.ts";
import { FileSystem } from "../../src/vfs/fileSystem.ts";
import { memoryMountOptions, memoryRoot } from "./memoryNodes.ts";
import { parseTree } from "./memoryTree.ts";

const [file = "", mountpoint = "", backend = ""] = process.argv.slice(2);
const handle = await serveFileSystem(
	new FileSystem(memoryRoot(parseTree(readFileSync(file)))),
	mountpoint,
	memoryMountOptions,
	await chooseBackend(backend as BackendName),
);
process.once("SIGTERM", () => void handle.unmount());
console.log("ready");
await handle.ended;
process.exit();
