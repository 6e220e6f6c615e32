/** Differences as lines for people: an object, and below it what is different in it. */
import {
	isWhole,
	type ObjectDifference,
	type PropertyDifference,
} from "../qom/diff/compare.ts";
import { rootPath, splitPath } from "../qom/path.ts";
import { isRenamed, numbered, renumberedLines } from "./diffNumbers.ts";
import { memberLines, valueText } from "./diffValues.ts";
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
 * @param isFull whether to leave nothing out
 */
export function diffLines(
	found: readonly ObjectDifference[],
	isFull: boolean,
): readonly string[] {
	const blocks: Block[] = [];
	const byLines = new Map<string, Block>();
	const rows = isFull
		? found.map((each) => ({ each, within: 0 }))
		: rowsOf(found);
	for (const { each, within } of rows) {
		const { change } = each;
		if (change === "renumbered") continue;
		const below = change === "changed" ? propertyLines(each, isFull) : [];
		const head = headLine(each, within);
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
	return (each) =>
		!isWhole(each) || !whole.has(`${each.change} ${splitPath(each.path)[0]}`);
}

function keyOf({ change, path }: ObjectDifference): string {
	return `${change} ${path}`;
}

/** How many objects are in each new or lost one. */
function countsWithin(
	found: readonly ObjectDifference[],
): ReadonlyMap<string, number> {
	const counts = new Map(found.map((each) => [keyOf(each), 0]));
	for (const { change, path } of found.filter(isWhole))
		for (let above = path; above !== rootPath; ) {
			[above] = splitPath(above);
			const count = counts.get(`${change} ${above}`);
			if (count === undefined) break;
			counts.set(`${change} ${above}`, count + 1);
		}
	return counts;
}

/** An object as it is told, or several in a row. */
interface Row {
	readonly each: ObjectDifference;
	/** How many are below it, or below each of them. */
	readonly within: number;
}

/** Whole objects in a row that only their numbers tell apart become one, with a range in its name. */
function rowsOf(found: readonly ObjectDifference[]): readonly Row[] {
	const counts = countsWithin(found);
	const rows: (Row & { first: number; last: number })[] = [];
	for (const each of found.filter(ownChange(found))) {
		const { change, path, type } = each;
		const { stem, number } = numbered(path);
		const within = counts.get(keyOf(each)) ?? 0;
		const row = rows.at(-1);
		const isLike =
			row !== undefined &&
			isWhole(each) &&
			change === row.each.change &&
			type === row.each.type &&
			number === row.last + 1 &&
			stem === numbered(row.each.path).stem &&
			within === row.within;
		if (isLike) row.last = number;
		else rows.push({ each, within, first: number, last: number });
	}
	return rows.map(({ each, within, first, last }) => ({
		within,
		each:
			first === last
				? each
				: { ...each, path: `${numbered(each.path).stem}[${first}..${last}]` },
	}));
}

function headLine(each: ObjectDifference, within: number): string {
	const { change, path, from, type, typeBefore } = each;
	const [mark, colour] = marks[change];
	const types = [...(typeBefore === undefined ? [] : [typeBefore]), type];
	const notes = [
		...(isRenamed(each) ? [`was ${from}`] : []),
		...(within > 0 && isWhole(each) ? [`with ${within} in it`] : []),
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
	renumbered: [">", "cyan"],
} as const;

/** So many new or lost properties of an object are told with their values. */
const mostWithValues = 4;
/** And of more, so many are named. */
const mostNamed = 6;

function propertyLines(
	{ properties }: ObjectDifference,
	isFull: boolean,
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
			isFull || meant.length <= mostWithValues
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
	const [old, now] = [before, after].map((each) => valueText(each) || "(none)");
	const line = (text: string) => `    ${onOneLine(text)}`;
	if (types[0] !== types[1] && !types.includes(undefined))
		return [line(`${label}: ${old} (${types[0]}) -> ${now} (${types[1]})`)];
	if (before?.value !== undefined && after?.value !== undefined) {
		const members = memberLines(label, before.value, after.value);
		if (members) return members.map(line);
	}
	return [line(`${label}: ${old} -> ${now}`)];
}

/**
 * How much is different, object by object, and in all.
 *
 * @param noun what several of them are
 */
export function statLines(
	found: readonly ObjectDifference[],
	noun: "objects" | "types",
): readonly string[] {
	const isAlone = ownChange(found);
	const counted = found.filter(
		(each) => each.properties.length > 0 && isAlone(each),
	);
	const width = counted.reduce(
		(most, { path }) => Math.max(most, path.length),
		0,
	);
	const count = (change: ObjectDifference["change"]) =>
		found.filter((each) => each.change === change).length;
	const added = count("added");
	const renamed = found.filter(isRenamed);
	return [
		...counted.map(({ change, path, properties }) =>
			onOneLine(
				`${marks[change][0]} ${path.padEnd(width)} | ${properties.length}`,
			),
		),
		`${added} ${added === 1 ? noun.slice(0, -1) : noun} added, ${count("removed")} removed, ${count("changed")} changed, ${renamed.length} renumbered`,
	];
}
