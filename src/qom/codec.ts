/** Values as the text of a file. What kind a value is, its JSON says, never its type's name. */
import { formatJson, type Json } from "../json.ts";

/**
 * One value, one line, without the final newline: strings raw, numbers in decimal,
 * booleans `true`/`false`, null empty, objects and arrays as compact JSON.
 */
export function formatValue(value: Json): string {
	if (typeof value === "string") return value;
	return value === null ? "" : formatJson(value);
}
