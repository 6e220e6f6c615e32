/**
 * An object as a directory: its children are directories, its links symlinks, its other
 * properties files. Only a child is a directory: QEMU resolves paths through links as well, so
 * asking "is there something at this path" would go round in circles for ever.
 */
import { beginningOf, FileError } from "../errors.ts";
import { formatValue } from "../qom/codec.ts";
import {
	isFileName,
	joinPath,
	maxNameBytes,
	type QomPath,
	rootPath,
} from "../qom/path.ts";
import type { PropertyInfo, QomView } from "../qom/source.ts";
import { parseType } from "../qom/types.ts";
import { NewLinks } from "./newLinks.ts";
import type { Attributes, Directory, Entry, Node, Xattrs } from "./node.ts";
import { documentFile } from "./objectFile.ts";
import { PropertyFile } from "./propertyFile.ts";
import { QomLink } from "./qomLink.ts";
import type { QomTree } from "./qomTree.ts";
import type { Volume } from "./volume.ts";
import { xattrs } from "./xattrs.ts";

/**
 * The root of a machine's tree.
 *
 * @param hidden what else is found there by name, and not listed
 */
export function qomRoot(
	view: QomView,
	volume: Volume,
	hidden: ReadonlyMap<string, Node>,
): Directory {
	const tree = { view, volume, newLinks: new NewLinks(volume) };
	return new QomRoot(tree, hidden);
}

export class QomDirectory implements Directory {
	readonly kind = "directory";
	readonly waits = true;
	readonly path: QomPath;
	/** Of the object; undefined for the root, which nothing lists. */
	readonly type: string | undefined;
	readonly #tree: QomTree;

	constructor(tree: QomTree, path: QomPath, type: string | undefined) {
		this.#tree = tree;
		this.path = path;
		this.type = type;
	}

	get volume(): Volume {
		return this.#tree.volume;
	}

	async attributes(): Promise<Attributes> {
		return this.known();
	}

	known(): Attributes {
		return {
			kind: "directory",
			mode: this.volume.mode(0o755),
			size: 0,
			mtimeMs: this.volume.options.sinceMs(),
		};
	}

	/** Its listing tells all, so however many names are looked up, QEMU is asked once. */
	async lookup(name: string): Promise<Node | undefined> {
		const properties = await this.#tree.view.list(this.path);
		const info = properties.find((property) => property.name === name);
		return info ? this.#node(info) : documentFile(this.#tree, this.path, name);
	}

	hidden(name: string): Node | undefined {
		return this.#tree.newLinks.find(joinPath(this.path, name));
	}

	async entries(): Promise<readonly Entry[]> {
		const all = (await this.#fileProperties()).map((info) => ({
			name: info.name,
			node: this.#node(info),
		}));
		const entries = this.volume.options.hideUnreadable
			? await readableOf(all)
			: all;
		// A sweep takes them in this order: it has done with the values before it goes deeper.
		return [
			...entries.filter(({ node }) => node.kind !== "directory"),
			...entries.filter(({ node }) => node.kind === "directory"),
		];
	}

	symlink(name: string, target: string): void {
		this.#tree.newLinks.add(joinPath(this.path, name), target);
	}

	unlink(name: string): boolean {
		return this.#tree.newLinks.remove(joinPath(this.path, name));
	}

	xattrs(): Xattrs {
		return xattrs([
			[
				"type",
				async () =>
					this.type ??
					formatValue(await this.#tree.view.get(this.path, "type")),
			],
			["path", async () => this.path],
		]);
	}

	/** A name that no file can have, or one that comes twice, must not hide its neighbours. */
	async #fileProperties(): Promise<readonly PropertyInfo[]> {
		const byName = new Map<string, PropertyInfo>();
		for (const property of await this.#tree.view.sweep(this.path))
			if (!isFileName(property.name)) this.#tellOf(property.name);
			else if (!byName.has(property.name)) byName.set(property.name, property);
		return [...byName.values()];
	}

	/** What no file can be called is left out; the log says so, once. */
	#tellOf(name: string): void {
		const { errors } = this.volume;
		const path = joinPath(this.path, beginningOf(name, maxNameBytes));
		if (errors.last(path)) return;
		const isLong = Buffer.byteLength(name) > maxNameBytes;
		const error = new FileError(
			isLong ? "ENAMETOOLONG" : "EINVAL",
			"no file can have this name; it is left out",
		);
		errors.record("readdir", path, error, false);
	}

	#node(info: PropertyInfo): Directory | PropertyFile | QomLink {
		const { kind, type } = parseType(info.type);
		switch (kind) {
			case "child":
				return new QomDirectory(
					this.#tree,
					joinPath(this.path, info.name),
					type,
				);
			case "link":
				return new QomLink(this.#tree, this, info);
			case "value":
				return new PropertyFile(this.#tree, this, info);
		}
	}
}

class QomRoot extends QomDirectory {
	readonly #hidden: ReadonlyMap<string, Node>;

	constructor(tree: QomTree, hidden: ReadonlyMap<string, Node>) {
		super(tree, rootPath, undefined);
		this.#hidden = hidden;
	}

	override hidden(name: string): Node | undefined {
		return this.#hidden.get(name) ?? super.hidden(name);
	}
}

async function readableOf<E extends Entry>(
	entries: readonly E[],
): Promise<readonly E[]> {
	const readable = await Promise.all(
		entries.map(
			({ node }) => !(node instanceof PropertyFile) || node.isReadable(),
		),
	);
	return entries.filter((_entry, index) => readable[index]);
}
