/** Machines against what their types say: values that are no defaults, and what two QEMUs can model. */
import { formatJson } from "../../json.ts";
import type { ObjectDocument } from "../objectDocument.ts";
import { naturally } from "../orderedSource.ts";
import type { Description, QomSource, TypeInfo } from "../source.ts";
import type {
	ComparedProperty,
	ObjectDifference,
	PropertyDifference,
} from "./compare.ts";
import { treeOf } from "./tree.ts";
import { volatileReason } from "./volatile.ts";

/** What is known of the properties of types. */
export type Described = ReadonlyMap<string, ReadonlyMap<string, Description>>;

/** What a source knows of the types that are in use; nothing, if it is a snapshot without that. */
export async function describeTypes(
	source: QomSource,
	objects: readonly ObjectDocument[],
): Promise<Described> {
	const described = new Map<string, ReadonlyMap<string, Description>>();
	for (const { type } of objects)
		if (type !== null && !described.has(type))
			described.set(type, (await source.describe(type)).properties);
	return described;
}

/** Whether nothing is known of any type. */
export function isUndescribed(described: Described): boolean {
	return [...described.values()].every(({ size }) => size === 0);
}

/** Whether the default of any property of a type is known. */
export function hasDefaults(described: Described, type: string): boolean {
	const properties = [...(described.get(type)?.values() ?? [])];
	return properties.some(({ defaultValue }) => defaultValue !== undefined);
}

/** Every value that is not the default of its type: the default is what it was before. */
export function differencesFromDefaults(
	objects: readonly ObjectDocument[],
	described: Described,
): readonly ObjectDifference[] {
	const tree = [...treeOf(objects).values()];
	return tree.flatMap((object): ObjectDifference[] => {
		const { path, type, properties } = object.document;
		const known = described.get(type ?? "");
		const changed = Object.entries(properties).flatMap(
			([name, after]): PropertyDifference[] => {
				const value = known?.get(name)?.defaultValue;
				if (value === undefined || after.value === undefined) return [];
				if (formatJson(value) === formatJson(after.value)) return [];
				const reason = volatileReason(object, name);
				const before = { type: after.type, value };
				return [
					{ name, before, after, ...(reason !== undefined && { reason }) },
				];
			},
		);
		return changed.length === 0
			? []
			: [{ change: "changed", path, type, properties: changed }];
	});
}

/** A QEMU as far as its types are concerned. */
export interface KnownTypes {
	readonly types: readonly TypeInfo[];
	readonly described: Described;
}

/**
 * What two QEMUs can model: types that only one has, other parents, and of the types that both
 * machines use the properties and the defaults. The path of a difference is the name of a type.
 */
export function differencesOfTypes(
	a: KnownTypes,
	b: KnownTypes,
): readonly ObjectDifference[] {
	const [before, after] = [parentsOf(a), parentsOf(b)];
	const names = new Set([...before.keys(), ...after.keys()]);
	return [...names].toSorted(naturally).flatMap((name): ObjectDifference[] => {
		const [parentBefore, parent] = [before.get(name), after.get(name)];
		if (parent === undefined || parentBefore === undefined)
			return [
				{
					change: parent === undefined ? "removed" : "added",
					path: name,
					type: parent ?? parentBefore ?? null,
					properties: [],
				},
			];
		const properties = propertiesOfType(
			a.described.get(name),
			b.described.get(name),
		);
		const isMoved = parent !== parentBefore;
		if (properties.length === 0 && !isMoved) return [];
		return [
			{
				...{ change: "changed", path: name, type: parent, properties },
				...(isMoved && { typeBefore: parentBefore }),
			},
		];
	});
}

/** Of some types those that both QEMUs have, if the properties of none of them can be compared. */
export function typesNotCompared(
	names: readonly string[],
	...sides: readonly [KnownTypes, KnownTypes]
): readonly string[] {
	const parents = sides.map(parentsOf);
	const shared = [...new Set(names)].filter((name) =>
		parents.every((known) => known.has(name)),
	);
	const isCompared = (name: string) =>
		sides.every(({ described }) => described.get(name)?.size);
	return shared.some(isCompared) ? [] : shared;
}

/** Names, and of each the parent; empty for what has none. */
function parentsOf({ types }: KnownTypes): ReadonlyMap<string, string> {
	return new Map(types.map(({ name, parent = "" }) => [name, parent]));
}

function propertiesOfType(
	before: ReadonlyMap<string, Description> | undefined,
	after: ReadonlyMap<string, Description> | undefined,
): readonly PropertyDifference[] {
	if (!before?.size || !after?.size) return [];
	const names = new Set([...before.keys(), ...after.keys()]);
	return [...names].toSorted(naturally).flatMap((name) => {
		const [early, late] = [before, after].map((properties) => {
			const known = properties.get(name);
			return known && documentOf(known);
		});
		// What the kind of value is called means nothing.
		const [a, b] = [early, late].map((each) => formatJson(each?.value ?? null));
		if (early && late && a === b) return [];
		return [
			{ name, ...(early && { before: early }), ...(late && { after: late }) },
		];
	});
}

/** What is known of a property of a type: there may be no default. */
function documentOf({ type, defaultValue }: Description): ComparedProperty {
	return {
		...(type !== undefined && { type }),
		...(defaultValue !== undefined && { value: defaultValue }),
	};
}
