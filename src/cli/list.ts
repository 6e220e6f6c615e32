/** `qom-list`: the properties of objects. */
import columnify from "columnify";
import { QomError } from "../errors.ts";
import { formatJson } from "../json.ts";
import { contentsOf, objectTypeOf, shownProperties } from "../qom/contents.ts";
import { objectDocument } from "../qom/objectDocument.ts";
import { joinPath, type QomPath, rootPath } from "../qom/path.ts";
import { selectObjects } from "../qom/select.ts";
import type {
	Description,
	ObjectContents,
	PropertyInfo,
	QomSource,
} from "../qom/source.ts";
import { parseType } from "../qom/types.ts";
import { type MachineFlags, withMachine } from "./openMachine.ts";
import { oneLineValue, print, printStyled, styled } from "./output.ts";

export interface ListFlags extends MachineFlags {
	readonly long?: true;
	readonly json?: true;
}

/** @throws QomfsError */
export function runList(
	paths: readonly string[],
	flags: ListFlags,
): Promise<void> {
	return withMachine(flags, async ({ source }) => {
		const objects: QomPath[] = [];
		for (const path of paths.length > 0 ? paths : [rootPath])
			objects.push(...(await selectObjects(source, path)));
		for (const [index, path] of objects.entries()) {
			const contents = await contentsOf(source, path);
			if (flags.json) {
				const document = await objectDocument(source, path, contents);
				print(formatJson(document));
				continue;
			}
			if (objects.length > 1) print(`${index > 0 ? "\n" : ""}${path}:`);
			if (flags.long) print(await table(source, path, contents));
			else for (const info of contents.properties) printStyled(entryName(info));
		}
	});
}

/** As QEMU's own tool writes it: `child/`, `@link/`, a plain name. */
function entryName({ name, type }: PropertyInfo): string {
	const { kind } = parseType(type);
	if (kind === "child") return styled(["bold", "blue"], `${name}/`);
	return kind === "link" ? styled("cyan", `@${name}/`) : styled([], name);
}

/** A listing does without, where QEMU cannot describe a type. */
function noDescriptions(error: unknown): ReadonlyMap<string, Description> {
	if (error instanceof QomError) return new Map();
	throw error;
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
		? await source.describe(objectType).catch(noDescriptions)
		: new Map();
	return columnify(
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
	).replace(/ +$/gm, "");
}
