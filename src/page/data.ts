/** What the page shows, as it is written into it. Compact, for a machine has up to 60,000 properties. */

/** How a value shows: `data.kinds[kind]`. */
export const kinds = [
	"text",
	"number",
	"boolean",
	"json",
	"link",
	"child",
	"refused",
	"secret",
] as const;

export type Kind = (typeof kinds)[number];

/**
 * Four entries for each property: its name and its type, both as places in `words`, its kind as a place in
 * `kinds`, and its text: the value, a path, or why there is none.
 */
export type PropertyList = readonly (number | string)[];

/** Path, type as a place in `words`, properties. A parent comes before its children. */
export type ObjectEntry = readonly [
	path: string,
	type: number,
	properties: PropertyList,
];

/** What a type tells of a property; null where it tells nothing. */
export type DescriptionEntry = readonly [
	description: string | null,
	defaultValue: string | null,
];

/** A region of memory, its first address and its size in decimal, and how deep it lies in others. */
export type RegionEntry = readonly [
	path: string,
	start: string,
	size: string,
	depth: number,
	overlaps: number,
];

export interface MachineData {
	/** As it was named. */
	readonly source: string;
	/** `pc-q35-7.2-machine`; null where there is none. */
	readonly machine: string | null;
	/** `7.2.22`; null where nobody knows. */
	readonly qemu: string | null;
	/** When it was looked at, in ISO 8601. */
	readonly time: string;
	/** Names and types, each once. */
	readonly words: readonly string[];
	readonly objects: readonly ObjectEntry[];
	/** Type, then property. */
	readonly descriptions: Readonly<
		Record<string, Readonly<Record<string, DescriptionEntry>>>
	>;
	/** The buses as an SVG. */
	readonly picture: string;
	readonly memory: readonly RegionEntry[];
}

export interface DifferenceEntry {
	readonly change: "added" | "removed" | "changed" | "renumbered";
	readonly path: string;
	readonly type: string | null;
	/** Its path in the first machine, where it has another one there. */
	readonly from?: string;
	/** Name, value before, value after; null where there is none. */
	readonly properties: readonly (readonly [
		name: string,
		before: string | null,
		after: string | null,
	])[];
}

export interface PageData {
	/** The one that is shown; with two sources the second. */
	readonly machine: MachineData;
	/** With two sources: of what it differs, and how. */
	readonly before?: { readonly source: string; readonly title: string };
	readonly differences?: readonly DifferenceEntry[];
	/** Whether there is a server behind the page, and what it does. */
	readonly live?: { readonly isWritable: boolean };
}
