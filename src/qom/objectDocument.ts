/** A whole object as one JSON document, with or without types. */
import { QomError } from "../errors.ts";
import type { Json, JsonObject } from "../json.ts";
import {
	redacted,
	shownJson,
	shownProperties,
	shownValue,
	type ValueDocument,
} from "./contents.ts";
import { joinPath, type QomPath } from "./path.ts";
import type { ObjectContents, QomSource } from "./source.ts";
import { parseType } from "./types.ts";

/** A property in a document. */
export type PropertyDocument = { readonly type: string } & ValueDocument;

/** An object as one document. */
export type ObjectDocument = {
	readonly path: QomPath;
	/** Null where QEMU does not tell. */
	readonly type: string | null;
	/** By their names, in QEMU's order. */
	readonly properties: Readonly<Record<string, PropertyDocument>>;
};

/**
 * `{"path", "type", "properties": {NAME: {"type", "value"}}}`. A property that cannot be read
 * has an `error` with QEMU's text in place of the value, and a `refusal`; a secret has null and
 * `redacted`; a child's value is its own path.
 *
 * @param see gives a value, or hides it
 */
export async function objectDocument(
	source: QomSource,
	path: QomPath,
	contents: ObjectContents,
	see: typeof shownValue = shownValue,
): Promise<ObjectDocument> {
	const members = new Map<string, PropertyDocument>(
		contents.properties.map(({ name, type }) => [
			name,
			// The value of a child is known without asking QEMU.
			{
				type,
				value: parseType(type).kind === "child" ? joinPath(path, name) : null,
			},
		]),
	);
	for await (const { name, type, value } of shownProperties(
		source,
		path,
		contents,
		see,
	))
		members.set(name, { type, ...shownJson(value) });
	const type = members.get("type")?.value;
	return {
		path,
		type: typeof type === "string" ? type : null,
		properties: Object.fromEntries(members),
	};
}

/**
 * `{NAME: VALUE}`, without the children. A property that cannot be read and a secret are left out;
 * `.json` tells of them.
 */
export async function valuesDocument(
	source: QomSource,
	path: QomPath,
	contents: ObjectContents,
): Promise<JsonObject> {
	const members = new Map<string, Json>();
	for await (const { name, value } of shownProperties(source, path, contents))
		if (value !== redacted && !(value instanceof QomError))
			members.set(name, value);
	return Object.fromEntries(members);
}
