/** Which objects of two trees look alike, alone or with all that is around them. */
import { formatJson } from "../../json.ts";
import { parseType } from "../types.ts";
import { stemOf, type TreeObject } from "./tree.ts";
import { volatileReason } from "./volatile.ts";

/** Its type, and all values that are its own; of a link only where it leads to nothing that is there. */
export function ownValues(object: TreeObject): string {
	const { type, properties } = object.document;
	const links = Object.entries(properties)
		.filter((entry) => parseType(entry[1].type).kind === "link")
		.map(([name, { value }]) => [
			stemOf(name) ?? name,
			object.links.has(name) ? null : (value ?? null),
		]);
	return formatJson([
		type,
		...[...scalarsOf(object), ...links]
			.map((entry) => formatJson(entry))
			.toSorted(),
	]);
}

/** The values as texts, without children, links, and what changes by itself. */
export function scalarsOf(object: TreeObject): ReadonlyMap<string, string> {
	const known = scalars.get(object);
	if (known) return known;
	const found = new Map<string, string>();
	for (const [name, property] of Object.entries(object.document.properties))
		if (
			parseType(property.type).kind === "value" &&
			name !== "type" &&
			!volatileReason(object, name)
		)
			found.set(name, formatJson(property.value ?? property.error ?? null));
	scalars.set(object, found);
	return found;
}

const scalars = new WeakMap<TreeObject, ReadonlyMap<string, string>>();

/** Objects of the same colour look the same, with all that is around them. */
export type Colours = ReadonlyMap<TreeObject, number>;

/**
 * Colour refinement: objects begin with a colour for their values, and get a new one for the colours
 * around them, until no more objects are told apart. What is paired already keeps a colour of its own.
 *
 * @param objects of both trees
 */
export function coloursOf(
	objects: readonly TreeObject[],
	partnerOf: (object: TreeObject) => TreeObject | undefined,
): Colours {
	const fixed = new Map<TreeObject, string>();
	for (const object of objects) {
		const partner = partnerOf(object);
		if (!partner || fixed.has(object)) continue;
		fixed.set(object, object.path);
		fixed.set(partner, object.path);
	}
	let colours = interned(objects, (object) => {
		const { name } = object;
		return fixed.get(object) ?? `${stemOf(name) ?? name} ${ownValues(object)}`;
	});
	for (let [round, count] = [0, 0]; ; round++) {
		const earlier = colours;
		const of = (object: TreeObject) => earlier.get(object);
		const around = ({ parent, children, links, incoming }: TreeObject) => [
			parent && of(parent),
			...children
				.map((child) => `c ${stemOf(child.name) ?? child.name} ${of(child)}`)
				.toSorted(),
			...[...links]
				.map(([name, target]) => `l ${stemOf(name) ?? name} ${of(target)}`)
				.toSorted(),
			...incoming
				.map(({ source, name }) => `i ${stemOf(name) ?? name} ${of(source)}`)
				.toSorted(),
		];
		colours = interned(
			objects,
			(object) =>
				fixed.get(object) ?? [of(object), ...around(object)].join("\n"),
		);
		const told = new Set(colours.values()).size;
		if (told === count || round === mostRounds) return colours;
		count = told;
	}
}

/** Whoever is farther away says little, and long chains would take long. */
const mostRounds = 20;

/** A number for each text. */
function interned(
	objects: readonly TreeObject[],
	textOf: (object: TreeObject) => string,
): Map<TreeObject, number> {
	const numbers = new Map<string, number>();
	return new Map(
		objects.map((object) => {
			const text = textOf(object);
			const number = numbers.get(text) ?? numbers.size;
			numbers.set(text, number);
			return [object, number];
		}),
	);
}
