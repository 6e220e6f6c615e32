/** A machine that was saved: the form of the file, and how it is read. docs/snapshots.md describes it. */
import { SnapshotError } from "../../errors.ts";
import {
	isObject,
	type Json,
	type JsonObject,
	JsonSyntaxError,
	parseExact,
	parseJson,
} from "../../json.ts";
import type { ObjectDocument } from "../objectDocument.ts";
import { type QomPath, rootPath, splitPath } from "../path.ts";
import type { Description, TypeInfo } from "../source.ts";

/** What the first member of the file says. */
export const snapshotFormat = "qomfs-snapshot";

/** Raised when a file of the new form cannot be read as one of the old form. */
export const snapshotVersion = 1;

/** What ran the machine. */
export type SavedQemu = {
	/** `11.1.2` */
	readonly version: string;
	/** The distributor's own version, may be empty. */
	readonly package: string;
};

/** Where and when a snapshot comes from. */
export interface SnapshotOrigin {
	/** When it was begun, in ISO 8601. */
	readonly time: string;
	/** Undefined where nobody knows. */
	readonly qemu: SavedQemu | undefined;
	/** Type of the machine; undefined where there is none. */
	readonly machine: string | undefined;
}

export interface Snapshot extends SnapshotOrigin {
	readonly types: readonly TypeInfo[];
	/** As a {@link QomSource} gives it. */
	readonly qtree: string;
	readonly objects: ReadonlyMap<QomPath, ObjectDocument>;
	/** Of the types in use; undefined where it was saved without them. */
	readonly descriptions:
		| ReadonlyMap<string, ReadonlyMap<string, Description>>
		| undefined;
	/** What implements each interface; undefined where it was saved without them. */
	readonly interfaces: ReadonlyMap<string, readonly string[]> | undefined;
}

/**
 * Reads the text of a snapshot.
 *
 * @throws SnapshotError it is damaged, foreign, or of a newer qomfs; the message says where
 */
export function readSnapshot(text: string): Snapshot {
	const document = parse(text);
	if (!isObject(document) || document.format !== snapshotFormat)
		throw foreign();
	const { version } = document;
	if (version !== snapshotVersion)
		throw new SnapshotError(
			typeof version === "number" && version > snapshotVersion
				? `snapshot of version ${version}; this qomfs reads version ${snapshotVersion}, so a newer one is needed`
				: "damaged: version is not a number from 1 on",
		);
	const { time, machine, qemu, types, objects, qtree } = document;
	const { descriptions, interfaces } = document;
	return {
		time: isTime(time) ? time : wrong("time", "a time in ISO 8601"),
		machine: machine === null ? undefined : textAt(machine, "machine"),
		qemu: qemu === null ? undefined : readQemu(qemu),
		types: listAt(types, "types").map(readType),
		// The first files had none.
		qtree: qtree === undefined ? "" : textAt(qtree, "qtree"),
		objects: readObjects(listAt(objects, "objects")),
		descriptions:
			descriptions === undefined ? undefined : readDescriptions(descriptions),
		interfaces:
			interfaces === undefined ? undefined : readInterfaces(interfaces),
	};
}

/** The names of a type and of all that are derived from it; none where there is no such type. */
export function typesBelow(
	base: string,
	types: readonly TypeInfo[],
): ReadonlySet<string> {
	const children = Map.groupBy(types, ({ parent }) => parent);
	const found = new Set(
		types.filter(({ name }) => name === base).map(({ name }) => name),
	);
	for (const name of found)
		for (const child of children.get(name) ?? []) found.add(child.name);
	return found;
}

/** @throws SnapshotError */
function parse(text: string): Json {
	try {
		return parseJson(text);
	} catch (error) {
		if (!text.slice(0, 1024).includes(snapshotFormat)) throw foreign();
		throw new SnapshotError(`damaged: ${placeOf(text) ?? error}`);
	}
}

/** What is wrong with a text, and where. */
function placeOf(text: string): string | undefined {
	try {
		parseExact(text);
	} catch (error) {
		if (!(error instanceof JsonSyntaxError)) return undefined;
		const before = text.slice(0, error.position).split("\n");
		const place = `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`;
		return error.position >= text.length
			? `it ends too early, in ${place}`
			: `${error.message.replace(/ at position .*/, "")} in ${place}`;
	}
	return undefined;
}

/** A file is something else. */
export function foreign(): SnapshotError {
	return new SnapshotError(
		"neither a monitor's socket nor a snapshot of a machine; 'qomfs snapshot' makes one",
	);
}

