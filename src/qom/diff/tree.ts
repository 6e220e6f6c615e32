/** A machine's objects as a tree that can be compared: who is below whom, and who leads to whom. */
import type { ObjectDocument } from "../objectDocument.ts";
import { type QomPath, rootPath, splitPath } from "../path.ts";
import { parseType } from "../types.ts";

export interface TreeObject {
	readonly document: ObjectDocument;
	readonly path: QomPath;
	/** Empty for the root. */
	readonly name: string;
	readonly parent: TreeObject | undefined;
	readonly children: TreeObject[];
	/** Links to objects that are there. */
	readonly links: Map<string, TreeObject>;
	readonly incoming: { readonly source: TreeObject; readonly name: string }[];
}

/** All objects by their paths, a parent before its children. */
export type Tree = ReadonlyMap<QomPath, TreeObject>;

/** @param documents a parent before its children */
export function treeOf(documents: Iterable<ObjectDocument>): Tree {
	const tree = new Map<QomPath, TreeObject>();
	for (const document of documents) {
		const { path } = document;
		const [above, name] = splitPath(path);
		const parent = path === rootPath ? undefined : tree.get(above);
		const object: TreeObject = {
			...{ document, path, name, parent },
			...{ children: [], links: new Map(), incoming: [] },
		};
		parent?.children.push(object);
		tree.set(path, object);
	}
	for (const source of tree.values())
		for (const [name, { type, value }] of Object.entries(
			source.document.properties,
		)) {
			const target =
				typeof value === "string" && parseType(type).kind === "link"
					? tree.get(value)
					: undefined;
			if (!target) continue;
			source.links.set(name, target);
			target.incoming.push({ source, name });
		}
	return tree;
}

/** `device[3]` is `device[]`: its number says when it was made. Undefined where there is none. */
export function stemOf(name: string): string | undefined {
	return /^(.*)\[\d+\]$/s.exec(name)?.[1]?.concat("[]");
}
