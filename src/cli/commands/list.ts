/** `qom-list`: the properties of objects. */
import columnify from "columnify";
import { formatJson } from "../../json.ts";
import {
	contentsOf,
	objectTypeOf,
	shownProperties,
} from "../../qom/contents.ts";
import { objectDocument } from "../../qom/objectDocument.ts";
import { joinPath, type QomPath, rootPath } from "../../qom/path.ts";
import { isPlace, type PlaceEntry, placeEntries } from "../../qom/places.ts";
import { selectObjects } from "../../qom/select.ts";
import type {
	Description,
	ObjectContents,
	PropertyInfo,
	QomSource,
} from "../../qom/source.ts";
import { parseType } from "../../qom/types.ts";
import { startPaths } from "../absolutePath.ts";
import type { CommandDefinition } from "../command.ts";
import { completeObject } from "../completers.ts";
import { type MachineFlags, withSource } from "../openSource.ts";
import { jsonOption, machineOptions, patternHelp } from "../options.ts";
import { oneLineValue, print, printStyled, styled } from "../output.ts";
import { refusalsOf, throwRefusals } from "../refusals.ts";

interface ListFlags extends MachineFlags {
	readonly long?: true;
	readonly json?: true;
}

export const command: CommandDefinition<ListFlags> = {
	arguments: [
		{
			name: "[path...]",
			help: `of objects, absolute or partial (net0), or by-bus and the like; ${patternHelp} (default: /)`,
			complete: completeObject,
		},
	],
	options: [
		...machineOptions,
		{
			flags: "-l, --long",
			help: "with types, values and descriptions",
		},
		jsonOption,
	],
	run: (paths, flags) =>
		withSource(flags, async ({ source }) => {
			const isPlain = !flags.json && !flags.long;
			const found: (QomPath | Place)[] = [];
			const starts = paths.length > 0 ? paths : [rootPath];
			const refusedStarts = await refusalsOf(starts, async (path) => {
				const entries =
					isPlain && isPlace(path) && (await placeEntries(source, path));
				if (entries) return void found.push({ path, entries });
				// Documents and tables are for elsewhere, so they have absolute paths.
				const select = isPlain ? selectObjects : startPaths;
				found.push(...(await select(source, path)));
			});
			const hasTitles = starts.length + found.length > 2 && !flags.json;
			let isFirst = true;
			const begin = (path: string) => {
				if (hasTitles) print(`${isFirst ? "" : "\n"}${path}:`);
				isFirst = false;
			};
			const refused = await refusalsOf(found, async (each) => {
				if (typeof each === "string") {
					const contents = await contentsOf(source, each);
					begin(each);
					await listObject(source, each, contents, flags);
				} else {
					begin(each.path);
					for (const entry of each.entries) printStyled(placeName(entry));
				}
			});
			throwRefusals([...refusedStarts, ...refused]);
		}),
};

/** A directory such as `by-id`, with what is in it. */
interface Place {
	readonly path: string;
	readonly entries: readonly PlaceEntry[];
}

/** Objects stand there as links, as in a mount. */
function placeName({ name, isDirectory }: PlaceEntry): string {
	return entryName({
		name,
		type: isDirectory ? "child<>" : "link<>",
	});
}

async function listObject(
	source: QomSource,
	path: QomPath,
	contents: ObjectContents,
	{ json, long }: ListFlags,
): Promise<void> {
	if (json) print(formatJson(await objectDocument(source, path, contents)));
	else if (long) print(await table(source, path, contents));
	else for (const info of contents.properties) printStyled(entryName(info));
}

/** As QEMU's original tool writes it: `child/`, `@link/`, a plain name. */
function entryName({ name, type }: PropertyInfo): string {
	const { kind } = parseType(type);
	if (kind === "child") return styled(["bold", "blue"], `${name}/`);
	return kind === "link" ? styled("cyan", `@${name}/`) : styled([], name);
}

async function table(
	source: QomSource,
	path: QomPath,
	contents: ObjectContents,
): Promise<string> {
	const values = new Map<string, string>();
	for await (const { name, value } of shownProperties(source, path, contents))
		values.set(name, oneLineValue(value));
	const objectType = await objectTypeOf(source, path, contents);
	const described: ReadonlyMap<string, Description> = objectType
		? (await source.describe(objectType)).properties
		: new Map();
	const text = columnify(
		contents.properties.map(({ name, type }) => ({
			name,
			type,
			value: values.get(name) ?? joinPath(path, name),
			description: described.get(name)?.description ?? "",
		})),
		{
			columnSplitter: "  ",
			truncate: true,
			config: { value: { maxWidth: 60 } },
			headingTransform: (heading) => heading.toUpperCase(),
		},
	);
	// Line by line: a pattern for blanks at the end of each takes the square of their number.
	return text
		.split("\n")
		.map((line) => line.trimEnd())
		.join("\n");
}
