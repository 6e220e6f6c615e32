/** Names for completion that only the running machine knows. */
import { isObject, type Json, type JsonObject } from "../json.ts";
import { joinPath, rootPath, splitPath } from "../qom/path.ts";
import { parseType } from "../qom/types.ts";

/** Asks QEMU. */
export type Ask = (command: string, args?: JsonObject) => Promise<Json>;

/** An argument that is being typed. */
export interface LiveArgument {
	readonly command: string;
	readonly name: string;
	/** As far as it is typed. */
	readonly text: string;
	/** The other arguments, as typed. */
	readonly others: ReadonlyMap<string, string>;
}

type Source = (ask: Ask, argument: LiveArgument) => Promise<readonly string[]>;

/** By the names that QEMU gives arguments. */
const sources: Readonly<Record<string, Source>> = {
	path: (ask, { text }) => pathsLike(ask, text),
	"qom-path": (ask, { text }) => pathsLike(ask, text),
	property: async (ask, { others }) =>
		namesIn(ask, others.get("path") ?? "", ({ kind }) => kind !== "child"),
	id: async (ask, { command }) => {
		if (/[-_]add$/.test(command)) return [];
		const places = [
			...(command.startsWith("device") ? [] : ["/objects"]),
			...(command.startsWith("object") ? [] : ["/machine/peripheral"]),
		];
		return (
			await Promise.all(places.map((place) => children(ask, place)))
		).flat();
	},
	device: async (ask) => [
		...(await children(ask, "/machine/peripheral")),
		...textsOf(await ask("query-block"), "device"),
	],
	driver: (ask, { command }) =>
		command === "device_add" ? typesOf(ask, "device") : Promise.resolve([]),
	typename: (ask) => typesOf(ask, "object"),
	"node-name": nodeNames,
	node: nodeNames,
	drive: nodeNames,
	iothread: async (ask) => textsOf(await ask("query-iothreads"), "id"),
	chardev: async (ask) => textsOf(await ask("query-chardev"), "label"),
};

/** The values that an argument could have; none where QEMU does not tell. */
export async function liveNames(
	ask: Ask,
	argument: LiveArgument,
): Promise<readonly string[]> {
	const source = Object.hasOwn(sources, argument.name)
		? sources[argument.name]
		: undefined;
	if (!source) return [];
	return source(ask, argument).catch(() => []);
}

/** The objects beside the one that is being typed. */
export async function pathsLike(
	ask: Ask,
	text: string,
): Promise<readonly string[]> {
	const parent = text.startsWith("/") ? splitPath(text)[0] : rootPath;
	const names = await namesIn(ask, parent, ({ kind }) => kind !== "value");
	return names.map((name) => joinPath(parent, name));
}

export function children(ask: Ask, path: string): Promise<readonly string[]> {
	return namesIn(ask, path, ({ kind }) => kind === "child");
}

async function namesIn(
	ask: Ask,
	path: string,
	isWanted: (type: ReturnType<typeof parseType>) => boolean,
): Promise<readonly string[]> {
	const entries = objectsOf(await ask("qom-list", { path }).catch(() => []));
	return entries
		.filter(({ type }) => isWanted(parseType(String(type))))
		.map(({ name }) => String(name));
}

async function typesOf(ask: Ask, type: string): Promise<readonly string[]> {
	const args = { implements: type, abstract: false };
	return textsOf(await ask("qom-list-types", args), "name");
}

async function nodeNames(ask: Ask): Promise<readonly string[]> {
	const nodes = await ask("query-named-block-nodes", { flat: true });
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
