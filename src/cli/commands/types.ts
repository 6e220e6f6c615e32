/** `qomfs types`: what a QEMU can model, as a tree, or one type as a page of a manual. */
import { QomfsError, UsageError } from "../../errors.ts";
import { formatJson, type Json } from "../../json.ts";
import { nearest } from "../../nearest.ts";
import { naturally } from "../../qom/orderedSource.ts";
import type { QomPath } from "../../qom/path.ts";
import { descriptionsJson } from "../../qom/snapshot/take.ts";
import type { QomSource, TypeDescription } from "../../qom/source.ts";
import { survey } from "../../qom/topology/survey.ts";
import { TypeTree } from "../../qom/typeTree.ts";
import type { CommandDefinition } from "../command.ts";
import { completeType } from "../completers.ts";
import { type Branch, printTree } from "../drawTree.ts";
import { type MachineFlags, withSource } from "../openSource.ts";
import { jsonOption, sourceOption, timeoutOption } from "../options.ts";
import { print, printStyled, styled } from "../output.ts";
import { onOneLine } from "../text.ts";
import { wrapped } from "../wrapped.ts";

interface TypesFlags extends MachineFlags {
	readonly tree?: true;
	readonly page?: true;
	readonly json?: true;
}

export const command: CommandDefinition<TypesFlags> = {
	arguments: [
		{
			name: "[type]",
			help: "an abstract one is drawn with all that are derived from it, any other shown as a page (default: all)",
			complete: completeType,
		},
	],
	options: [
		{
			flags: "--tree",
			help: "draw what is derived from it",
			conflicts: ["page"],
		},
		{
			flags: "--page",
			help: "show its page: ancestry, properties, defaults, what implements it, objects",
		},
		jsonOption,
		sourceOption,
		timeoutOption,
	],
	run: async ([name], flags) => {
		if (name === undefined && flags.page)
			throw new UsageError("--page shows one type; name it");
		await withSource(flags, async ({ source }) => {
			const tree = new TypeTree(await source.types());
			if (name === undefined) return drawAll(tree, flags);
			const type = tree.get(name);
			if (!type) throw unknownType(name, tree);
			const isFamily = type.isAbstract && tree.childrenOf(name).length > 0;
			const isDrawn = flags.tree ?? (isFamily && !flags.page);
			if (isDrawn) return draw(tree, name, flags);
			const page = await pageOf(source, tree, name);
			if (flags.json) print(formatJson(documentOf(page)));
			else show(page);
		});
	},
};

function unknownType(name: string, tree: TypeTree): UsageError {
	const near = nearest(name, tree.names).slice(0, 5);
	const hint =
		near.length > 0
			? `there is ${near.join(", ")}`
			: "'qomfs types' shows what there is";
	return new UsageError(`no type '${onOneLine(name)}'; ${hint}`);
}

function drawAll(tree: TypeTree, flags: TypesFlags): void {
	for (const { name } of tree.childrenOf(undefined)) draw(tree, name, flags);
}

function draw(tree: TypeTree, name: string, { json }: TypesFlags): void {
	if (json) printTypes(tree, name);
	else printTree(lineOf(tree, name), branchOf(tree, name));
}

function printTypes(tree: TypeTree, name: string): void {
	const { parent = null, isAbstract = false } = tree.get(name) ?? {};
	print(formatJson({ name, parent, abstract: isAbstract }));
	for (const child of tree.childrenOf(name)) printTypes(tree, child.name);
}

/** What nothing can be made of is dim. */
function lineOf(tree: TypeTree, name: string): string {
	const isAbstract = tree.get(name)?.isAbstract ?? false;
	return styled(isAbstract ? "dim" : "bold", onOneLine(name));
}

function branchOf(tree: TypeTree, name: string): Branch {
	return Object.fromEntries(
		tree
			.childrenOf(name)
			.map((child) => [lineOf(tree, child.name), branchOf(tree, child.name)]),
	);
}

