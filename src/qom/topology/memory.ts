/** Where memory regions lie: the map of an address space. */
import { QomfsError } from "../../errors.ts";
import type { Json } from "../../json.ts";
import type { QomPath } from "../path.ts";
import type { QomSource } from "../source.ts";
import { type SurveyedObject, survey, valueIn } from "./survey.ts";

/** A region, and those in it by address. */
export interface Region {
	readonly path: QomPath;
	/** Its first address in the whole space. */
	readonly start: bigint;
	/** In bytes, up to 2^64. */
	readonly size: bigint;
	/** Of several at one address the one of the highest number is seen. */
	readonly priority: number;
	/** Those beside it that it shares addresses with, 100 at most. */
	readonly overlaps: readonly QomPath[];
	readonly regions: readonly Region[];
}

const regionType = "memory-region";

/** The deepest map that was seen has 7 levels. */
const deepest = 500;

/** QEMU writes the size of everything so. */
const wholeSpace = 2n ** 64n;

interface Place {
	readonly path: QomPath;
	readonly offset: bigint;
	readonly size: bigint;
	readonly priority: number;
}

/**
 * The address spaces of a machine, by their topmost regions: memory, ports, and what single devices see.
 * Those in which nothing lies are left out. Aliases are there, what they lead to QOM does not tell.
 */
export async function memoryMap(
	source: QomSource,
	objects?: ReadonlyMap<QomPath, SurveyedObject>,
): Promise<readonly Region[]> {
	const surveyed =
		objects ??
		(await survey(
			source,
			// Elsewhere each value is a command of its own, and a listing would be one more.
			(type) => source.givesValues && type === regionType,
		));
	const places = new Map<QomPath, Place>();
	const members = new Map<QomPath, Place[]>();
	const tops: Place[] = [];
	for (const object of surveyed.values()) {
		if (object.type !== regionType) continue;
		const place = await placeOf(source, object);
		places.set(place.path, place);
		const container = await valueIn(source, object, "container");
		if (typeof container !== "string" || container === "") tops.push(place);
		else {
			const others = members.get(container);
			if (others) others.push(place);
			else members.set(container, [place]);
		}
	}
	const seen = new Set<QomPath>();
	const regionAt = (place: Place, base: bigint, depth = 0): Region => {
		if (depth > deepest)
			throw new QomfsError(
				`${place.path}: memory regions in memory regions, more than ${deepest} levels deep; this is no QEMU`,
			);
		seen.add(place.path);
		const start = base + place.offset;
		const inside = (members.get(place.path) ?? []).filter(
			({ path }) => !seen.has(path), // a machine that is none could go round in circles
		);
		const regions = inside
			.map((each) => regionAt(each, start, depth + 1))
			.sort(byAddress);
		return {
			...{ path: place.path, start, size: place.size },
			...{ priority: place.priority, overlaps: [] },
			regions: withOverlaps(regions),
		};
	};
	return tops
		.filter(({ path }) => members.has(path))
		.map((top) => regionAt(top, 0n));
}

async function placeOf(
	source: QomSource,
	object: SurveyedObject,
): Promise<Place> {
	const value = async (name: string) =>
		integerOf(await valueIn(source, object, name));
	const size = await value("size");
	return {
		path: object.path,
		offset: await value("addr"),
		size: size === wholeSpace - 1n ? wholeSpace : size,
		priority: Number(BigInt.asIntN(32, await value("priority"))),
	};
}

function integerOf(value: Json | undefined): bigint {
	return typeof value === "bigint" || Number.isInteger(value)
		? BigInt(value as bigint | number)
		: 0n;
}

function byAddress(a: Region, b: Region): number {
	if (a.start !== b.start) return a.start < b.start ? -1 : 1;
	return b.priority - a.priority;
}

/** So many are named at most. */
const mostOverlaps = 100;

/** @param regions by address */
function withOverlaps(regions: readonly Region[]): readonly Region[] {
	const overlaps = new Map<Region, QomPath[]>(
		regions.map((each) => [each, []]),
	);
	const note = (region: Region, other: Region) => {
		const known = overlaps.get(region);
		if (known && known.length < mostOverlaps) known.push(other.path);
	};
	/** Those that reach to where the next one begins, or further. */
	let open: Region[] = [];
	for (const region of regions) {
		open = open.filter(({ start, size }) => start + size > region.start);
		if (region.size === 0n) continue;
		for (const other of open) {
			note(region, other);
			note(other, region);
		}
		open.push(region);
	}
	return regions.map((region) => ({
		...region,
		overlaps: overlaps.get(region) ?? [],
	}));
}
