/**
 * What the kernel holds: it knows a node by a number, which it was told with an entry, and lets
 * go of it by FORGET. A number is never used again, so one that the kernel still holds cannot
 * come to mean something else.
 */
import { FileError } from "../../errors.ts";
import type { OpenFile } from "../../vfs/fileSystem.ts";
import type { Directory, Node } from "../../vfs/node.ts";
import { rootId } from "./abi.ts";

export interface HeldNode {
	readonly id: number;
	readonly name: string;
	/** Undefined for the root. */
	readonly parent: HeldNode | undefined;
	/** As it was found last: a type may have changed meanwhile. */
	node: Node;
	/** How often the kernel was told its number, less what it has forgotten. */
	lookups: number;
	/** What the kernel was told of a directory's names. */
	readonly children: Map<string, HeldNode> | undefined;
	/** The size that the kernel was told last, where it was told one. */
	toldSize?: number | undefined;
	/** What was opened last of it, and still is open. */
	newestOpen?: OpenFile | undefined;
}

export class NodeTable {
	readonly root: HeldNode;
	readonly #held = new Map<number, HeldNode>();
	#lastId = rootId;

	constructor(root: Directory) {
		this.root = newNode(rootId, "", undefined, root);
		this.#held.set(rootId, this.root);
	}

	/** How many the kernel holds, the root among them. */
	get size(): number {
		return this.#held.size;
	}

	/** @throws FileError the kernel was not told of it */
	get(id: number): HeldNode {
		const held = this.#held.get(id);
		if (!held) throw new FileError("EIO", `the kernel asks for node ${id}`);
		return held;
	}

	/**
	 * What a name stands for, to be told to the kernel: `remember` counts it once that is done.
	 * The same number as before, if it is of the same kind.
	 */
	place(parent: HeldNode, name: string, node: Node): HeldNode {
		const before = parent.children?.get(name);
		if (before?.node.kind === node.kind) {
			before.node = node;
			return before;
		}
		return newNode(++this.#lastId, name, parent, node);
	}

	/** The kernel has been told of a node that `place` gave. */
	remember(held: HeldNode): void {
		held.lookups++;
		if (held.lookups > 1) return;
		this.#held.set(held.id, held);
		held.parent?.children?.set(held.name, held);
	}

	/** The kernel lets go of what it was told so many times. */
	forget(id: number, lookups: number): void {
		const held = this.#held.get(id);
		if (!held || id === rootId) return;
		held.lookups -= lookups;
		if (held.lookups > 0) return;
		this.#held.delete(id);
		this.detach(held);
	}

	/** What the kernel was told under a path; undefined where it does not know it. */
	find(names: readonly string[]): HeldNode | undefined {
		let held: HeldNode | undefined = this.root;
		for (const name of names) held = held?.children?.get(name);
		return held;
	}

	/** The name stands for something else from now on, or for nothing; its node stays. */
	detach(held: HeldNode): void {
		const siblings = held.parent?.children;
		if (siblings?.get(held.name) === held) siblings.delete(held.name);
	}
}

function newNode(
	id: number,
	name: string,
	parent: HeldNode | undefined,
	node: Node,
): HeldNode {
	const children = node.kind === "directory" ? new Map() : undefined;
	return { id, name, parent, node, lookups: 0, children };
}