/** @throws SnapshotError */
function wrong(where: string, wanted: string): never {
	throw new SnapshotError(`damaged: ${where} is not ${wanted}`);
}

function isTime(value: Json | undefined): value is string {
	return typeof value === "string" && !Number.isNaN(Date.parse(value));
}

function textAt(value: Json | undefined, where: string): string {
	return typeof value === "string" ? value : wrong(where, "a string");
}

function listAt(value: Json | undefined, where: string): readonly Json[] {
	return Array.isArray(value) ? value : wrong(where, "an array");
}

function objectAt(value: Json | undefined, where: string): JsonObject {
	return isObject(value) ? value : wrong(where, "an object");
}

function readQemu(value: Json | undefined): SavedQemu {
	const qemu = objectAt(value, "qemu");
	return {
		version: textAt(qemu.version, "qemu.version"),
		package: textAt(qemu.package, "qemu.package"),
	};
}

function readType(value: Json, index: number): TypeInfo {
	const where = `types[${index}]`;
	const { name, parent, abstract = false } = objectAt(value, where);
	return {
		name: textAt(name, `${where}.name`),
		parent:
			parent === undefined ? undefined : textAt(parent, `${where}.parent`),
		isAbstract: abstract === true,
	};
}

function readObjects(
	list: readonly Json[],
): ReadonlyMap<QomPath, ObjectDocument> {
	const [first] = list;
	if (!isObject(first) || first.path !== rootPath)
		wrong("objects", "with the object '/' first");
	const objects = new Map<QomPath, ObjectDocument>();
	for (const [index, value] of list.entries()) {
		const { path, type, properties } = objectAt(value, `objects[${index}]`);
		const known = textAt(path, `objects[${index}].path`);
		const where = `objects[${index}] (${known})`;
		if (!known.startsWith("/")) wrong(`${where}.path`, "an absolute path");
		if (objects.has(known)) wrong(where, "the only object of that path");
		const [parent] = splitPath(known);
		if (known !== rootPath && !objects.has(parent))
			throw new SnapshotError(
				`damaged: ${where} has no parent: no object ${parent} stands before it`,
			);
		if (type !== null) textAt(type, `${where}.type`);
		for (const [name, member] of Object.entries(
			objectAt(properties, `${where}.properties`),
		)) {
			const property = `property '${name}' of ${where}`;
			const { type, value, error, refusal } = objectAt(member, property);
			textAt(type, `the type of ${property}`);
			if (refusal !== undefined) textAt(refusal, `the refusal of ${property}`);
			if (value !== undefined) {
				checkDepth(value, property);
				continue;
			}
			if (typeof error !== "string")
				wrong(property, "one with a value or an error");
		}
		objects.set(known, value as ObjectDocument);
	}
	return objects;
}

/** QEMU's own parser goes no deeper. */
const deepest = 1024;

function checkDepth(value: Json, where: string, depth = 0): void {
	if (typeof value !== "object" || value === null) return;
	if (depth > deepest)
		throw new SnapshotError(`damaged: ${where} is nested too deeply`);
	for (const member of Object.values(value))
		checkDepth(member, where, depth + 1);
}

function readDescriptions(
	value: Json,
): ReadonlyMap<string, ReadonlyMap<string, Description>> {
	return mapOf(value, "descriptions", readDescriptionsOf);
}

/**
 * The properties of a type.
 *
 * @param where it stands, for messages
 * @throws SnapshotError
 */
export function readDescriptionsOf(
	value: Json,
	where: string,
): ReadonlyMap<string, Description> {
	return mapOf(value, where, (property, where): Description => {
		const known = objectAt(property, where);
		const text = (member: Json | undefined) =>
			member === undefined ? undefined : textAt(member, where);
		return {
			type: text(known.type),
			description: text(known.description),
			defaultValue: known.default,
		};
	});
}

function readInterfaces(value: Json): ReadonlyMap<string, readonly string[]> {
	return mapOf(value, "interfaces", (list, where) =>
		listAt(list, where).map((name) => textAt(name, where)),
	);
}

function mapOf<Member>(
	value: Json,
	where: string,
	read: (member: Json, where: string) => Member,
): ReadonlyMap<string, Member> {
	return new Map(
		Object.entries(objectAt(value, where)).map(([name, member]) => [
			name,
			read(member, `${where}.${name}`),
		]),
	);
}