/** All that is known of a type. */
interface Page {
	readonly name: string;
	readonly isAbstract: boolean;
	/** From the first type down to this one. */
	readonly ancestry: readonly string[];
	/** The interfaces that it implements; undefined where nobody knows. */
	readonly implemented: readonly string[] | undefined;
	/** What implements it, if it is an interface itself. */
	readonly implementers: readonly string[] | undefined;
	readonly derived: readonly string[];
	readonly description: TypeDescription;
	/** The objects of this type, or of one that is derived from it. */
	readonly objects: readonly QomPath[];
}

async function pageOf(
	source: QomSource,
	tree: TypeTree,
	name: string,
): Promise<Page> {
	const isInterface = tree.isInterface(name);
	const objects = [...(await survey(source)).values()].filter(({ type }) =>
		tree.isDerived(type, name),
	);
	return {
		name,
		isAbstract: tree.get(name)?.isAbstract ?? false,
		ancestry: tree.ancestryOf(name),
		implemented: isInterface ? [] : await implementedBy(source, tree, name),
		implementers: isInterface ? await implementersOf(source, name) : undefined,
		derived: tree.childrenOf(name).map((child) => child.name),
		description: isInterface
			? { properties: new Map() }
			: await source.describe(name),
		objects: objects.map(({ path }) => path),
	};
}

async function implementedBy(
	source: QomSource,
	tree: TypeTree,
	name: string,
): Promise<readonly string[] | undefined> {
	const found: string[] = [];
	for (const each of tree.interfaces) {
		const implementers = await implementersOf(source, each);
		if (!implementers) return undefined;
		if (implementers.includes(name)) found.push(each);
	}
	return found.sort(naturally);
}

/** Undefined where nobody knows. */
async function implementersOf(
	source: QomSource,
	name: string,
): Promise<readonly string[] | undefined> {
	try {
		const types = (await source.types(name)).map((type) => type.name);
		return types.filter((each) => each !== name).sort(naturally);
	} catch (error) {
		if (error instanceof QomfsError && !source.isWritable) return undefined;
		throw error;
	}
}

function documentOf(page: Page): Json {
	const { description, isAbstract, implemented, implementers } = page;
	return {
		name: page.name,
		abstract: isAbstract,
		ancestry: page.ancestry,
		implements: implemented ?? null,
		...(implementers && { implementedBy: implementers }),
		derived: page.derived,
		properties: descriptionsJson(description.properties),
		...(description.refusal !== undefined && { refusal: description.refusal }),
		objects: page.objects,
	};
}

function show(page: Page): void {
	const { description, implemented, implementers } = page;
	section("NAME", [
		`${onOneLine(page.name)}${page.isAbstract ? " (abstract)" : ""}`,
	]);
	section("ANCESTRY", wrapped(page.ancestry.map(onOneLine), " > "));
	list(
		"IMPLEMENTS",
		implemented ?? ["(a snapshot without --describe does not tell)"],
	);
	list("IMPLEMENTED BY", implementers ?? []);
	list("DERIVED FROM IT", page.derived);
	section("PROPERTIES", propertyLines(description));
	list("OBJECTS", page.objects);
}

function section(title: string, lines: readonly string[]): void {
	if (lines.length === 0) return;
	printStyled(styled("bold", title));
	for (const line of lines) printStyled(styled([], `    ${line}`));
	printStyled("");
}

function list(title: string, names: readonly string[]): void {
	section(title, wrapped(names.map(onOneLine), ", "));
}

/** A line for each with its type and default, and one below it with what it is. */
function propertyLines({
	properties,
	refusal,
}: TypeDescription): readonly string[] {
	if (refusal !== undefined) return [`(${onOneLine(refusal)})`];
	return [...properties]
		.sort(([a], [b]) => naturally(a, b))
		.flatMap(([name, { type, description, defaultValue }]) => [
			[
				styled("bold", onOneLine(name)),
				...(type === undefined ? [] : [`<${onOneLine(type)}>`]),
				...(defaultValue === undefined
					? []
					: [`= ${onOneLine(formatJson(defaultValue))}`]),
			].join(" "),
			...(description === undefined
				? []
				: wrapped(onOneLine(description).split(" "), " ").map(
						(line) => `    ${line}`,
					)),
		]);
}
