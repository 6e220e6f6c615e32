/**
 * The benchmark's floor for the kernel's side: the tree of a machine, fetched once and then
 * served from memory by the bare binding. `node tools/memoryMount.ts SOCKET MOUNTPOINT`
 * prints `ready` when it is up.
 */
import Fuse from "fuse-native";
import { formatJson, type Json } from "../src/json.ts";
import { parseAddress } from "../src/qmp/address.ts";
import { RequestQueue } from "../src/qmp/requestQueue.ts";
import { connectSession } from "../src/qmp/session.ts";
import { LiveSource } from "../src/qom/live.ts";
import { joinPath, relativePath } from "../src/qom/path.ts";
import { parseType } from "../src/qom/types.ts";

interface MemoryNode {
	readonly mode: number;
	readonly bytes: Buffer;
	/** Names in a directory. */
	readonly names: string[];
}

const [socket = "", mountpoint = ""] = process.argv.slice(2);
const nodes = await load(socket);

const enoent = -2;
const attributes = ({ mode, bytes }: MemoryNode): Fuse.Stats => ({
	mode,
	size: bytes.length,
	nlink: 1,
	mtime: 0,
	ctime: 0,
	atime: 0,
});

const fuse = new Fuse(
	mountpoint,
	{
		getattr: (path, callback) => {
			const node = nodes.get(path ?? "");
			return node ? callback(0, attributes(node)) : callback(enoent);
		},
		readdir: (path, callback) => {
			const { names } = nodes.get(path ?? "") as MemoryNode;
			const modes = names.map((name) => ({
				mode: nodes.get(joinPath(path ?? "", name))?.mode ?? 0,
			}));
			callback(0, names, modes);
		},
		readlink: (path, callback) =>
			callback(0, nodes.get(path)?.bytes.toString() ?? ""),
		open: (_path, _flags, callback) => callback(0, 1),
		readBuffer: (path, _handle, length, position, callback) => {
			const at = Number(position);
			callback(0, nodes.get(path ?? "")?.bytes.subarray(at, at + length));
		},
		write: (_path, _handle, _buffer, length, _position, callback) =>
			callback(length),
		release: (_path, _handle, callback) => callback(0),
		getxattr: (_path, _name, _position, callback) => callback(0, null),
	},
	{
		subtype: "qomfs-memory",
		directIo: true,
		attrTimeout: 0.1,
		entryTimeout: 0.1,
		maxConcurrency: 64,
	},
);
fuse.mount((error) => {
	if (error) throw error;
	console.log("ready");
});
setInterval(() => {}, 2 ** 30);
process.once("SIGTERM", () =>
	setImmediate(() => fuse.unmount(() => process.exit(0))),
);

async function load(address: string): Promise<Map<string, MemoryNode>> {
	const session = await connectSession(parseAddress(address));
	const source = new LiveSource(new RequestQueue(session));
	await source.probe(session);
	const found = new Map<string, MemoryNode>();
	const text = (value: Json) =>
		typeof value === "string" ? value : formatJson(value);
	const walk = async (path: string) => {
		const object = (await source.contents([path])).get(path);
		if (!object || !("properties" in object)) return;
		const names = object.properties.map(({ name }) => name);
		found.set(path, { mode: 0o040755, bytes: Buffer.alloc(0), names });
		for (const { name, type } of object.properties) {
			const child = joinPath(path, name);
			const { kind } = parseType(type);
			if (kind === "child") {
				await walk(child);
				continue;
			}
			const value =
				object.values.get(name) ??
				(await source.get(path, name).catch(() => null));
			const bytes =
				kind === "link"
					? value === ""
						? "(unset)"
						: relativePath(path, String(value))
					: value === null
						? ""
						: `${text(value)}\n`;
			const mode = kind === "link" ? 0o120777 : 0o100644;
			found.set(child, { mode, bytes: Buffer.from(bytes), names: [] });
		}
	};
	await walk("/");
	await session.close();
	return found;
}
