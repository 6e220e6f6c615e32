/** What is different between two machines, or between two moments of one. */
import { formatJson, type Json } from "../../json.ts";
import type { ValueDocument } from "../contents.ts";
import type { ObjectDocument, PropertyDocument } from "../objectDocument.ts";
import { naturally } from "../orderedSource.ts";
import type { QomPath } from "../path.ts";
import { parseType } from "../types.ts";
import { type Matching, matchTrees } from "./match.ts";
import { stemOf, type TreeObject, treeOf } from "./tree.ts";
import { volatileReason } from "./volatile.ts";

/** A property as one side has it: of an object, or of a type with its default. */
export type ComparedProperty = { readonly type?: string } & ValueDocument;

/** A property of two objects that are the same one. */
export type PropertyDifference = {
	/** In the second machine, or in the first where it is gone there. */
	readonly name: string;
	/** In the first machine, where it has another number there. */
	readonly from?: string;
	/** In the first machine; undefined where it is new. */
	readonly before?: ComparedProperty;
	/** In the second machine; undefined where it is gone. */
	readonly after?: ComparedProperty;
	/** Why it means nothing: it changes by itself, or follows from what is told of objects. */
	readonly reason?: string;
};

/** Whether an object is new or gone, with all that it has. */
export function isWhole({ change }: ObjectDifference): boolean {
	return change === "added" || change === "removed";
}

export type ObjectDifference = {
	readonly change: "added" | "removed" | "changed" | "renumbered";
	/** In the second machine, or in the first where it is gone there. */
	readonly path: QomPath;
	/** Its path in the first machine, where it has another one there. */
	readonly from?: QomPath;
	readonly type: string | null;
	/** Its type in the first machine, where it has another one there. */
	readonly typeBefore?: string | null;
	/** Of one that is new or gone, all that it has or had. */
	readonly properties: readonly PropertyDifference[];
};

/**
 * All differences, by paths in natural order.
 *
 * @param before every object of the first machine, a parent before its children
 * @param after those of the second one
 */
export function compare(
	before: Iterable<ObjectDocument>,
	after: Iterable<ObjectDocument>,
): readonly ObjectDifference[] {
	const [a, b] = [treeOf(before), treeOf(after)];
	const matching = matchTrees(a, b);
	const changes = new Map<TreeObject, ObjectDifference>();
	for (const object of b.values()) {
		const partner = matching.partner(object);
		const change = partner
			? changeOf(partner, object, matching, changes)
			: wholeOf(object, "added");
		if (change) changes.set(object, change);
	}
	const removed = [...a.values()]
		.filter((object) => !matching.partner(object))
		.map((object) => wholeOf(object, "removed"));
	return [...changes.values(), ...removed].toSorted((a, b) =>
		naturally(a.path, b.path),
	);
}

function wholeOf(
	{ path, document: { type, properties } }: TreeObject,
	change: "added" | "removed",
): ObjectDifference {
	return {
		...{ change, path, type },
		properties: Object.entries(properties).map(([name, property]) => ({
			name,
			[change === "added" ? "after" : "before"]: property,
		})),
	};
}

function changeOf(
	a: TreeObject,
	b: TreeObject,
	matching: Matching,
	changes: ReadonlyMap<TreeObject, ObjectDifference>,
): ObjectDifference | undefined {
	const above = b.parent && changes.get(b.parent);
	const properties = withEchoes(
		propertyDifferences(a, b, matching),
		above && above.change !== "added" ? above.properties : [],
	);
	const { path, document } = b;
	const typeBefore = a.document.type;
	const isRetyped = typeBefore !== document.type;
	if (properties.length === 0 && a.path === path && !isRetyped)
		return undefined;
	return {
		change: properties.length > 0 || isRetyped ? "changed" : "renumbered",
		path,
		...(a.path !== path && { from: a.path }),
		type: document.type,
		...(isRetyped && { typeBefore }),
		properties,
	};
}

/**
 * Many properties are another name of one that is told already: `sse4_1` of `sse4-1`, and those of a
 * virtio device of its back end's.
 */
function withEchoes(
	properties: readonly PropertyDifference[],
	ofParent: readonly PropertyDifference[],
): readonly PropertyDifference[] {
	if (properties.length === 0) return properties;
	const names = new Set(properties.map(({ name }) => name));
	const told = new Map(
		ofParent
			.filter(({ name }) => names.has(name))
			.map((each) => [formatChange(each), isOfParent]),
	);
	return properties
		.toSorted((a, b) => naturally(a.name, b.name))
		.map((each) => {
			const text = formatChange({
				...each,
				name: each.name.replace(/[._]/g, "-"),
			});
			const reason =
				each.reason ?? told.get(formatChange(each)) ?? told.get(text);
			told.set(text, isOtherSpelling);
			return reason === undefined ? each : { ...each, reason };
		});
}

