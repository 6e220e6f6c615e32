/** Objects that only have another number in their names, in as few lines as tell it. */
import type { ObjectDifference } from "../qom/diff/compare.ts";
import { joinPath, type QomPath, splitPath } from "../qom/path.ts";
import { styled } from "./output.ts";
import { onOneLine } from "./text.ts";

/** Whether an object has another name, not only another parent. */
export function isRenamed({ path, from }: ObjectDifference): boolean {
	return from !== undefined && splitPath(path)[1] !== splitPath(from)[1];
}

/** A line for every run of numbers that have moved by the same. */
export function renumberedLines(
	found: readonly ObjectDifference[],
): readonly string[] {
	const moved = found
		.filter(isRenamed)
		.map(({ path, from = path }) => ({ path, from }));
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
		const goesOn = run?.last === before - 1 && run.shift === after - before;
		if (run && goesOn) run.last = before;
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

export function numbered(name: string): { stem: string; number: number } {
	const [, stem = name, number = "0"] = /^(.*)\[(\d+)\]$/s.exec(name) ?? [];
	return { stem, number: Number(number) };
}
