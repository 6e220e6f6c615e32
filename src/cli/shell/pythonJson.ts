/** JSON in the form of Python's `json.dumps`, which scripts around qmp-shell expect. */
import { isObject, type Json } from "../../json.ts";

/** How JSON is printed. */
export interface PythonJsonOptions {
	/** One line for each member, indented by four, with sorted keys. */
	readonly isPretty?: boolean;
}

/** JSON with a space after commas and colons, and every character beyond ASCII as `\uXXXX`. */
export function pythonJson(
	value: Json,
	{ isPretty = false }: PythonJsonOptions = {},
): string {
	return format(value, isPretty, "\n");
}

/** @param newline with the indentation of the value itself */
function format(value: Json, isPretty: boolean, newline: string): string {
	if (typeof value === "string") return asciiString(value);
	if (typeof value !== "object" || value === null) return String(value);
	const inner = `${newline}    `;
	const parts = isObject(value)
		? (isPretty ? sorted(Object.entries(value)) : Object.entries(value)).map(
				([key, member]) =>
					`${asciiString(key)}: ${format(member, isPretty, inner)}`,
			)
		: (value as readonly Json[]).map((item) => format(item, isPretty, inner));
	const [open, close] = isObject(value) ? ["{", "}"] : ["[", "]"];
	if (parts.length === 0) return `${open}${close}`;
	return isPretty
		? `${open}${inner}${parts.join(`,${inner}`)}${newline}${close}`
		: `${open}${parts.join(", ")}${close}`;
}

function sorted(entries: [string, Json][]): [string, Json][] {
	return entries.sort(([a], [b]) => (a < b ? -1 : 1));
}

function asciiString(text: string): string {
	return JSON.stringify(text).replace(
		/[\u007f-\uffff]/g,
		(unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
	);
}
