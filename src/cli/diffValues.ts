/** Values of two machines side by side, as text. */
import { beginningOf } from "../errors.ts";
import { formatJson, isObject, type Json } from "../json.ts";
import { formatValue } from "../qom/codec.ts";
import type { ComparedProperty } from "../qom/diff/compare.ts";
import { parseType } from "../qom/types.ts";
import { unsetLink } from "../qom/write.ts";

/** Of a struct or a list only what is different in it; undefined for anything else. */
export function memberLines(
	label: string,
	before: Json,
	after: Json,
): readonly string[] | undefined {
	const inner = (label: string, before?: Json, after?: Json) => {
		if (before === undefined)
			return [`${label}: (none) -> ${jsonText(after ?? null)}`];
		if (after === undefined) return [`${label}: ${jsonText(before)} -> (none)`];
		if (formatJson(before) === formatJson(after)) return [];
		return (
			memberLines(label, before, after) ?? [
				`${label}: ${jsonText(before)} -> ${jsonText(after)}`,
			]
		);
	};
	if (isObject(before) && isObject(after))
		return [
			...new Set([...Object.keys(before), ...Object.keys(after)]),
		].flatMap((name) => inner(`${label}.${name}`, before[name], after[name]));
	if (!Array.isArray(before) || !Array.isArray(after)) return undefined;
	if ([...before, ...after].some((each) => typeof each !== "string"))
		return before.length === after.length
			? before.flatMap((each, index) =>
					inner(`${label}[${index}]`, each, after[index]),
				)
			: undefined;
	const only = (these: readonly Json[], others: readonly Json[]) =>
		these.filter((each) => !others.includes(each));
	const [gone, added] = [only(before, after), only(after, before)];
	return gone.length + added.length === 0
		? undefined // another order
		: [
				`${label}: ${[...gone.map((each) => `-${each}`), ...added.map((each) => `+${each}`)].join(" ")}`,
			];
}

/** Longer ones are cut; `--json` has them whole. */
const longestValue = 100;

/** Empty where there is none, as of a property of a type without a default. */
export function valueText(document: ComparedProperty | undefined): string {
	if (!document) return "";
	const { value, error, redacted, type = "" } = document;
	if (redacted) return "<redacted>";
	if (value === undefined) return error === undefined ? "" : `<${error}>`;
	if (value === "" && parseType(type).kind === "link") return unsetLink;
	return jsonText(value);
}

function jsonText(value: Json): string {
	const text = value === "" ? '""' : formatValue(value);
	return beginningOf(text, longestValue);
}
