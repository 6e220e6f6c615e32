/**
 * A QOM tree as nodes: objects are directories, links are symlinks, any other property
 * is a file. Only a child is a directory: QEMU resolves paths through links as well, so
 * asking "is there something at this path" would go round in circles for ever.
 */
import { FileError, QomError } from "../errors.ts";
import type { Json } from "../json.ts";
import { formatValue } from "../qom/codec.ts";
import { isSecret } from "../qom/guard.ts";
import {
	isCanonicalPath,
	isFileName,
	joinPath,
	type QomPath,
	relativePath,
	rootPath,
	splitPath,
} from "../qom/path.ts";
import type { PropertyInfo, QomSource } from "../qom/source.ts";
import { parseType } from "../qom/types.ts";
import {
	type Attributes,
	type Directory,
	type Entry,
	type File,
	type Node,
	type NodeKind,
	type Symlink,
	snapshotHandle,
} from "./node.ts";

/** Target of an unset link. An empty one the kernel would resolve to the directory itself. */
export const unsetTarget = "(unset)";

export class QomTree {
	readonly #source: QomSource;
	/** When the machine was connected: QOM knows no times. */
	readonly #sinceMs: number;

	constructor(source: QomSource, sinceMs: number) {
		this.#source = source;
		this.#sinceMs = sinceMs;
	}

	/**
	 * The node at a path.
	 *
	 * Only the parent is listed: the kernel has looked up every name before this one.
	 *
	 * @throws FileError ENOENT, QomError
	 */
	async resolve(path: QomPath): Promise<Node> {
		if (path === rootPath) return this.#directory(rootPath);
		const [parent, name] = splitPath(path);
		const property = await this.#find(parent, name);
		if (!property)
			throw new FileError("ENOENT", `${path}: no such object or property`);
		switch (kindOf(property)) {
			case "directory":
				return this.#directory(path);
			case "symlink":
				return this.#symlink(parent, name);
			case "file":
				return this.#file(parent, name);
		}
	}

	async #find(
		parent: QomPath,
		name: string,
	): Promise<PropertyInfo | undefined> {
		const properties = await this.#source.list(parent);
		return properties.find((property) => property.name === name);
	}

	#directory(path: QomPath): Directory {
		return {
			kind: "directory",
			attributes: async () => this.#attributes("directory", 0o755, 0),
			entries: async () => entriesOf(await this.#source.list(path)),
		};
	}

	#symlink(parent: QomPath, name: string): Symlink {
		const target = (value: Json) => linkTarget(parent, name, value);
		return {
			kind: "symlink",
			attributes: async () => {
				const text = target(await this.#source.peek(parent, name));
				return this.#attributes("symlink", 0o777, Buffer.byteLength(text));
			},
			target: async () => target(await this.#source.get(parent, name)),
		};
	}

	#file(parent: QomPath, name: string): File {
		return {
			kind: "file",
			attributes: async () => {
				const [mode, size] = await Promise.all([
					this.#mode(parent, name),
					this.#size(parent, name),
				]);
				return this.#attributes("file", mode, size);
			},
			open: async () =>
				snapshotHandle(fileBytes(await this.#source.get(parent, name))),
		};
	}

	/** A property that cannot be read has no size, but it is there: only its open fails. */
	async #size(parent: QomPath, name: string): Promise<number> {
		try {
			return fileBytes(await this.#source.peek(parent, name)).length;
		} catch (error) {
			if (error instanceof QomError && !error.refusal.startsWith("no such"))
				return 0;
			throw error;
		}
	}

	async #mode(parent: QomPath, name: string): Promise<number> {
		if (name === "type") return 0o444;
		return (await this.#isSecret(parent, name)) ? 0o600 : 0o644;
	}

	/** An object's type stands in its parent's listing, which is mostly at hand. */
	async #isSecret(object: QomPath, property: string): Promise<boolean> {
		if (!isSecret(undefined, property)) return false;
		const info = await this.#find(...splitPath(object));
		return info !== undefined && isSecret(parseType(info.type).type, property);
	}

	#attributes(kind: NodeKind, mode: number, size: number): Attributes {
		return { kind, mode, size, mtimeMs: this.#sinceMs };
	}
}

function kindOf(property: PropertyInfo): NodeKind {
	const { kind } = parseType(property.type);
	if (kind === "child") return "directory";
	return kind === "link" ? "symlink" : "file";
}

/** A name that no file can have, or one that comes twice, must not hide its neighbours. */
function entriesOf(properties: readonly PropertyInfo[]): Entry[] {
	const byName = new Map<string, PropertyInfo>();
	for (const property of properties)
		if (isFileName(property.name) && !byName.has(property.name))
			byName.set(property.name, property);
	return [...byName.values()].map((property) => ({
		name: property.name,
		kind: kindOf(property),
	}));
}

function linkTarget(parent: QomPath, name: string, value: Json): string {
	if (value === "") return unsetTarget;
	if (typeof value !== "string" || !isCanonicalPath(value))
		throw new FileError(
			"EIO",
			`${joinPath(parent, name)}: QEMU gave no path for this link`,
		);
	return relativePath(parent, value);
}

function fileBytes(value: Json): Uint8Array {
	return Buffer.from(`${formatValue(value)}\n`);
}
