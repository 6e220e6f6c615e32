/**
 * Which object of one machine is which of another. A path says it, as far as it has no number in it:
 * `device[3]` is the fourth device that was made, and another one as soon as one more is made before it.
 * Such objects are known by what they are, by what is in them, and by who leads to them.
 */
import { rootPath } from "../path.ts";
import { type Colours, coloursOf, ownValues, scalarsOf } from "./colours.ts";
import { stemOf, type Tree, type TreeObject } from "./tree.ts";

export class Matching {
	readonly #partners = new Map<TreeObject, TreeObject>();

	/** The same object in the other tree; undefined where that has none, or it is not known yet. */
	partner(object: TreeObject): TreeObject | undefined {
		return this.#partners.get(object);
	}

	pair(a: TreeObject, b: TreeObject): void {
		this.#partners.set(a, b);
		this.#partners.set(b, a);
	}
}

export function matchTrees(a: Tree, b: Tree): Matching {
	const matching = new Matching();
	const [rootA, rootB] = [a.get(rootPath), b.get(rootPath)];
	if (!rootA || !rootB) return matching;
	pairByNames(rootA, rootB, matching);
	const objects = [...a.values(), ...b.values()];
	pairNumbered(
		rootA,
		rootB,
		matching,
		coloursOf(objects, (object) => matching.partner(object)),
	);
	return matching;
}

/** Pairs two objects, and what is below them as far as names tell. */
function pairByNames(a: TreeObject, b: TreeObject, matching: Matching): void {
	const waiting: [TreeObject, TreeObject][] = [[a, b]];
	for (let next = waiting.pop(); next; next = waiting.pop()) {
		const [a, b] = next;
		matching.pair(a, b);
		const others = new Map(b.children.map((child) => [child.name, child]));
		for (const child of a.children) {
			const other = others.get(child.name);
			if (other && stemOf(child.name) === undefined)
				waiting.push([child, other]);
		}
	}
}

/**
 * Pairs what has numbers, from the top down, because what is above a pair has to be one. The keys that
 * say more are tried everywhere first, for who is paired already helps to tell the others.
 */
function pairNumbered(
	rootA: TreeObject,
	rootB: TreeObject,
	matching: Matching,
	colours: Colours,
): void {
	const keys = keysOf(colours);
	for (const level of keys.keys()) {
		const waiting: [TreeObject, TreeObject][] = [[rootA, rootB]];
		for (const [a, b] of waiting) {
			const groupsB = groupsOf(b);
			for (const [stem, groupA] of groupsOf(a))
				for (const key of keys.slice(0, level + 1))
					pairGroup(groupA, groupsB.get(stem) ?? [], key, matching);
			for (const child of a.children) {
				const partner = matching.partner(child);
				if (partner) waiting.push([child, partner]);
			}
		}
	}
}

/** The numbered children by the rest of their names. */
function groupsOf({ children }: TreeObject): Map<string, TreeObject[]> {
	const groups = Map.groupBy(children, ({ name }) => stemOf(name) ?? "");
	groups.delete("");
	return groups;
}

/** One way to tell who is who: only those of the same value can be the same object. */
interface Key {
	readonly keyOf: (object: TreeObject) => unknown;
	/** How alike two of them have to be, between 0 and 1; undefined where they are alike by the key. */
	readonly least?: number;
	/** How many properties they have to have in common at least. */
	readonly fewest?: number;
}

function keysOf(colours: Colours): readonly Key[] {
	return [
		{ keyOf: (object) => colours.get(object) },
		{ keyOf: ownValues },
		{ keyOf: ({ document }) => document.type, least: 0 },
		// Another model of the same thing, such as a CPU.
		{ keyOf: () => "", least: 0.8, fewest: 20 },
	];
}

function pairGroup(
	groupA: readonly TreeObject[],
	groupB: readonly TreeObject[],
	{ keyOf, least, fewest = 0 }: Key,
	matching: Matching,
): void {
	const left = (group: readonly TreeObject[]) =>
		Map.groupBy(
			group.filter((object) => !matching.partner(object)),
			keyOf,
		);
	const leftB = left(groupB);
	for (const [value, listA] of left(groupA)) {
		const listB = leftB.get(value) ?? [];
		const isTooMany = listA.length * listB.length > mostComparisons;
		if (least === undefined || isTooMany) pairInOrder(listA, listB, matching);
		else pairLikeliest(listA, listB, { least, fewest }, matching);
	}
}

/** More would take seconds; then the order alone tells. */
const mostComparisons = 40_000;

