/**
 * `.qomfs/types/`: what this QEMU can model, by inheritance. Only what somebody opens by name is
 * described, for QEMU makes an instance of a type to do so.
 */
import { FileError } from "../../errors.ts";
import { formatJson } from "../../json.ts";
import { isFileName, joinPath } from "../../qom/path.ts";
import type { Description, QomView, TypeInfo } from "../../qom/source.ts";
import { TypeTree } from "../../qom/typeTree.ts";
import {
	entriesOf,
	madeDirectory,
	type Place,
	textFile,
} from "../madeNodes.ts";
import type { Directory, Node } from "../node.ts";
import type { Volume } from "../volume.ts";
import { controlName } from "./controlDirectory.ts";

export const typesName = "types";
/** In the directory of a type. */
const propertiesName = "properties";

/** @param introspects whether `properties` is listed, so that whoever reads everything has all types described */
export function typesDirectory(
	view: QomView,
	volume: Volume,
	introspects: boolean,
): Directory {
	let known: readonly TypeInfo[] | undefined;
	let tree = new TypeTree([]);
	const types = async (): Promise<TypeTree> => {
		const latest = await view.types();
		if (latest !== known) tree = new TypeTree(latest);
		known = latest;
		return tree;
	};
	const place = (path: string): Place => ({
		...{ volume, path, waits: true },
		mtimeMs: volume.options.sinceMs(),
	});

	/** The types derived from one, and what is told of that one itself. */
	const directory = (path: string, type: TypeInfo | undefined): Directory => {
		const told = new Map<string, Node>();
		const tell = (name: string, text: string) =>
			told.set(name, textFile(place(joinPath(path, name)), `${text}\n`));
		if (type?.parent !== undefined) tell("parent", type.parent);
		if (type) tell("abstract", `${type.isAbstract}`);
		const properties =
			type && propertiesDirectory(joinPath(path, propertiesName), type.name);
		const below = async () =>
			new Map(
				(await types())
					.childrenOf(type?.name)
					.filter(({ name }) => isFileName(name))
					.map((child) => [
						child.name,
						directory(joinPath(path, child.name), child),
					]),
			);
		return madeDirectory(place(path), 0o555, {
			lookup: async (name) =>
				told.get(name) ??
				(name === propertiesName ? properties : (await below()).get(name)),
			entries: async () => [
				...entriesOf(told),
				...(properties && introspects
					? [{ name: propertiesName, node: properties }]
					: []),
				...entriesOf(await below()),
			],
		});
	};

	const propertiesDirectory = (path: string, type: string): Directory => {
		const files = async (): Promise<ReadonlyMap<string, Node>> => {
			// QEMU makes none of these.
			if ((await types()).isInterface(type)) return new Map();
			const { properties, refusal } = await view.describe(type);
			if (refusal !== undefined) throw new FileError("EPERM", refusal);
			return new Map(
				[...properties]
					.filter(([name]) => isFileName(name))
					.map(([name, described]) => [
						name,
						textFile(place(joinPath(path, name)), textOf(described)),
					]),
			);
		};
		return madeDirectory(place(path), 0o555, {
			lookup: async (name) => (await files()).get(name),
			entries: async () => entriesOf(await files()),
		});
	};

	return directory(`/${controlName}/${typesName}`, undefined);
}

/** A line for each thing that is known. */
function textOf({ type, defaultValue, description }: Description): string {
	const lines = [
		...(type !== undefined ? [`type: ${type}`] : []),
		...(defaultValue !== undefined
			? [`default: ${formatJson(defaultValue)}`]
			: []),
		...(description !== undefined ? [`description: ${description}`] : []),
	];
	return lines.map((line) => `${line}\n`).join("");
}
