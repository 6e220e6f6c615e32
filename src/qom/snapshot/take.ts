/** Saves a machine: the whole tree in one pass, as lines that are written while QEMU is asked. */
import { formatJson, type Json, type JsonObject } from "../../json.ts";
import { propertyValue, shownValue } from "../contents.ts";
import { inOrder } from "../inOrder.ts";
import { type ObjectDocument, objectDocument } from "../objectDocument.ts";
import { type QomPath, rootPath, splitPath } from "../path.ts";
import type { Description, QomSource } from "../source.ts";
import { shortQtree } from "../topology/qtree.ts";
import { walkLevels } from "../walk.ts";
import {
	type SavedQemu,
	type SnapshotOrigin,
	snapshotFormat,
	snapshotVersion,
	typesBelow,
} from "./snapshot.ts";

export interface SnapshotOptions {
	/** Of what runs the machine. */
	readonly qemu?: SavedQemu | undefined;
	/** Of when it is, in ISO 8601, if not of now. */
	readonly time?: string;
	/** Whether to save what QEMU knows of the types in use, and what implements each interface. */
	readonly describes?: boolean;
	readonly withSecrets?: boolean;
	readonly onProgress?: (progress: SnapshotProgress) => void;
}

/** How far it is. */
export interface SnapshotProgress {
	readonly done: number;
	/** It may grow, as long as not every object is known. */
	readonly total: number;
}

/** What a source is, and of when. */
export async function originOf(
	source: QomSource,
	{ qemu, time = new Date().toISOString() }: SnapshotOptions,
): Promise<SnapshotOrigin> {
	const machine = await propertyValue(source, "/machine", "type");
	return {
		time,
		qemu,
		machine: typeof machine === "string" ? machine : undefined,
	};
}

/**
 * The text of a snapshot, piece by piece: one line for each object, a parent before its children.
 *
 * @throws QomfsError
 */
export async function* takeSnapshot(
	source: QomSource,
	options: SnapshotOptions = {},
): AsyncGenerator<string> {
	// All of these are asked for at once: none depends on another.
	const objects = savedObjects(source, options);
	const [{ time, qemu, machine }, types, qtree, first] = await Promise.all([
		originOf(source, options),
		source.types(),
		source.qtree(),
		objects.next(),
	]);
	const member = (name: string, value: Json) =>
		`,\n${formatJson(name)}:${formatJson(value)}`;
	yield `{"format":${formatJson(snapshotFormat)},"version":${snapshotVersion}`;
	yield member("time", time);
	yield member("qemu", qemu ?? null);
	yield member("machine", machine ?? null);
	yield member(
		"types",
		types.map(({ name, parent, isAbstract }) => ({
			name,
			...(parent !== undefined && { parent }),
			...(isAbstract && { abstract: true }),
		})),
	);
	yield member("qtree", shortQtree(qtree));
	yield `,\n"objects":[`;
	const typesInUse = new Set<string>();
	let end = "\n";
	for (let next = first; !next.done; next = await objects.next()) {
		const object = next.value;
		if (object.type !== null) typesInUse.add(object.type);
		yield end + formatJson(object);
		end = ",\n";
	}
	yield "\n]";
	if (options.describes) {
		yield member("descriptions", await descriptionsOf(source, typesInUse));
		const interfaces: Record<string, readonly string[]> = {};
		for (const name of typesBelow("interface", types))
			interfaces[name] = await implementers(source, name);
		yield member("interfaces", interfaces);
	}
	yield "\n}\n";
}

/** So many objects at a time keep QEMU busy, however far away it is. */
const maxAtOnce = 32;

/** Every object of a machine as a document, a parent before its children. */
export async function* savedObjects(
	source: QomSource,
	{ withSecrets = false, onProgress }: SnapshotOptions = {},
): AsyncGenerator<ObjectDocument> {
	const found = walkLevels(source, rootPath);
	// Where each value takes a command, that is what takes the time, and their number is known first.
	const objects = source.givesValues ? found : await Array.fromAsync(found);
	const weightOf = (count: number) => (source.givesValues ? 1 : count);
	const whole = Array.isArray(objects)
		? objects.reduce((sum, each) => sum + each.contents.properties.length, 0)
		: undefined;
	let done = 0;
	const gone = new Set<QomPath>();
	const documented = inOrder(objects, maxAtOnce, async (object) => {
		const { path, type, contents } = object;
		// What its parent says of its type need not be asked again.
		const values =
			type === undefined
				? contents.values
				: new Map([["type", type] as const, ...contents.values]);
		const document = await objectDocument(
			source,
			path,
			{ ...contents, values },
			withSecrets ? propertyValue : shownValue,
		);
		return { ...object, document };
	});
	for await (const { contents, known, document } of documented) {
		const { path } = document;
		// What is in it went with it, though it may have been asked just before.
		const isLost = gone.has(splitPath(path)[0]) || isGone(document);
		if (source.givesValues || !isLost) yield document;
		else gone.add(path);
		done += weightOf(contents.properties.length);
		onProgress?.({ done, total: whole ?? known });
	}
}

/** Whether it was unplugged before its values were asked for. */
function isGone({ properties }: ObjectDocument): boolean {
	return Object.values(properties).some(
		({ refusal }) => refusal === "no such object",
	);
}

async function descriptionsOf(
	source: QomSource,
	types: ReadonlySet<string>,
): Promise<Json> {
	const described: [string, Json][] = [];
	for (const type of types)
		described.push([
			type,
			descriptionsJson((await source.describe(type)).properties),
		]);
	return Object.fromEntries(described);
}

/** The properties of a type in a document. */
export function descriptionsJson(
	properties: ReadonlyMap<string, Description>,
): JsonObject {
	return Object.fromEntries(
		[...properties].map(([name, { type, description, defaultValue }]) => [
			name,
			{
				...(type !== undefined && { type }),
				...(description !== undefined && { description }),
				...(defaultValue !== undefined && { default: defaultValue }),
			},
		]),
	);
}

async function implementers(
	source: QomSource,
	name: string,
): Promise<readonly string[]> {
	return (await source.types(name)).map((type) => type.name);
}
