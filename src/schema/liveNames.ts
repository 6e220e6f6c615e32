/** Names for completion that only the running machine knows. */
import { isObject, type Json, type JsonObject } from "../json.ts";
import { joinPath, rootPath, splitPath } from "../qom/path.ts";
import { type PropertyType, parseType } from "../qom/types.ts";
import type { Execute } from "./request.ts";

/** An argument that is being typed. */
export interface LiveArgument {
	readonly command: string;
	readonly name: string;
	/** The text typed so far. */
	readonly text: string;
	/** The other arguments, as typed. */
	readonly others: ReadonlyMap<string, string>;
}

type Source = (
	execute: Execute,
	argument: LiveArgument,
) => Promise<readonly string[]>;

/** By QEMU's names of arguments. */
const sources: Readonly<Record<string, Source>> = {
	path: (execute, { text }) => pathsLike(execute, text),
	"qom-path": (execute, { text }) => pathsLike(execute, text),
	property: async (execute, { others }) =>
		namesIn(execute, others.get("path") ?? "", ({ kind }) => kind !== "child"),
	id: async (execute, { command }) => {
		if (/[-_]add$/.test(command)) return [];
		const places = [
			...(command.startsWith("device") ? [] : ["/objects"]),
			...(command.startsWith("object") ? [] : ["/machine/peripheral"]),
		];
		return (
			await Promise.all(places.map((place) => children(execute, place)))
		).flat();
	},
	device: async (execute) => [
		...(await children(execute, "/machine/peripheral")),
		...textsOf(await execute("query-block"), "device"),
	],
	driver: (execute, { command }) =>
		command === "device_add" ? typesOf(execute, "device") : Promise.resolve([]),
	typename: (execute) => typesOf(execute, "object"),
	bus: (execute) => busNames(execute),
	"node-name": nodeNames,
	node: nodeNames,
	drive: nodeNames,
	iothread: async (execute) => textsOf(await execute("query-iothreads"), "id"),
	chardev: async (execute) => textsOf(await execute("query-chardev"), "label"),
};

/** The values that an argument could have; none if QEMU does not know them. */
export async function liveNames(
	execute: Execute,
	argument: LiveArgument,
): Promise<readonly string[]> {
	const source = Object.hasOwn(sources, argument.name)
		? sources[argument.name]
		: undefined;
	if (!source) return [];
	return source(execute, argument).catch(() => []);
}

/** The objects in the same parent as the path that is being typed. */
export async function pathsLike(
	execute: Execute,
	text: string,
): Promise<readonly string[]> {
	const parent = text.startsWith("/") ? splitPath(text)[0] : rootPath;
	const names = await namesIn(execute, parent, ({ kind }) => kind !== "value");
	return names.map((name) => joinPath(parent, name));
}

/** The names of the children of an object; none if there is no such object. */
export function children(
	execute: Execute,
	path: string,
): Promise<readonly string[]> {
	return namesIn(execute, path, ({ kind }) => kind === "child");
}

async function namesIn(
	execute: Execute,
	path: string,
	isWanted: (type: PropertyType) => boolean,
): Promise<readonly string[]> {
	return (await entriesIn(execute, path))
		.filter(isWanted)
		.map(({ name }) => name);
}

/** None if there is no such object. */
async function entriesIn(
	execute: Execute,
	path: string,
): Promise<readonly (PropertyType & { readonly name: string })[]> {
	const entries = objectsOf(
		await execute("qom-list", { path }).catch(() => []),
	);
	return entries.map(({ name, type }) => ({
		...parseType(String(type)),
		name: String(name),
	}));
}

/** Buses can be anywhere. A larger machine takes too long for a TAB. */
const mostObjects = 5000;

/** The names of all buses. */
async function busNames(execute: Execute): Promise<readonly string[]> {
	const types = new Set(
		textsOf(await execute("qom-list-types", { implements: "bus" }), "name"),
	);
	const names: string[] = [];
	const waiting: string[] = [rootPath];
	for (const path of waiting) {
		for (const { name, kind, type } of await entriesIn(execute, path)) {
			if (kind !== "child") continue;
			if (types.has(type)) names.push(name);
			if (waiting.length < mostObjects) waiting.push(joinPath(path, name));
		}
	}
	return names;
}

/** All types that are derived from one and are not abstract. */
export async function typesOf(
	execute: Execute,
	type: string,
): Promise<readonly string[]> {
	const args = { implements: type, abstract: false };
	return textsOf(await execute("qom-list-types", args), "name");
}

async function nodeNames(execute: Execute): Promise<readonly string[]> {
	const nodes = await execute("query-named-block-nodes", { flat: true });
	return textsOf(nodes, "node-name");
}

function textsOf(list: Json, member: string): readonly string[] {
	return objectsOf(list)
		.map((item) => item[member])
		.filter((text): text is string => typeof text === "string" && text !== "");
}

function objectsOf(list: Json): readonly JsonObject[] {
	return Array.isArray(list) ? list.filter(isObject) : [];
}
