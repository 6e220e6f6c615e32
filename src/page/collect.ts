/** Makes the data of the page out of what is known of a machine. */
import { formatJson } from "../json.ts";
import { log } from "../log.ts";
import { formatValue } from "../qom/codec.ts";
import type {
	ComparedProperty,
	ObjectDifference,
} from "../qom/diff/compare.ts";
import { type Described, describeTypes } from "../qom/diff/defaults.ts";
import type {
	ObjectDocument,
	PropertyDocument,
} from "../qom/objectDocument.ts";
import type { SnapshotOrigin } from "../qom/snapshot/snapshot.ts";
import { SnapshotSource } from "../qom/snapshot/source.ts";
import {
	originOf,
	type SnapshotOptions,
	savedObjects,
} from "../qom/snapshot/take.ts";
import type { QomSource, TypeInfo } from "../qom/source.ts";
import { topologyOf } from "../qom/topology/buses.ts";
import { dotOf } from "../qom/topology/dot.ts";
import { memoryMap, type Region } from "../qom/topology/memory.ts";
import { parseType } from "../qom/types.ts";
import {
	type DescriptionEntry,
	type DifferenceEntry,
	type Kind,
	kinds,
	type MachineData,
	type ObjectEntry,
	type RegionEntry,
} from "./data.ts";
import { drawDot } from "./picture.ts";

/** A machine as it was when somebody looked at all of it. */
export interface SeenMachine {
	/** As it was named. */
	readonly name: string;
	readonly origin: SnapshotOrigin;
	readonly objects: readonly ObjectDocument[];
	readonly types: readonly TypeInfo[];
	/** As a source gives it. */
	readonly qtree: string;
	readonly described: Described;
}

/**
 * Looks at all of a machine.
 *
 * @param name of the source, as its user wrote it
 */
export async function seeMachine(
	name: string,
	source: QomSource,
	options: SnapshotOptions,
): Promise<SeenMachine> {
	const objects = await Array.fromAsync(savedObjects(source, options));
	return {
		...{ name, objects },
		origin: await originOf(source, options),
		types: await source.types(),
		qtree: await source.qtree(),
		described: await describeTypes(source, objects),
	};
}

export async function machineData(seen: SeenMachine): Promise<MachineData> {
	const { name, origin, objects, described } = seen;
	const saved = savedSource(seen);
	const words = new Words();
	const entries = objects.map((object) => objectEntry(object, words));
	return {
		source: name,
		machine: origin.machine ?? null,
		qemu: origin.qemu?.version ?? null,
		time: origin.time,
		words: words.list,
		objects: entries,
		descriptions: descriptionEntries(described),
		picture: await pictureOf(saved),
		memory: regionEntries(await memoryMap(saved)),
	};
}

/** Empty where it cannot be drawn: the rest of the page is worth having. */
async function pictureOf(source: QomSource): Promise<string> {
	const dot = dotOf(await topologyOf(source));
	return drawDot(dot).catch((error) => {
		log.cli("%O", error);
		return "";
	});
}

/** So that nothing is asked twice. */
function savedSource({
	origin,
	objects,
	types,
	qtree,
}: SeenMachine): QomSource {
	return new SnapshotSource({
		...origin,
		...{ types, qtree },
		objects: new Map(objects.map((object) => [object.path, object])),
		descriptions: undefined,
		interfaces: undefined,
	});
}

/** Texts by number. */
class Words {
	readonly list: string[] = [];
	readonly #places = new Map<string, number>();

	place(word: string): number {
		const known = this.#places.get(word);
		if (known !== undefined) return known;
		this.#places.set(word, this.list.length);
		return this.list.push(word) - 1;
	}
}

function objectEntry(
	{ path, type, properties }: ObjectDocument,
	words: Words,
): ObjectEntry {
	const list: (number | string)[] = [];
	for (const [name, property] of Object.entries(properties))
		list.push(
			words.place(name),
			words.place(property.type),
			...shownEntry(property),
		);
	return [path, words.place(type ?? ""), list];
}

/** Kind and text of one value, as in a {@link PropertyList}. */
export function shownEntry(
	property: PropertyDocument,
): readonly [kind: number, text: string] {
	const kind = kindOf(property);
	const { value, error } = property;
	const text =
		kind === "refused" || value === undefined
			? (error ?? "")
			: kind === "secret"
				? ""
				: formatValue(value);
	return [kinds.indexOf(kind), text];
}

function kindOf({ type, value, redacted }: PropertyDocument): Kind {
	if (redacted) return "secret";
	if (value === undefined) return "refused";
	const { kind } = parseType(type);
	if (kind !== "value") return kind;
	switch (typeof value) {
		case "string":
			return "text";
		case "boolean":
			return "boolean";
		case "number":
		case "bigint":
			return "number";
		default:
			return "json";
	}
}

function descriptionEntries(described: Described): MachineData["descriptions"] {
	return Object.fromEntries(
		[...described].map(([type, properties]) => [
			type,
			Object.fromEntries(
				[...properties].flatMap(([name, { description, defaultValue }]) => {
					const entry: DescriptionEntry = [
						description ?? null,
						defaultValue === undefined ? null : formatValue(defaultValue),
					];
					return entry.some((part) => part !== null) ? [[name, entry]] : [];
				}),
			),
		]),
	);
}

function regionEntries(spaces: readonly Region[]): readonly RegionEntry[] {
	const entries: RegionEntry[] = [];
	const add = (region: Region, depth: number): void => {
		const { path, start, size, overlaps, regions } = region;
		entries.push([path, `${start}`, `${size}`, depth, overlaps.length]);
		for (const each of regions) add(each, depth + 1);
	};
	// In an address space with one region, somebody else's is seen whole.
	for (const space of spaces) if (space.regions.length > 1) add(space, 0);
	return entries;
}

export function differenceEntries(
	differences: readonly ObjectDifference[],
): readonly DifferenceEntry[] {
	return differences.map(({ change, path, type, from, properties }) => ({
		...{ change, path, type },
		...(from !== undefined && { from }),
		properties: properties.map(
			({ name, before, after }) =>
				[name, textOf(before), textOf(after)] as const,
		),
	}));
}

function textOf(document: ComparedProperty | undefined): string | null {
	if (!document) return null;
	const { value, error, redacted } = document;
	if (redacted) return "<redacted>";
	return value === undefined ? `<${error}>` : formatValue(value);
}

/** As JSON that may stand in a page: no `<` that could end the element, no line that is none. */
export function embeddable(data: unknown): string {
	return formatJson(data as Parameters<typeof formatJson>[0]).replace(
		/[<\u2028\u2029]/g,
		(character) =>
			`\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
	);
}
