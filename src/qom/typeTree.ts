/** The types of a QEMU by inheritance. */
import { naturally } from "./orderedSource.ts";
import type { TypeInfo } from "./source.ts";

/** What only tells what a type can do: nothing can be made of it. */
const interfaceBase = "interface";

export class TypeTree {
	readonly #types: ReadonlyMap<string, TypeInfo>;
	readonly #children: ReadonlyMap<string | undefined, readonly TypeInfo[]>;

	constructor(types: readonly TypeInfo[]) {
		this.#types = new Map(types.map((type) => [type.name, type]));
		this.#children = Map.groupBy(
			types.toSorted((a, b) => naturally(a.name, b.name)),
			({ parent }) => parent,
		);
	}

	get names(): readonly string[] {
		return [...this.#types.keys()];
	}

	get(name: string): TypeInfo | undefined {
		return this.#types.get(name);
	}

	/** Those derived from a type directly, in natural order; without one, those that everything comes from. */
	childrenOf(name: string | undefined): readonly TypeInfo[] {
		return this.#children.get(name) ?? [];
	}

	/** From the first type down to this one; empty where there is no such type. */
	ancestryOf(name: string): readonly string[] {
		const names: string[] = [];
		for (
			let type = this.#types.get(name);
			type && !names.includes(type.name);
			type = this.#types.get(type.parent ?? "")
		)
			names.unshift(type.name);
		return names;
	}

	/** Whether a type is another one or derived from it. */
	isDerived(name: string, base: string): boolean {
		return this.ancestryOf(name).includes(base);
	}

	isInterface(name: string): boolean {
		return this.isDerived(name, interfaceBase);
	}

	get interfaces(): readonly string[] {
		return this.names.filter(
			(name) => name !== interfaceBase && this.isInterface(name),
		);
	}
}
