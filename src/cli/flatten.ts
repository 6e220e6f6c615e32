/** A reply as lines for people and scripts, in the form of QEMU's original qmp. */
import { formatJson, isObject, type Json } from "../json.ts";

/**
 * One line for each scalar: `status: running`, `a.b: 1`, `item[0].name: x`. A reply that is a
 * scalar has no name. Strings are unchanged; an empty object or list has no line.
 */
export function* flatten(value: Json): Generator<string> {
	yield* linesOf(value, "");
}

function* linesOf(value: Json, name: string): Generator<string> {
	if (Array.isArray(value)) {
		for (const [index, item] of value.entries())
			yield* linesOf(item, `${name || "item"}[${index}]`);
	} else if (isObject(value)) {
		for (const [key, member] of Object.entries(value))
			yield* linesOf(member, name ? `${name}.${key}` : key);
	} else {
		const text = typeof value === "string" ? value : formatJson(value);
		yield name ? `${name}: ${text}` : text;
	}
}
