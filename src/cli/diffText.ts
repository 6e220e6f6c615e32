/** Differences as lines for people: an object, and below it what is different in it. */
import { beginningOf } from "../errors.ts";
import { formatJson, isObject, type Json } from "../json.ts";
import { formatValue } from "../qom/codec.ts";
import type {
	ObjectDifference,
	PropertyDifference,
} from "../qom/diff/compare.ts";
import type { PropertyDocument } from "../qom/objectDocument.ts";
import { joinPath, type QomPath, splitPath } from "../qom/path.ts";
import { parseType } from "../qom/types.ts";
import { unsetLink } from "../qom/write.ts";
import { styled } from "./output.ts";
import { onOneLine } from "./text.ts";

/** Objects that have the same lines below them. */
interface Block {
	readonly heads: string[];
	readonly below: readonly string[];
}

/**
 * Objects with the same changes are told together; what is in a new or a lost one, and what only has
 * another number, is counted.
 *
 * @param isWhole whether to leave nothing out
 */
export function diffLines(
	found: readonly ObjectDifference[],
	isWhole: boolean,
): readonly string[] {
	const blocks: Block[] = [];
	const byLines = new Map<string, Block>();
	const isAlone = ownChange(found);
	for (const each of found) {
		const isChanged = each.change === "changed";
		if (!isWhole && !isChanged && !isAlone(each)) continue;
		const below = isChanged ? propertyLines(each, isWhole) : [];
		if (isChanged && below.length === 0 && each.typeBefore === undefined)
			continue;
		const head = headLine(each, isWhole ? 0 : countWithin(each, found));
		const key = `${each.change} ${below.join("\n")}`;
		const same = below.length > 0 ? byLines.get(key) : undefined;
		if (same) same.heads.push(head);
		else {
			const block = { heads: [head], below };
			blocks.push(block);
			byLines.set(key, block);
		}
	}
	return [
		...blocks.flatMap(({ heads, below }) => [...heads, ...below]),
		...renumberedLines(found),
	];
}

/** Whether an object is no part of another one that is new or gone as a whole. */
function ownChange(
	found: readonly ObjectDifference[],
): (each: ObjectDifference) => boolean {
	const whole = new Set(found.map(({ change, path }) => `${change} ${path}`));
	return ({ change, path }) => !whole.has(`${change} ${splitPath(path)[0]}`);
}

function countWithin(
	{ change, path }: ObjectDifference,
	found: readonly ObjectDifference[],
): number {
	return found.filter(
		(other) => other.change === change && other.path.startsWith(`${path}/`),
	).length;
}

function headLine(
	{ change, path, from, type, typeBefore }: ObjectDifference,
	within: number,
): string {
	const [mark, colour] = marks[change];
	const types = [...(typeBefore === undefined ? [] : [typeBefore]), type];
	const notes = [
		...(from !== undefined && isRenamed(path, from) ? [`was ${from}`] : []),
		...(within > 0 && change !== "changed" ? [`with ${within} in it`] : []),
	];
	return [
		styled(["bold", colour], onOneLine(`${mark} ${path}`)),
		styled("dim", onOneLine(types.map((each) => each ?? "?").join(" -> "))),
		...notes.map((note) => styled("dim", onOneLine(`(${note})`))),
	].join("  ");
}

const marks = {
	added: ["+", "green"],
	removed: ["-", "red"],
	changed: ["~", "yellow"],
} as const;

/** Whether it has another name, not only another parent. */
function isRenamed(path: QomPath, from: QomPath): boolean {
	return splitPath(path)[1] !== splitPath(from)[1];
}

/** So many new or lost properties of an object are told with their values. */
const mostWithValues = 4;
/** And of more, so many are named. */
const mostNamed = 6;

function propertyLines(
	{ properties }: ObjectDifference,
	isWhole: boolean,
): readonly string[] {
	const isNew = ({ before }: PropertyDifference) => before === undefined;
	const isGone = ({ after }: PropertyDifference) => after === undefined;
	const changed = properties.filter((each) => !isNew(each) && !isGone(each));
	const lines = changed.flatMap(changeLines);
	for (const [mark, colour, isMeant] of [
		["+", "green", isNew],
		["-", "red", isGone],
	] as const) {
		const meant = properties.filter(isMeant);
		const names = meant.slice(0, mostNamed).map(({ name }) => name);
		const more = meant.length - names.length;
		const texts =
			isWhole || meant.length <= mostWithValues
				? meant.map(({ name, before, after }) =>
						`${name}: ${valueText(after ?? before)}`.replace(/: $/, ""),
					)
				: [`${names.join(", ")}${more > 0 ? `, and ${more} more` : ""}`];
		for (const text of texts)
			lines.push(styled(colour, onOneLine(`    ${mark} ${text}`)));
	}
	return lines;
}

