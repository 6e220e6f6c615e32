/** Trees of objects with numbers in their names, and what may happen to them. */
import fc from "fast-check";
import type { ObjectDocument } from "../../src/qom/objectDocument.ts";
import { joinPath, type QomPath, splitPath } from "../../src/qom/path.ts";

/** An object before it has a path. */
interface Shape {
	/** Which of the objects before it has it; for the first one without meaning. */
	readonly parent: number;
	readonly stem: string;
	readonly isNumbered: boolean;
	readonly type: string;
	readonly values: readonly (readonly [name: string, value: number])[];
	/** Which object each link leads to; beyond the last one it leads nowhere. */
	readonly links: readonly number[];
}

const shape: fc.Arbitrary<Shape> = fc.record({
	parent: fc.nat(1000),
	stem: fc.constantFrom("device", "irq"),
	isNumbered: fc.boolean(),
	type: fc.constantFrom("nic", "disk", "memory-region", "irq"),
	values: fc.uniqueArray(
		fc.tuple(fc.constantFrom("addr", "size", "mac"), fc.nat(2)),
		{ selector: ([name]) => name },
	),
	links: fc.array(fc.nat(30), { maxLength: 2 }),
});

/** Every object of a tree, a parent before its children. */
export const randomTree: fc.Arbitrary<readonly ObjectDocument[]> = fc
	.array(shape, { minLength: 1, maxLength: 30 })
	.map(documentsOf);

function documentsOf(shapes: readonly Shape[]): readonly ObjectDocument[] {
	const paths: QomPath[] = [];
	const used = new Map<string, number>();
	for (const [index, { parent, stem, isNumbered }] of shapes.entries()) {
		if (index === 0) {
			paths.push("/");
			continue;
		}
		const above = paths[parent % index] ?? "/";
		const key = `${above} ${stem} ${isNumbered}`;
		const count = used.get(key) ?? 0;
		used.set(key, count + 1);
		paths.push(
			joinPath(above, isNumbered ? `${stem}[${count}]` : `${stem}${count}`),
		);
	}
	return shapes.map(({ type, values, links }, index) => {
		const path = paths[index] ?? "/";
		const children = shapes.flatMap((child, other) => {
			const childPath = paths[other] ?? "/";
			return other > 0 && splitPath(childPath)[0] === path
				? [
						[
							splitPath(childPath)[1],
							{ type: `child<${child.type}>`, value: childPath },
						] as const,
					]
				: [];
		});
		return {
			...{ path, type },
			properties: Object.fromEntries([
				["type", { type: "string", value: type }] as const,
				...values.map(
					([name, value]) => [name, { type: "int", value }] as const,
				),
				...links.map(
					(to, link) =>
						[
							`link${link}`,
							{ type: "link<object>", value: paths[to] ?? "" },
						] as const,
				),
				...children,
			]),
		};
	});
}

/**
 * The same tree with other numbers: those of the children of one object with the same stem are shuffled.
 *
 * @param random gives numbers from 0 on, below what is asked
 */
export function renumbered(
	documents: readonly ObjectDocument[],
	random: (below: number) => number,
): readonly ObjectDocument[] {
	const names = new Map<QomPath, string>();
	const groups = Map.groupBy(documents, ({ path }) => {
		const [parent, name] = splitPath(path);
		const [, stem] = /^(.*)\[\d+\]$/s.exec(name) ?? [];
		return stem === undefined ? "" : joinPath(parent, stem);
	});
	groups.delete("");
	for (const group of groups.values()) {
		const free = group.map(({ path }) => splitPath(path)[1]);
		for (const { path } of group) {
			const [name = ""] = free.splice(random(free.length), 1);
			names.set(path, name);
		}
	}
	const newPath = (path: QomPath): QomPath => {
		if (path === "/") return path;
		const [parent, name] = splitPath(path);
		return joinPath(newPath(parent), names.get(path) ?? name);
	};
	return documents.map(({ path, type, properties }) => ({
		path: newPath(path),
		type,
		properties: Object.fromEntries(
			Object.entries(properties).map(([name, property]) => {
				const { value } = property;
				const isChild = property.type.startsWith("child<");
				const isLink = property.type.startsWith("link<") && value !== "";
				return [
					isChild ? (names.get(joinPath(path, name)) ?? name) : name,
					isChild || isLink
						? { ...property, value: newPath(String(value)) }
						: property,
				];
			}),
		),
	}));
}
