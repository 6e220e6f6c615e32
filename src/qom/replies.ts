/** QEMU's replies about objects, read into what the rest of the room speaks of. Source: qapi/qom.json. */
import { ProtocolError } from "../errors.ts";
import { isObject, type Json, type JsonObject } from "../json.ts";
import type {
	Description,
	ObjectContents,
	PropertyInfo,
	TypeInfo,
} from "./source.ts";

/** @throws ProtocolError */
export function readProperties(reply: Json): readonly PropertyInfo[] {
	if (!Array.isArray(reply)) throw malformed("qom-list");
	return reply.map(propertyInfo);
}

/**
 * @param count of the objects that were asked for
 * @throws ProtocolError
 */
export function readContents(reply: Json, count: number): ObjectContents[] {
	if (!Array.isArray(reply) || reply.length !== count)
		throw malformed("qom-list-get");
	return reply.map(objectContents);
}

/** @throws ProtocolError */
export function readDescriptions(
	reply: Json,
	command: string,
): ReadonlyMap<string, Description> {
	if (!Array.isArray(reply)) throw malformed(command);
	return new Map(
		reply
			.filter(isObject)
			.map((entry) => [String(entry.name), description(entry)]),
	);
}

/** @throws ProtocolError */
export function readTypes(reply: Json): readonly TypeInfo[] {
	if (!Array.isArray(reply)) throw malformed("qom-list-types");
	return reply.filter(isObject).map((entry) => ({
		name: String(entry.name),
		parent: typeof entry.parent === "string" ? entry.parent : undefined,
		isAbstract: entry.abstract === true,
	}));
}

function objectContents(object: Json): ObjectContents {
	const entries = isObject(object) ? object.properties : undefined;
	if (!Array.isArray(entries)) throw malformed("qom-list-get");
	const values = new Map<string, Json>();
	const properties = entries.map((entry: Json) => {
		const info = propertyInfo(entry);
		const { value } = entry as JsonObject;
		if (value !== undefined) values.set(info.name, value);
		return info;
	});
	return { properties, values };
}

function propertyInfo(entry: Json): PropertyInfo {
	if (!isObject(entry)) throw malformed("qom-list");
	const { name, type } = entry;
	if (typeof name !== "string" || typeof type !== "string")
		throw malformed("qom-list");
	return {
		name,
		// A copy: a part of a text keeps the whole of it.
		type: shared(
			type.length <= longestType
				? type
				: Buffer.from(type.slice(0, longestType)).toString(),
		),
	};
}

/** A machine has some hundred types of few characters, and a hundred thousand properties of them. */
const sharedTypes = new Map<string, string>();
const mostShared = 10_000;
const longestShared = 128;
/** QEMU's have a hundred characters at most. What is kept of many objects must not be longer. */
const longestType = 512;

function shared(type: string): string {
	const known = sharedTypes.get(type);
	if (known !== undefined) return known;
	if (sharedTypes.size < mostShared && type.length <= longestShared)
		sharedTypes.set(type, type);
	return type;
}

function description(entry: JsonObject): Description {
	const { type, description: text } = entry;
	return {
		type: typeof type === "string" ? type : undefined,
		description: typeof text === "string" ? text : undefined,
		defaultValue: entry["default-value"],
	};
}

function malformed(command: string): ProtocolError {
	return new ProtocolError(`${command}: QEMU's answer has an unknown form`);
}
