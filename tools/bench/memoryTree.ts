/**
 * The tree of a machine as a file, so that programs in any language can serve it from memory.
 * One record follows the other, a directory before what is in it:
 * `KIND DEPTH NAME_BYTES DATA_BYTES\n`, the name, the data, `\n`. KIND is `d`, `f` or `l`; the data
 * of `l` is the link's target. The root has depth 0 and no name.
 */
import { formatJson, type Json } from "../../src/json.ts";
import type { LiveSource } from "../../src/qom/live.ts";
import {
	joinPath,
	type QomPath,
	relativePath,
	rootPath,
} from "../../src/qom/path.ts";
import { parseType } from "../../src/qom/types.ts";

export interface MemoryNode {
	readonly kind: "d" | "f" | "l";
	readonly name: string;
	readonly data: Buffer;
	readonly children: MemoryNode[];
}

/** Reads a whole machine. */
export async function readMachine(source: LiveSource): Promise<MemoryNode> {
	const text = (value: Json) =>
		typeof value === "string" ? value : formatJson(value);
	const walk = async (path: QomPath, name: string): Promise<MemoryNode> => {
		const directory = newNode("d", name, "");
		const object = (await source.contents([path])).get(path);
		if (!object || !("properties" in object)) return directory;
		for (const { name: property, type } of object.properties) {
			const { kind } = parseType(type);
			if (kind === "child") {
				directory.children.push(await walk(joinPath(path, property), property));
				continue;
			}
			const value =
				object.values.get(property) ??
				(await source.get(path, property).catch(() => null));
			if (kind === "link") {
				const target =
					value === "" ? "(unset)" : relativePath(path, String(value));
				directory.children.push(newNode("l", property, target));
			} else {
				const line = value === null ? "" : `${text(value)}\n`;
				directory.children.push(newNode("f", property, line));
			}
		}
		return directory;
	};
	return walk(rootPath, "");
}

function newNode(
	kind: MemoryNode["kind"],
	name: string,
	data: string | Buffer,
): MemoryNode {
	return { kind, name, data: Buffer.from(data), children: [] };
}

export function formatTree(root: MemoryNode): Buffer {
	const records: Buffer[] = [];
	const add = ({ kind, name, data, children }: MemoryNode, depth: number) => {
		const nameBytes = Buffer.byteLength(name);
		records.push(
			Buffer.from(`${kind} ${depth} ${nameBytes} ${data.length}\n${name}`),
			data,
			Buffer.from("\n"),
		);
		for (const child of children) add(child, depth + 1);
	};
	add(root, 0);
	return Buffer.concat(records);
}

export function parseTree(bytes: Buffer): MemoryNode {
	const ancestors: MemoryNode[] = [];
	for (let at = 0; at < bytes.length; ) {
		const nameAt = bytes.indexOf("\n", at) + 1;
		const header = bytes.toString("utf8", at, nameAt - 1).split(" ");
		const [depth = 0, nameBytes = 0, dataBytes = 0] = header
			.slice(1)
			.map(Number);
		const dataAt = nameAt + nameBytes;
		const node = newNode(
			header[0] as MemoryNode["kind"],
			bytes.toString("utf8", nameAt, dataAt),
			bytes.subarray(dataAt, dataAt + dataBytes),
		);
		ancestors.length = depth;
		ancestors.at(-1)?.children.push(node);
		ancestors.push(node);
		at = dataAt + dataBytes + 1;
	}
	const [root] = ancestors;
	if (!root) throw new Error("an empty tree");
	return root;
}
