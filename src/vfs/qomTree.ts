/**
 * A QOM tree as nodes: objects are directories, links are symlinks, any other property
 * is a file. Only a child is a directory: QEMU resolves paths through links as well, so
 * asking "is there something at this path" would go round in circles for ever.
 */
import { FileError } from "../errors.ts";
import { formatJson, type Json } from "../json.ts";
import { formatValue } from "../qom/codec.ts";
import { contentsOf } from "../qom/contents.ts";
import { isSecret } from "../qom/guard.ts";
import { objectDocument } from "../qom/objectDocument.ts";
import {
	isCanonicalPath,
	isFileName,
	joinPath,
	type QomPath,
	relativePath,
	resolvePath,
	rootPath,
	splitPath,
} from "../qom/path.ts";
import type { PropertyInfo, QomSource } from "../qom/source.ts";
import { parseType } from "../qom/types.ts";
import type { ErrorLog } from "./errorLog.ts";
import {
	type Directory,
	type Entry,
	type File,
	type Node,
	type NodeKind,
	type Symlink,
	snapshotHandle,
	type Xattrs,
} from "./node.ts";
import { PropertyFile } from "./propertyFile.ts";
import type { TreePolicy } from "./treePolicy.ts";

/** Reachable by name, not listed, so that `find` and `grep -r` show nothing twice. */
export const documentName = ".json";

/** Target of an unset link. An empty one the kernel would resolve to the directory itself. */
export const unsetTarget = "(unset)";

export class QomTree {
	readonly #source: QomSource;
	readonly #policy: TreePolicy;
	readonly #errors: ErrorLog;

	constructor(source: QomSource, policy: TreePolicy, errors: ErrorLog) {
		this.#source = source;
		this.#policy = policy;
		this.#errors = errors;
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
		const [object, name] = splitPath(path);
		const info = await this.#find(object, name);
		if (!info) {
			if (name === documentName) return this.#document(object);
			throw new FileError("ENOENT", "no such object or property");
		}
		switch (kindOf(info)) {
			case "directory":
				return this.#directory(path);
			case "symlink":
				return this.#symlink(object, info);
			case "file":
				return new PropertyFile({
					source: this.#source,
					policy: this.#policy,
					object,
					info,
					objectType: () => this.#typeOf(object),
					xattrs: () => this.#propertyXattrs(object, info),
				});
		}
	}

	/** Whether what is written to a path is a secret. */
	async isSecret(path: QomPath): Promise<boolean> {
		const [object, name] = splitPath(path);
		return (
			isSecret(undefined, name) && isSecret(await this.#typeOf(object), name)
		);
	}

	async #find(
		object: QomPath,
		name: string,
	): Promise<PropertyInfo | undefined> {
		const properties = await this.#source.list(object);
		return properties.find((property) => property.name === name);
	}

	/** An object's type stands in its parent's listing, which is mostly at hand. */
	async #typeOf(object: QomPath): Promise<string | undefined> {
		if (object === rootPath) return undefined;
		const info = await this.#find(...splitPath(object));
		return info && parseType(info.type).type;
	}

	#directory(path: QomPath): Directory {
		return {
			kind: "directory",
			attributes: async () => this.#attributes("directory", 0o755, 0),
			entries: async () => entriesOf(await this.#source.list(path, true)),
			xattrs: () => this.#objectXattrs(path),
		};
	}

	#symlink(object: QomPath, { name, type }: PropertyInfo): Symlink {
		const target = (value: Json) => linkTarget(object, value);
		return {
			kind: "symlink",
			attributes: async () => {
				const text = target(await this.#source.peek(object, name));
				return this.#attributes("symlink", 0o777, Buffer.byteLength(text));
			},
			target: async () => target(await this.#source.get(object, name)),
			retarget: async (text) => {
				this.#policy.checkGuard(object, undefined, name, type);
				await this.#source.set(object, name, this.#linkValue(object, text));
			},
		};
	}

	/** As in /proc: the size is not known before it is read. */
	#document(object: QomPath): File {
		const read = async () => {
			const contents = await contentsOf(this.#source, object);
			return formatJson(await objectDocument(this.#source, object, contents));
		};
		return {
			kind: "file",
			attributes: async () => this.#attributes("file", 0o444, 0),
			open: async ({ write }) => {
				if (write) throw new FileError("EACCES", "cannot be written");
				return snapshotHandle(Buffer.from(`${await read()}\n`));
			},
		};
	}

	/**
	 * What to set a link to, from a symlink's target in the same directory: relative,
	 * absolute inside the mount, a QOM path, or `(unset)`.
	 */
	#linkValue(object: QomPath, target: string): string {
		if (target === unsetTarget) return "";
		const { mountpoint } = this.#policy.options;
		if (target === mountpoint) return rootPath;
		if (target.startsWith(`${mountpoint}/`))
			return resolvePath(rootPath, target.slice(mountpoint.length + 1));
		return resolvePath(object, target);
	}

	#objectXattrs(path: QomPath): Xattrs {
		return xattrs([
			[
				"type",
				async () =>
					(await this.#typeOf(path)) ??
					formatValue(await this.#source.get(path, "type")),
			],
			["path", async () => path],
		]);
	}

	#propertyXattrs(object: QomPath, { name, type }: PropertyInfo): Xattrs {
		const path = joinPath(object, name);
		const describe = async () => {
			const objectType = await this.#typeOf(object);
			if (objectType === undefined) return undefined;
			const isDevice = (await this.#find(object, "realized")) !== undefined;
			const described = await this.#source.describe(objectType, isDevice);
			return described.get(name);
		};
		return xattrs([
			["type", async () => type],
			["path", async () => path],
			["description", async () => (await describe())?.description],
			[
				"default",
				async () => {
					const value = (await describe())?.defaultValue;
					return value === undefined ? undefined : formatValue(value);
				},
			],
			[
				"error",
				async () => {
					const failure = this.#errors.last(path);
					return failure && `${failure.errno}: ${failure.desc ?? "redacted"}`;
				},
			],
		]);
	}

	#attributes(kind: NodeKind, bits: number, size: number) {
		const mode = kind === "symlink" ? bits : this.#policy.mode(bits);
		return { kind, mode, size, mtimeMs: this.#policy.sinceMs };
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
	const entries = [...byName.values()].map((property) => ({
		name: property.name,
		kind: kindOf(property),
	}));
	// A sweep takes them in this order: it has done with the values before it goes deeper.
	return [
		...entries.filter(({ kind }) => kind !== "directory"),
		...entries.filter(({ kind }) => kind === "directory"),
	];
}

function linkTarget(object: QomPath, value: Json): string {
	if (value === "") return unsetTarget;
	if (typeof value !== "string" || !isCanonicalPath(value))
		throw new FileError("EIO", "QEMU gave no path for this link");
	return relativePath(object, value);
}

type XattrReader = () => Promise<string | undefined>;

/**
 * Those that have a value exist. A Map, because the names come from outside, and a plain object
 * knows some of its own.
 */
function xattrs(
	readers: readonly (readonly [name: string, read: XattrReader])[],
): Xattrs {
	const byName = new Map(
		readers.map(([name, read]) => [xattrPrefix + name, read]),
	);
	const get = async (name: string) => byName.get(name)?.();
	return {
		get,
		names: async () => {
			const names = [...byName.keys()];
			const values = await Promise.all(names.map(get));
			return names.filter((_name, index) => values[index] !== undefined);
		},
	};
}

/** All names of ours; whatever else the kernel asks for (`security.*`) is not there. */
export const xattrPrefix = "user.qom.";
