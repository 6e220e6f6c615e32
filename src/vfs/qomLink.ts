/** A link of the object model as a symlink, relative and never leaving the mount. */
import { FileError } from "../errors.ts";
import type { Json } from "../json.ts";
import {
	isCanonicalPath,
	joinPath,
	type QomPath,
	relativePath,
	resolvePath,
	rootPath,
} from "../qom/path.ts";
import type { PropertyInfo } from "../qom/source.ts";
import { unsetLink, write } from "../qom/write.ts";
import type { Attributes, Symlink } from "./node.ts";
import { type QomObject, type QomTree, unsafeHint } from "./qomTree.ts";
import type { Volume } from "./volume.ts";

export class QomLink implements Symlink {
	readonly kind = "symlink";
	readonly waits = true;
	readonly path: QomPath;
	readonly #tree: QomTree;
	readonly #object: QomObject;
	readonly #info: PropertyInfo;

	constructor(tree: QomTree, object: QomObject, info: PropertyInfo) {
		this.#tree = tree;
		this.#object = object;
		this.#info = info;
		this.path = joinPath(object.path, info.name);
	}

	get volume(): Volume {
		return this.#tree.volume;
	}

	async attributes(): Promise<Attributes> {
		const { view } = this.#tree;
		return this.attributesWith(
			await view.peek(this.#object.path, this.#info.name),
		);
	}

	attributesWith(value: Json): Attributes {
		return {
			kind: "symlink",
			mode: 0o777,
			size: Buffer.byteLength(this.#targetOf(value)),
			mtimeMs: this.volume.options.sinceMs(),
		};
	}

	async target(): Promise<string> {
		const { view } = this.#tree;
		return this.#targetOf(await view.get(this.#object.path, this.#info.name));
	}

	async retarget(target: string): Promise<void> {
		await write(this.#tree.view, {
			object: this.#object.path,
			info: this.#info,
			text: this.#valueOf(target),
			kind: "string",
			isUnsafe: this.volume.options.unsafeWrites,
			unsafeHint,
			objectType: this.#object.type,
		});
	}

	/** An empty target the kernel would resolve to the directory itself. */
	#targetOf(value: Json): string {
		if (value === "") return unsetLink;
		if (typeof value !== "string" || !isCanonicalPath(value))
			throw new FileError("EIO", "QEMU gave no path for this link");
		return relativePath(this.#object.path, value);
	}

	/**
	 * What to set a link to, from a symlink's target in the same directory: relative, absolute
	 * inside the mount, a QOM path, or `(unset)`.
	 */
	#valueOf(target: string): string {
		if (target === unsetLink) return unsetLink;
		const { mountpoint } = this.volume.options;
		if (target === mountpoint) return rootPath;
		if (target.startsWith(`${mountpoint}/`))
			return resolvePath(rootPath, target.slice(mountpoint.length + 1));
		return resolvePath(this.#object.path, target);
	}
}