function formatChange({ name, before, after }: PropertyDifference): string {
	return formatJson([name, before ?? null, after ?? null]);
}

const isOfParent = "the same as of the object above";
const isOtherSpelling = "another name of the same";
const isRenumbered = "it leads to the same object as before";
const isOtherType = "the same value, whose type has another name";
const isWithObject = "it leads to an object that is new or gone";

function propertyDifferences(
	a: TreeObject,
	b: TreeObject,
	matching: Matching,
): readonly PropertyDifference[] {
	const before = ownProperties(a);
	const after = ownProperties(b);
	const renumbered = renumberedLinks(a, b, matching);
	const taken = new Set(renumbered.values());
	const found: PropertyDifference[] = [];
	for (const [name, property] of after) {
		const isNumberedLink = stemOf(name) !== undefined && b.links.has(name);
		const from =
			renumbered.get(name) ??
			(taken.has(name) || isNumberedLink ? undefined : name);
		const earlier = from === undefined ? undefined : before.get(from);
		if (from !== undefined) before.delete(from);
		const isSame =
			from !== undefined &&
			earlier !== undefined &&
			isSameProperty(a.links.get(from), earlier, b.links.get(name), property);
		if (isSame && from === name) continue;
		const reason = isSame
			? isRenumbered
			: (reasonOf(name, [
					from === undefined ? undefined : a.links.get(from),
					b.links.get(name),
				]) ?? (isOnlyRetyped(earlier, property) ? isOtherType : undefined));
		found.push({
			name,
			...(from !== undefined && from !== name && { from }),
			...(earlier && { before: earlier }),
			after: property,
			...(reason !== undefined && { reason }),
		});
	}
	for (const [name, property] of before) {
		const reason = reasonOf(name, [a.links.get(name)]);
		found.push({
			...{ name, before: property },
			...(reason !== undefined && { reason }),
		});
	}
	return found;

	function isSameProperty(
		targetBefore: TreeObject | undefined,
		before: PropertyDocument,
		targetAfter: TreeObject | undefined,
		after: PropertyDocument,
	): boolean {
		if (before.type !== after.type) return false;
		const partner = targetBefore && matching.partner(targetBefore);
		return partner || (targetBefore && targetAfter)
			? partner === targetAfter
			: isSameValue(before, after);
	}

	function reasonOf(
		name: string,
		links: readonly (TreeObject | undefined)[],
	): string | undefined {
		const targets = links.filter((target) => target !== undefined);
		return stemOf(name) !== undefined &&
			targets.length > 0 &&
			targets.every((target) => !matching.partner(target))
			? isWithObject
			: volatileReason(b, name);
	}
}

/** Whether QEMU only calls the kind of value by another name. */
function isOnlyRetyped(
	before: PropertyDocument | undefined,
	after: PropertyDocument,
): boolean {
	return (
		before !== undefined &&
		before.value !== undefined &&
		isSameValue(before, after)
	);
}

/** A secret that is not known may be any. */
function isSameValue(a: PropertyDocument, b: PropertyDocument): boolean {
	if (a.redacted || b.redacted) return true;
	return a.error === b.error && sameJson(a.value, b.value);
}

function sameJson(a: Json | undefined, b: Json | undefined): boolean {
	if (a === undefined || b === undefined) return a === b;
	return formatJson(a) === formatJson(b);
}

/** Links with a number by their names in the second machine: the names in the first one. */
function renumberedLinks(
	a: TreeObject,
	b: TreeObject,
	matching: Matching,
): ReadonlyMap<string, string> {
	const names = new Map<string, string>();
	const keyOf = (name: string, target: TreeObject | undefined) =>
		`${stemOf(name)} ${target?.path}`;
	const free = Map.groupBy(
		[...a.links].filter(([name]) => stemOf(name) !== undefined),
		([name, target]) => keyOf(name, matching.partner(target)),
	);
	for (const [name, target] of b.links) {
		const fitting = free.get(keyOf(name, target)) ?? [];
		// The one of the same number first.
		const same = fitting.findIndex(([other]) => other === name);
		const [found] = fitting.splice(Math.max(0, same), 1);
		if (found) names.set(name, found[0]);
	}
	return names;
}

/** Without the children, and the type, which are told as objects. */
function ownProperties({
	document: { properties },
}: TreeObject): Map<string, PropertyDocument> {
	return new Map(
		Object.entries(properties).filter(
			([name, { type }]) => name !== "type" && parseType(type).kind !== "child",
		),
	);
}
