/** A link of the object model as a symlink, relative and never leaving the mount. */
import { FileError } from "../errors.ts";
import type { Json } from "../json.ts";
import {
	isCanonicalPath,
	relativePath,
	resolvePath,
	rootPath,
} from "../qom/path.ts";
import { unsetLink } from "../qom/write.ts";
import type { Attributes, Symlink } from "./node.ts";
import { QomProperty } from "./qomProperty.ts";

export class QomLink extends QomProperty implements Symlink {
	readonly kind = "symlink";

	async attributes(): Promise<Attributes> {
		return this.attributesWith(await this.peek());
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
		return this.#targetOf(await this.get());
	}

	async retarget(target: string): Promise<void> {
		await this.write(this.#valueOf(target));
	}

	/** An empty target the kernel would resolve to the directory itself. */
	#targetOf(value: Json): string {
		if (value === "") return unsetLink;
		if (typeof value !== "string" || !isCanonicalPath(value))
			throw new FileError("EIO", "QEMU gave no path for this link");
		return relativePath(this.object.path, value);
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
		return resolvePath(this.object.path, target);
	}
}
