/** `.json` in every object directory: the whole object as one document. */
import { FileError, QomError } from "../errors.ts";
import { formatJson, type Json, type JsonObject } from "../json.ts";
import { isSecret } from "../qom/guard.ts";
import { joinPath, type QomPath } from "../qom/path.ts";
import type { PropertyInfo, QomSource } from "../qom/source.ts";
import { parseType } from "../qom/types.ts";

/** Reachable by name, not listed, so that `find` and `grep -r` show nothing twice. */
export const documentName = ".json";

/**
 * `{"path", "type", "properties": {NAME: {"type", "value"}}}`. A property that cannot be read
 * has an `error` with QEMU's text in place of the value; a secret has null and `redacted`.
 *
 * @throws QomError "no such object"
 */
export async function objectDocument(
	source: QomSource,
	path: QomPath,
	type: string | undefined,
): Promise<string> {
	const object = (await source.contents([path])).get(path);
	if (!object || object instanceof QomError)
		throw object ?? new FileError("ENOENT", "no such object");
	const members = await Promise.all(
		object.properties.map(
			async (info): Promise<[string, Json]> => [
				info.name,
				await property(source, path, type, info, object.values.get(info.name)),
			],
		),
	);
	const document = {
		path,
		type: type ?? null,
		properties: Object.fromEntries(members),
	};
	return formatJson(document);
}

async function property(
	source: QomSource,
	object: QomPath,
	objectType: string | undefined,
	{ name, type }: PropertyInfo,
	known: Json | undefined,
): Promise<JsonObject> {
	if (isSecret(objectType, name)) return { type, value: null, redacted: true };
	// A child's value is its own path, for which nobody needs to be asked.
	if (parseType(type).kind === "child")
		return { type, value: joinPath(object, name) };
	try {
		return { type, value: known ?? (await source.get(object, name)) };
	} catch (error) {
		if (error instanceof QomError) return { type, error: error.desc };
		throw error;
	}
}
