import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type HeldNode, NodeTable } from "../../../src/fuse/kernel/nodes.ts";
import type { Directory, Node } from "../../../src/vfs/node.ts";

const directory = () => ({ kind: "directory" }) as Directory;
const file = () => ({ kind: "file" }) as Node;

/** What the kernel holds of one node. */
interface Held {
	readonly id: number;
	readonly parent: number;
	readonly name: string;
	node: Node;
	lookups: number;
}

/** The kernel, and all that it was ever told. */
class Model {
	readonly table = new NodeTable(directory());
	readonly held = new Map<number, Held>();
	readonly #everTold = new Set<number>([1]);

	/** LOOKUP, or an entry of READDIRPLUS. */
	tell(parentChoice: number, name: string, node: Node): void {
		const parent = this.#chosen(parentChoice, ({ node }) => {
			return node.kind === "directory";
		});
		const parentId = parent?.id ?? 1;
		const held = this.table.place(this.table.get(parentId), name, node);
		this.table.remember(held);
		const before = this.held.get(held.id);
		if (before) {
			expect([before.parent, before.name]).toEqual([parentId, name]);
			expect(before.node.kind).toBe(node.kind);
			before.node = node;
			before.lookups++;
			return;
		}
		expect(this.#everTold).not.toContain(held.id);
		this.#everTold.add(held.id);
		const { id } = held;
		this.held.set(id, { id, parent: parentId, name, node, lookups: 1 });
	}

	/** The kernel lets go of a parent only after its children. */
	forget(choice: number, count: number): void {
		const held = this.#chosen(choice, ({ id }) =>
			[...this.held.values()].every(({ parent }) => parent !== id),
		);
		if (!held) return;
		const lookups = Math.min(count, held.lookups);
		held.lookups -= lookups;
		this.table.forget(held.id, lookups);
		if (held.lookups === 0) this.held.delete(held.id);
	}

	/** What it is called is gone, or something else from now on. */
	detach(choice: number): void {
		const held = this.#chosen(choice, () => true);
		if (held) this.table.detach(this.table.get(held.id));
	}

	check(): void {
		expect(this.table.size).toBe(1 + this.held.size);
		for (const { id, node, name } of this.held.values())
			expect(this.table.get(id)).toMatchObject({ id, node, name });
	}

	#chosen(choice: number, isMeant: (held: Held) => boolean): Held | undefined {
		const meant = [...this.held.values()].filter(isMeant);
		return meant[choice % Math.max(1, meant.length)];
	}
}

const operation = fc.oneof(
	{
		weight: 3,
		arbitrary: fc
			.tuple(fc.nat(20), fc.constantFrom("a", "b", "c"), fc.boolean())
			.map(
				([parent, name, isDirectory]) =>
					(model: Model) =>
						model.tell(parent, name, isDirectory ? directory() : file()),
			),
	},
	{
		weight: 2,
		arbitrary: fc.tuple(fc.nat(20), fc.integer({ min: 1, max: 3 })).map(
			([choice, count]) =>
				(model: Model) =>
					model.forget(choice, count),
		),
	},
	{
		weight: 1,
		arbitrary: fc.nat(20).map((choice) => (model: Model) => {
			model.detach(choice);
		}),
	},
);

describe("what the kernel holds", () => {
	it("means the same until it lets go, and no number is used again", () => {
		fc.assert(
			fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
				const model = new Model();
				for (const operate of operations) {
					operate(model);
					model.check();
				}
				while (model.held.size > 0) model.forget(0, 1000);
				model.check();
				expect(model.table.root.children?.size).toBe(0);
			}),
			{ numRuns: 500 },
		);
	});

	it("is found by its path, and no more once the name is gone", () => {
		const table = new NodeTable(directory());
		const told = (parent: HeldNode, name: string, node: Node) => {
			const held = table.place(parent, name, node);
			table.remember(held);
			return held;
		};
		const a = told(table.root, "a", directory());
		const b = told(a, "b", file());
		expect(table.find([])).toBe(table.root);
		expect(table.find(["a", "b"])).toBe(b);
		expect(table.find(["a", "b", "c"])).toBeUndefined();
		table.detach(b);
		expect(table.find(["a", "b"])).toBeUndefined();
		expect(table.get(b.id)).toBe(b);
	});

	it("counts only what the kernel was told", () => {
		const table = new NodeTable(directory());
		const held = table.place(table.root, "a", file());
		expect(() => table.get(held.id)).toThrow("the kernel asks for node");
		expect(table.size).toBe(1);
	});

	it("is never let go of for the root", () => {
		const table = new NodeTable(directory());
		table.forget(table.root.id, 1000);
		expect(table.get(table.root.id)).toBe(table.root);
	});
});