/** They are alike; who leads to whom tells the rest, and where that says nothing, their order. */
function pairInOrder(
	listA: readonly TreeObject[],
	listB: readonly TreeObject[],
	matching: Matching,
): void {
	const free = new Map(listB.map((b) => [b.name, b]));
	for (const a of listA) {
		const candidates = new Set(
			[
				// The one of the same number first: then fewer are renumbered.
				free.get(a.name),
				...linkedLike(a, matching),
				...firstOf(free.values(), mostTried),
			].filter((b) => b !== undefined && free.get(b.name) === b),
		);
		const most = a.links.size + a.incoming.length;
		let best: TreeObject | undefined;
		let highest = Number.NEGATIVE_INFINITY;
		for (const b of candidates) {
			const score = b ? agreement(a, b, matching) : highest;
			if (score <= highest) continue;
			[best, highest] = [b, score];
			if (score === most) break;
		}
		if (!best) return;
		free.delete(best.name);
		pairByNames(a, best, matching);
	}
}

/** Of so many that are alike in themselves, and to which no link leads. */
const mostTried = 64;

function firstOf<Item>(items: Iterable<Item>, count: number): Item[] {
	const first: Item[] = [];
	for (const item of items) if (first.push(item) === count) break;
	return first;
}

/** What the same link of the same object leads to, in the other tree. */
function linkedLike(
	a: TreeObject,
	matching: Matching,
): readonly (TreeObject | undefined)[] {
	return a.incoming
		.slice(0, mostTried)
		.map(({ source, name }) => matching.partner(source)?.links.get(name));
}

function pairLikeliest(
	listA: readonly TreeObject[],
	listB: readonly TreeObject[],
	{ least, fewest }: { readonly least: number; readonly fewest: number },
	matching: Matching,
): void {
	const scores = listA
		.flatMap((a, i) =>
			listB.map((b, j) => {
				const alike = likeness(a, b, fewest);
				const score = agreement(a, b, matching) + 10 * alike;
				return { a, b, alike, score, distance: Math.abs(i - j) };
			}),
		)
		.filter(({ alike }) => alike >= least)
		.sort((x, y) => y.score - x.score || x.distance - y.distance);
	for (const { a, b } of scores)
		if (!matching.partner(a) && !matching.partner(b))
			pairByNames(a, b, matching);
}

/** How many links of two objects lead to the same, or come from the same, less those that do not. */
function agreement(a: TreeObject, b: TreeObject, matching: Matching): number {
	let score = 0;
	const compare = (
		partner: TreeObject | undefined,
		isSame: (partner: TreeObject) => boolean,
	) => {
		if (partner) score += isSame(partner) ? 1 : -1;
	};
	for (const [name, target] of a.links)
		compare(matching.partner(target), (partner) =>
			stemOf(name) === undefined
				? b.links.get(name) === partner
				: [...b.links.values()].includes(partner),
		);
	for (const { source, name } of a.incoming)
		compare(matching.partner(source), (partner) =>
			b.incoming.some(
				(other) =>
					other.source === partner &&
					(stemOf(other.name) ?? other.name) === (stemOf(name) ?? name),
			),
		);
	return score;
}

/** What tells one device from another of its type: who stands behind it, and where it is. */
const weights: readonly (readonly [property: RegExp, weight: number])[] = [
	[
		/^(id|mac|drive|netdev|chardev|serial|device_id|wwn|guid|uuid|memdev|filename|socket)$/,
		16,
	],
	[
		/^(addr|address|busnr|port|slot|chassis|bus|unit|index|lun|scsi-id|irq|i?o?base|apic-id|mp-affinity|hartid|(socket|die|cluster|core|thread|node|cpu)-(id|index))$/,
		4,
	],
];

/** QEMU numbers the network cards that nobody gave an address. */
const numberedMac = /^"52:54:00:12:34:/;

function weightOf(
	name: string,
	values: readonly (string | undefined)[],
): number {
	if (values.every((value) => value !== undefined && numberedMac.test(value)))
		return 1;
	return weights.find(([property]) => property.test(name))?.[1] ?? 1;
}

/**
 * The share of their values that two objects have in common, between 0 and 1.
 *
 * @param fewest 0 if they have fewer properties in common
 */
function likeness(a: TreeObject, b: TreeObject, fewest: number): number {
	const valuesA = scalarsOf(a);
	const valuesB = scalarsOf(b);
	let all = 0;
	let shared = 0;
	let common = 0;
	for (const name of new Set([...valuesA.keys(), ...valuesB.keys()])) {
		const values = [valuesA.get(name), valuesB.get(name)];
		const weight = weightOf(name, values);
		all += weight;
		if (values[0] === values[1]) shared += weight;
		if (!values.includes(undefined)) common++;
	}
	if (common < fewest) return 0;
	return all === 0 ? 1 : shared / all;
}
