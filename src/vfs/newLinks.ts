/**
 * Symlinks that `ln -sf` has made under a temporary name and is about to rename over the
 * link that they replace. Only then is QEMU asked.
 */
import { FileError } from "../errors.ts";
import type { Symlink } from "./node.ts";

/** `ln` makes one at a time; whoever leaves many behind does something else. */
const maxLinks = 16;

/** The temporary names of GNU coreutils; a link of any other name would be there to stay. */
const temporaryName = /\/Cu\w{6}$/;

export class NewLinks {
	readonly #targets = new Map<string, string>();

	/** @throws FileError EPERM for any link that does not replace one of QEMU's */
	add(path: string, target: string): void {
		if (!temporaryName.test(path))
			throw new FileError(
				"EPERM",
				"links cannot be added; 'ln -sfn' leads one of QEMU's elsewhere",
			);
		if (this.#targets.size >= maxLinks)
			throw new FileError("EPERM", "too many new symlinks; remove some");
		this.#targets.set(path, target);
	}

	target(path: string): string | undefined {
		return this.#targets.get(path);
	}

	/** Returns whether there was one. */
	remove(path: string): boolean {
		return this.#targets.delete(path);
	}

	node(path: string): Symlink | undefined {
		const target = this.#targets.get(path);
		if (target === undefined) return undefined;
		return {
			kind: "symlink",
			attributes: async () => ({
				kind: "symlink",
				mode: 0o777,
				size: Buffer.byteLength(target),
				mtimeMs: Date.now(),
			}),
			target: async () => target,
			retarget: async () => {
				throw new FileError("EPERM", "not a link of QEMU's");
			},
		};
	}
}
