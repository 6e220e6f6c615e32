/** Changes and events as lines: for people, as JSON, or as CSV. */
import { stringify } from "csv-stringify/sync";
import { formatJson } from "../../json.ts";
import { formatValue } from "../../qom/codec.ts";
import { type ShownValue, shownJson } from "../../qom/contents.ts";
import { type Change, jsonOf } from "../../qom/watcher.ts";
import { memberLines } from "../diffValues.ts";
import { oneLineValue, print, printStyled, styled } from "../output.ts";
import { onOneLine } from "../text.ts";
import type { WatchOutput } from "./output.ts";

export const textPrinter: WatchOutput = {
	change(change, timeMs) {
		const time = timeText(timeMs);
		for (const text of changeTexts(change))
			printStyled(`${styled("dim", time)}  ${onOneLine(text)}`);
	},
	event({ name, data, timeMs }) {
		const time = timeText(timeMs);
		const text = onOneLine(`${name} ${formatJson(data)}`);
		printStyled(`${styled("dim", time)}  ${styled("bold", `! ${text}`)}`);
	},
};

function timeText(timeMs: number): string {
	return new Date(timeMs).toISOString();
}

/** Of a struct or a list only what has changed in it. */
function changeTexts(change: Change): readonly string[] {
	if (change.kind !== "value") {
		const mark = change.kind === "added" ? "+" : "-";
		return [`${mark} ${change.path}  ${change.type ?? "?"}`];
	}
	const { path, property, before, after } = change;
	const name = `${path}.${property}`;
	const [early, late] = [jsonOf(before), jsonOf(after)];
	return (
		(early !== undefined && late !== undefined
			? memberLines(name, early, late)
			: undefined) ?? [`${name}: ${valueText(before)} -> ${valueText(after)}`]
	);
}

function valueText(value: ShownValue | undefined): string {
	if (value === undefined) return "(none)";
	return oneLineValue(value) || '""';
}

export const jsonPrinter: WatchOutput = {
	change(change, timeMs) {
		const time = timeText(timeMs);
		const { kind, path } = change;
		print(
			formatJson(
				kind === "value"
					? {
							...{ time, path, property: change.property },
							before:
								change.before === undefined ? null : shownJson(change.before),
							after:
								change.after === undefined ? null : shownJson(change.after),
						}
					: { time, path, change: kind, type: change.type ?? null },
			),
		);
	},
	event({ name, data, timeMs }) {
		const time = timeText(timeMs);
		print(formatJson({ time, event: name, data }));
	},
};

/** One row for each; what a row has not is empty. */
export const csvPrinter: WatchOutput = {
	begin() {
		row(["time", "kind", "path", "property", "before", "after"]);
	},
	change(change, timeMs) {
		const time = timeText(timeMs);
		const { kind, path } = change;
		if (kind !== "value") row([time, kind, path, "", "", change.type ?? ""]);
		else
			row([
				...[time, kind, path, change.property],
				...[cell(change.before), cell(change.after)],
			]);
	},
	event({ name, data, timeMs }) {
		const time = timeText(timeMs);
		row([time, "event", "", name, "", formatJson(data)]);
	},
};

/** Empty where there is no value. */
function cell(value: ShownValue | undefined): string {
	return formatValue(jsonOf(value) ?? null);
}

function row(cells: readonly string[]): void {
	print(stringify([[...cells]]), "");
}
