/** What is different between two trees of objects. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Json } from "../../src/json.ts";
import { compare, type ObjectDifference } from "../../src/qom/diff/compare.ts";
import { differencesOfTypes } from "../../src/qom/diff/defaults.ts";
import type {
	ObjectDocument,
	PropertyDocument,
} from "../../src/qom/objectDocument.ts";
import { joinPath, splitPath } from "../../src/qom/path.ts";
import type { Description } from "../../src/qom/source.ts";
import { parseType } from "../../src/qom/types.ts";
import { randomTree, renumbered } from "../support/randomTrees.ts";

const runs = Number(process.env.QOMFS_PROPERTY_RUNS ?? 300);

/** A tree without its order. */
function asMap(documents: Iterable<ObjectDocument>) {
	return new Map(
		[...documents].map(({ path, type, properties }) => [
			path,
			{ type, properties: new Map(Object.entries(properties)) },
		]),
	);
}

/** Makes the second tree from the first and what is different. */
function applied(
	before: readonly ObjectDocument[],
	differences: readonly ObjectDifference[],
): ReturnType<typeof asMap> {
	const isGone = new Set(
		differences.flatMap(({ change, path }) =>
			change === "removed" ? [path] : [],
		),
	);
	const changed = new Map(
		differences.flatMap((each) =>
			each.change === "changed" || each.change === "renumbered"
				? [[each.from ?? each.path, each] as const]
				: [],
		),
	);
	const newPaths = new Map(
		before
			.filter(({ path }) => !isGone.has(path))
			.map(({ path }) => [path, changed.get(path)?.path ?? path]),
	);
	const after = new Map<
		string,
		{ type: string | null; properties: Map<string, PropertyDocument> }
	>();
	const put = (
		path: string,
		type: string | null,
		properties: [string, PropertyDocument][],
	) => after.set(path, { type, properties: new Map(properties) });
	for (const { change, path, type, properties } of differences)
		if (change === "added")
			put(
				path,
				type,
				properties.map(({ name, after }) => [name, after as PropertyDocument]),
			);
	for (const { path, type, properties } of before) {
		const newPath = newPaths.get(path);
		if (newPath === undefined) continue;
		const difference = changed.get(path);
		const own = new Map<string, PropertyDocument>();
		const known = new Map(Object.entries(properties));
		for (const { name, from = name, before } of difference?.properties ?? [])
			if (before) known.delete(from);
		for (const [name, property] of known) {
			const { kind } = parseType(property.type);
			// What a link leads to is the same object, wherever that is now; children are told as objects.
			if (kind === "link")
				own.set(name, {
					...property,
					value:
						newPaths.get(String(property.value)) ?? (property.value as string),
				});
			else if (kind === "value") own.set(name, property);
		}
		for (const { name, after } of difference?.properties ?? [])
			if (after) own.set(name, after as PropertyDocument);
		const newType = difference ? difference.type : type;
		own.set("type", { type: "string", value: newType });
		put(newPath, newType, [...own]);
	}
	for (const [path, { type }] of after) {
		if (path === "/") continue;
		const [parent, name] = splitPath(path);
		after
			.get(parent)
			?.properties.set(name, { type: `child<${type}>`, value: path });
	}
	return after;
}

const seed = fc.infiniteStream(fc.nat(1000));

describe("the difference of two trees", () => {
	it("is empty for a tree and itself", () => {
		fc.assert(
			fc.property(randomTree, (tree) => {
				expect(compare(tree, structuredClone(tree))).toEqual([]);
			}),
			{ numRuns: runs },
		);
	});

	it("makes the second tree from the first one", () => {
		fc.assert(
			fc.property(randomTree, randomTree, (a, b) => {
				expect(applied(a, compare(a, b))).toEqual(asMap(b));
			}),
			{ numRuns: runs },
		);
	});

	it("makes the second tree from the first one where one is the other with some objects less", () => {
		fc.assert(
			fc.property(randomTree, seed, fc.nat(5), (tree, numbers, count) => {
				const below = (most: number) => (numbers.next().value ?? 0) % most;
				let less = renumbered(tree, below);
				for (let each = 0; each < count && less.length > 1; each++) {
					const gone = less[1 + below(less.length - 1)]?.path ?? "";
					less = without(less, gone);
				}
				expect(applied(tree, compare(tree, less))).toEqual(asMap(less));
				expect(applied(less, compare(less, tree))).toEqual(asMap(tree));
			}),
			{ numRuns: runs },
		);
	});

	it("is only new numbers if the numbers of a tree are shuffled", () => {
		fc.assert(
			fc.property(randomTree, seed, (tree, numbers) => {
				const other = renumbered(
					tree,
					(below) => (numbers.next().value ?? 0) % below,
				);
				for (const each of compare(tree, other)) {
					expect(each).toMatchObject({ change: "renumbered", properties: [] });
					expect(each.from).toBeDefined();
					expect(each.typeBefore).toBeUndefined();
				}
			}),
			{ numRuns: runs },
		);
	});
});

/** A tree without an object and all below it. */
function without(
	tree: readonly ObjectDocument[],
	gone: string,
): readonly ObjectDocument[] {
	const isGone = (path: string) => path === gone || path.startsWith(`${gone}/`);
	return tree
		.filter(({ path }) => !isGone(path))
		.map((document) => ({
			...document,
			properties: Object.fromEntries(
				Object.entries(document.properties).filter(
					([name, { type }]) =>
						!type.startsWith("child<") ||
						!isGone(joinPath(document.path, name)),
				),
			),
		}));
}

describe("the difference of two types", () => {
	it("has of a property what is known: its type, and its default if there is one", () => {
		const known = (properties: Record<string, Description>) => ({
			types: [{ name: "t", parent: "object", isAbstract: false }],
			described: new Map([["t", new Map(Object.entries(properties))]]),
		});
		const property = (type?: string, defaultValue?: Json) => ({
			...{ type, defaultValue, description: undefined },
		});
		const before = known({
			changed: property("uint32", 1),
			retyped: property("uint32", 1),
			without: property("int"),
		});
		const after = known({
			added: property("int"),
			changed: property("int32", -1),
			retyped: property("int32", 1),
			unknown: property(),
			without: property("int"),
		});
		const [found] = differencesOfTypes(before, after);
		expect(found?.properties).toEqual([
			{ name: "added", after: { type: "int" } },
			{
				...{ name: "changed", before: { type: "uint32", value: 1 } },
				after: { type: "int32", value: -1 },
			},
			{ name: "unknown", after: {} },
		]);
	});
});
