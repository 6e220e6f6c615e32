/**
 * Objects by what people know them by: `by-id/net0`, `by-type/virtio-net-pci/...`, `by-bus/pci/00:03.0`.
 * They are directories of links in a mount, and partial paths everywhere else.
 */
import { NoMatchError } from "../errors.ts";
import { nearest } from "../nearest.ts";
import { isFileName, joinPath, pathNames, type QomPath } from "./path.ts";
import { isPattern, matcher } from "./pattern.ts";
import type { QomSource } from "./source.ts";
import { type Bus, topologyOf } from "./topology/buses.ts";
import { survey } from "./topology/survey.ts";
import { parseType } from "./types.ts";

/** Objects, and names in names that lead to them. */
export type Places = ReadonlyMap<string, Places | QomPath>;

/** How each of them is found. */
export const placeFinders: ReadonlyMap<
	string,
	(source: QomSource) => Promise<Places>
> = new Map([
	["by-id", placesById],
	["by-type", placesByType],
	["by-bus", placesByBus],
]);

/** Where objects have ids: where several have the same, the first is meant. */
const namedObjects = [
	"/machine/peripheral",
	"/objects",
	"/chardevs",
	"/audiodevs",
] as const;

async function placesById(source: QomSource): Promise<Places> {
	const places = new Map<string, QomPath>();
	const found = await source.contents(namedObjects);
	for (const path of namedObjects) {
		const contents = found.get(path);
		if (!contents || !("properties" in contents)) continue;
		for (const { name, type } of contents.properties)
			if (parseType(type).kind === "child" && isFileName(name))
				if (!places.has(name)) places.set(name, joinPath(path, name));
	}
	return places;
}

/** Of an object's own type; its path is its name, with a colon for each slash. */
async function placesByType(source: QomSource): Promise<Places> {
	const places = new Map<string, Map<string, QomPath>>();
	for (const { path, type } of (await survey(source)).values())
		if (isFileName(type)) add(places, type, nameOf(path), path);
	return places;
}

async function placesByBus(source: QomSource): Promise<Places> {
	const places = new Map<string, Map<string, QomPath>>();
	const look = ({ kind, devices }: Bus): void => {
		for (const { address, path, buses } of devices) {
			if (address !== undefined) add(places, kind, address, path);
			buses.forEach(look);
		}
	};
	(await topologyOf(source)).buses.forEach(look);
	return places;
}

function add(
	places: Map<string, Map<string, QomPath>>,
	group: string,
	name: string,
	path: QomPath,
): void {
	const members = places.get(group) ?? new Map<string, QomPath>();
	places.set(group, members);
	if (isFileName(name) && !members.has(name)) members.set(name, path);
}

function nameOf(path: QomPath): string {
	return pathNames(path).join(":");
}

/** Whether a path begins in one of these directories, or as it stands in a mount. */
export function isPlace(path: string): boolean {
	return placeFinders.has(placeNames(path)[0] ?? "") && !path.startsWith("/");
}

/** A mount has these directories in `.qomfs`. */
function placeNames(path: string): readonly string[] {
	const names = pathNames(path);
	return names[0] === ".qomfs" ? names.slice(1) : names;
}

/**
 * The objects that a path into these directories means, which may be a pattern.
 *
 * @returns what is behind the name of an object is left as it is
 * @throws NoMatchError
 */
export async function placesOf(
	source: QomSource,
	path: string,
): Promise<readonly QomPath[]> {
	const [first = "", ...names] = placeNames(path);
	const all = await placeFinders.get(first)?.(source);
	const found = all ? pathsIn(all, names) : [];
	if (found.length > 0) return found;
	throw new NoMatchError(`${path}: no object matches${hintFor(all, names)}`);
}

/** A name in one of these directories. */
export interface PlaceEntry {
	readonly name: string;
	readonly isDirectory: boolean;
}

/** What is in one of these directories; undefined where the path means none. */
export async function placeEntries(
	source: QomSource,
	path: string,
): Promise<readonly PlaceEntry[] | undefined> {
	const [first = "", ...names] = placeNames(path);
	let places: Places | QomPath | undefined =
		await placeFinders.get(first)?.(source);
	for (const name of names) {
		if (places === undefined || typeof places === "string") return undefined;
		places = places.get(name);
	}
	if (places === undefined || typeof places === "string") return undefined;
	return [...places].map(([name, below]) => ({
		name,
		isDirectory: typeof below !== "string",
	}));
}

function pathsIn(
	places: Places | QomPath,
	[name, ...rest]: readonly string[],
): readonly QomPath[] {
	if (typeof places === "string")
		return [[places, ...(name === undefined ? [] : [name]), ...rest].join("/")];
	if (name === undefined) return [];
	const exact = places.get(name);
	if (exact !== undefined) return pathsIn(exact, rest);
	const matches = matcher(name);
	return [...places].flatMap(([other, below]) =>
		isPattern(name) && matches(other) ? pathsIn(below, rest) : [],
	);
}

const mostHints = 5;

/** The nearest names where the first unknown one stands, or some of those that are there. */
function hintFor(
	places: Places | QomPath | undefined,
	[name, ...rest]: readonly string[],
): string {
	if (places === undefined || typeof places === "string") return "";
	const below = name === undefined ? undefined : places.get(name);
	if (below !== undefined) return hintFor(below, rest);
	const names = [...places.keys()];
	const near = name === undefined ? [] : nearest(name, names);
	const hints = near.length > 0 ? near : names;
	const more = hints.length > mostHints ? ", ..." : "";
	return hints.length > 0
		? `; there is ${hints.slice(0, mostHints).join(", ")}${more}`
		: "";
}
