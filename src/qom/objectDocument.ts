/** A whole object as one JSON document. */
import { QomError } from "../errors.ts";
import type { Json, JsonObject } from "../json.ts";
import { redacted, shownProperties } from "./contents.ts";
import { joinPath, type QomPath } from "./path.ts";
import type { ObjectContents, QomSource } from "./source.ts";
import { parseType } from "./types.ts";

/**
 * `{"path", "type", "properties": {NAME: {"type", "value"}}}`. A property that cannot be read
 * has an `error` with QEMU's text in place of the value; a secret has null and `redacted`;
 * a child's value is its own path.
 */
export async function objectDocument(
	source: QomSource,
	path: QomPath,
	contents: ObjectContents,
): Promise<JsonObject> {
	const members = new Map<string, JsonObject>(
		contents.properties.map(({ name, type }) => [
			name,
			// For a child nobody needs to be asked.
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
	))
		members.set(name, { type, ...shown(value) });
	return {
		path,
		type: members.get("type")?.value ?? null,
		properties: Object.fromEntries(members),
	};
}

function shown(value: Json | QomError | typeof redacted): JsonObject {
	if (value === redacted) return { value: null, redacted: true };
	return value instanceof QomError ? { error: value.desc } : { value };
}
