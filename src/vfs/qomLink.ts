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
import type { Attributes, KnownAttributes, Symlink } from "./node.ts";
import { QomProperty } from "./qomProperty.ts";

/** The kernel takes no longer ones (PATH_MAX, with the NUL at its end). */
const maxTargetBytes = 4095;

export class QomLink extends QomProperty implements Symlink {
	readonly kind = "symlink";

	async attributes(): Promise<Attributes> {
		return this.#attributes(lengthOf(this.#targetOf(await this.peek())));
	}

	known(): KnownAttributes {
		const value = this.knownValue();
		const isTarget = value === "" || isTargetPath(value);
		const size = isTarget ? lengthOf(this.#relative(value)) : undefined;
		return this.#attributes(
			size === undefined || size > maxTargetBytes ? undefined : size,
		);
	}

	#attributes<Size>(size: Size): Omit<Attributes, "size"> & { size: Size } {
		return {
			kind: "symlink",
			mode: 0o777,
			size,
			mtimeMs: this.volume.options.sinceMs(),
		};
	}

	async target(): Promise<string> {
		return this.#targetOf(await this.peek());
	}

	async retarget(target: string): Promise<void> {
		await this.write(this.#valueOf(target));
	}

	/** An empty target the kernel would resolve to the directory itself. */
	#relative(value: string): string {
		return value === "" ? unsetLink : relativePath(this.object.path, value);
	}

	#targetOf(value: Json): string {
		if (value !== "" && !isTargetPath(value))
			throw new FileError("EIO", "QEMU gave no path for this link");
		const target = this.#relative(value);
		if (lengthOf(target) > maxTargetBytes)
			throw new FileError(
				"ENAMETOOLONG",
				`it leads to a path of more than ${maxTargetBytes} bytes, and no link can`,
			);
		return target;
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

function isTargetPath(value: Json | undefined): value is string {
	return typeof value === "string" && isCanonicalPath(value);
}

function lengthOf(target: string): number {
	return Buffer.byteLength(target);
}
