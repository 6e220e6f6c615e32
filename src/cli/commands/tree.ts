/** `qom-tree`: objects and what is below them, listed or drawn. */
import { formatJson } from "../../json.ts";
import { shownProperties } from "../../qom/contents.ts";
import { objectDocument } from "../../qom/objectDocument.ts";
import { rootPath, splitPath } from "../../qom/path.ts";
import type { QomSource } from "../../qom/source.ts";
import { type WalkedObject, walk } from "../../qom/walk.ts";
import { startPaths } from "../absolutePath.ts";
import type { CommandDefinition } from "../command.ts";
import { completeObject, completeType } from "../completers.ts";
import { type Branch, printTree } from "../drawTree.ts";
import { type MachineFlags, withSource } from "../openSource.ts";
import { jsonOption, machineOptions, parseCount } from "../options.ts";
import { oneLineValue, print, styled } from "../output.ts";
import { onOneLine } from "../text.ts";
import { typeTest } from "../typeTest.ts";

interface TreeFlags extends MachineFlags {
	readonly depth?: number;
	readonly type?: string;
	readonly values?: true;
	readonly draw?: true;
	readonly list?: true;
	readonly json?: true;
}

export const command: CommandDefinition<TreeFlags> = {
	arguments: [
		{
			name: "[path]",
			help: "where to begin, absolute or partial",
			default: rootPath,
			complete: completeObject,
		},
	],
	options: [
		...machineOptions,
		{
			flags: "-d, --depth <levels>",
			help: "no deeper than this",
			parse: parseCount,
		},
		{
			flags: "-t, --type <type>",
			help: "only objects of this type, or of one derived from it",
			complete: completeType,
		},
		{
			flags: "--values",
			help: "draw properties and their values, too",
			conflicts: ["list", "json"],
		},
		{
			flags: "--draw",
			help: "draw the objects with lines (default on a terminal)",
			conflicts: ["list", "json"],
		},
		{
			flags: "--list",
			help: "list them with their properties (default elsewhere)",
			conflicts: ["json"],
		},
		jsonOption,
	],
	run: ([path = rootPath], flags) =>
		withSource(flags, ({ source }) => showTree(source, path, flags)),
};

async function showTree(
	source: QomSource,
	path: string,
	flags: TreeFlags,
): Promise<void> {
	const isDrawn =
		flags.draw ??
		flags.values ??
		(process.stdout.isTTY && !flags.list && !flags.json);
	const isWanted = await objectTest(source, flags.type);
	for (const start of await startPaths(source, path)) {
		const objects = walk(source, start, flags.depth);
		if (isDrawn) await draw(source, objects, isWanted, flags);
		else
			for await (const object of objects) {
				if (!isWanted(object)) continue;
				if (flags.json) await printDocument(source, object);
				else await list(source, object);
			}
	}
}

type ObjectTest = (object: WalkedObject) => boolean;

async function objectTest(
	source: QomSource,
	type: string | undefined,
): Promise<ObjectTest> {
	if (type === undefined) return () => true;
	const isOfType = await typeTest(source, type);
	return ({ type }) => isOfType(type);
}

async function printDocument(
	source: QomSource,
	{ path, contents }: WalkedObject,
): Promise<void> {
	print(formatJson(await objectDocument(source, path, contents)));
}

/** As QEMU's original tool prints it, except that values are not written as in Python. */
async function list(
	source: QomSource,
	{ path, contents }: WalkedObject,
): Promise<void> {
	print(path);
	for await (const { name, type, value } of shownProperties(
		source,
		path,
		contents,
	))
		print(`  ${name}: ${oneLineValue(value)} (${type})`);
	print("");
}

/** An object as it is drawn. */
interface DrawnObject {
	readonly line: string;
	readonly isWanted: boolean;
	/** A line for every property, if they are shown. */
	readonly properties: readonly string[];
	readonly children: DrawnObject[];
}

/** An unwanted object is drawn if a wanted object is below it. */
async function draw(
	source: QomSource,
	objects: AsyncIterable<WalkedObject>,
	isWanted: ObjectTest,
	flags: TreeFlags,
): Promise<void> {
	/** The previous object, and those above it. */
	const trail: DrawnObject[] = [];
	for await (const object of objects) {
		const { path, depth, type = "" } = object;
		const name = depth === 0 ? path : splitPath(path)[1];
		const drawn = {
			line: `${styled(["bold", "blue"], onOneLine(name))}  ${styled("dim", type)}`,
			isWanted: isWanted(object),
			properties:
				flags.values && isWanted(object)
					? await propertyLines(source, object)
					: [],
			children: [],
		};
		trail.length = depth;
		trail.at(-1)?.children.push(drawn);
		trail.push(drawn);
	}
	const [top] = trail;
	if (!top || !holdsWanted(top)) return;
	printTree(top.line, branch(top));
}

async function propertyLines(
	source: QomSource,
	{ path, contents }: WalkedObject,
): Promise<string[]> {
	const lines: string[] = [];
	for await (const { name, value } of shownProperties(source, path, contents))
		lines.push(`${onOneLine(name)}: ${oneLineValue(value)}`);
	return lines;
}

function holdsWanted({ isWanted, children }: DrawnObject): boolean {
	return isWanted || children.some(holdsWanted);
}

function branch({ properties, children }: DrawnObject): Branch {
	const wanted = children.filter(holdsWanted);
	return Object.fromEntries([
		...properties.map((line) => [line, null] as const),
		...wanted.map((child) => [child.line, branch(child)] as const),
	]);
}