function changeLines({
	name,
	from,
	before,
	after,
}: PropertyDifference): readonly string[] {
	const label = from === undefined ? name : `${from} -> ${name}`;
	const types = [before?.type, after?.type];
	const line = (text: string) => `    ${onOneLine(text)}`;
	if (types[0] !== types[1])
		return [
			line(
				`${label}: ${valueText(before)} (${types[0]}) -> ${valueText(after)} (${types[1]})`,
			),
		];
	if (before?.value !== undefined && after?.value !== undefined) {
		const members = memberLines(label, before.value, after.value);
		if (members) return members.map(line);
	}
	return [line(`${label}: ${valueText(before)} -> ${valueText(after)}`)];
}

/** Of a struct or a list only what is different in it; undefined for anything else. */
function memberLines(
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

function valueText(document: PropertyDocument | undefined): string {
	if (!document) return "";
	const { value, error, redacted, type } = document;
	if (redacted) return "<redacted>";
	if (value === undefined) return `<${error}>`;
	if (value === "" && parseType(type).kind === "link") return unsetLink;
	return value === null && type === "" ? "" : jsonText(value);
}

function jsonText(value: Json): string {
	const text = value === "" ? '""' : formatValue(value);
	return beginningOf(text, longestValue);
}

/** What has another number in its name, in as few lines as tell it. */
function renumberedLines(
	found: readonly ObjectDifference[],
): readonly string[] {
	const moved = found.flatMap(({ path, from }) =>
		from !== undefined && isRenamed(path, from) ? [{ path, from }] : [],
	);
	const groups = Map.groupBy(moved, ({ path, from }) => {
		const [parent, name] = splitPath(path);
		const stem = numbered(name).stem;
		return stem === numbered(splitPath(from)[1]).stem
			? joinPath(parent, stem)
			: path;
	});
	return [...groups].flatMap(([path, group]) =>
		groupLines(path, group).map((line) =>
			styled("cyan", onOneLine(`> ${line}`)),
		),
	);
}

/** More runs than this are only counted. */
const mostRuns = 4;

function groupLines(
	path: QomPath,
	group: readonly { readonly path: QomPath; readonly from: QomPath }[],
): readonly string[] {
	const numbers = group
		.map(({ path, from }) => ({
			before: numbered(splitPath(from)[1]).number,
			after: numbered(splitPath(path)[1]).number,
		}))
		.toSorted((a, b) => a.before - b.before);
	const runs: { first: number; last: number; shift: number }[] = [];
	for (const { before, after } of numbers) {
		const run = runs.at(-1);
		if (run && run.shift === after - before) run.last = before;
		else runs.push({ first: before, last: before, shift: after - before });
	}
	const range = (first: number, last: number) =>
		first === last ? `[${first}]` : `[${first}..${last}]`;
	return runs.length > mostRuns
		? [`${path}[N]  ${group.length} have other numbers`]
		: runs.map(
				({ first, last, shift }) =>
					`${path}${range(first, last)}  is now  ${range(first + shift, last + shift)}`,
			);
}

function numbered(name: string): { stem: string; number: number } {
	const [, stem = name, number = "0"] = /^(.*)\[(\d+)\]$/s.exec(name) ?? [];
	return { stem, number: Number(number) };
}

/** How much is different, object by object, and in all. */
export function statLines(
	found: readonly ObjectDifference[],
): readonly string[] {
	const counted = found.filter(({ properties }) => properties.length > 0);
	const width = Math.max(0, ...counted.map(({ path }) => path.length));
	const count = (change: ObjectDifference["change"]) =>
		found.filter((each) => each.change === change).length;
	const renamed = found.filter(
		({ path, from }) => from !== undefined && isRenamed(path, from),
	);
	const changed = found.filter(
		({ change, properties, typeBefore }) =>
			change === "changed" &&
			(properties.length > 0 || typeBefore !== undefined),
	);
	return [
		...counted.map(({ change, path, properties }) =>
			onOneLine(
				`${marks[change][0]} ${path.padEnd(width)} | ${properties.length}`,
			),
		),
		`${count("added")} objects added, ${count("removed")} removed, ${changed.length} changed, ${renamed.length} renumbered`,
	];
}
