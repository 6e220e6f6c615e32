/**
 * Symlinks that `ln -sf` has made under a temporary name and is about to rename over the
 * link that they replace. Only then is QEMU asked.
 */
import { FileError } from "../errors.ts";
import type { Symlink } from "./node.ts";
import type { Volume } from "./volume.ts";

/** `ln` makes one at a time; more of them are not a use of `ln`. */
const maxLinks = 16;

/** The temporary names of GNU coreutils; a link of any other name would be there to stay. */
const temporaryName = /\/Cu\w{6}$/;

export class NewLinks {
	readonly #volume: Volume;
	readonly #links = new Map<string, Symlink>();

	constructor(volume: Volume) {
		this.#volume = volume;
	}

	/** @throws FileError EPERM for any link that does not replace one of QEMU's */
	add(path: string, target: string): void {
		if (!this.#volume.options.unsafeWrites)
			throw new FileError(
				"EPERM",
				"links are guarded: they wire the running machine together; mount with -o unsafe_writes to change them all the same",
			);
		if (!temporaryName.test(path))
			throw new FileError(
				"EPERM",
				"links cannot be added; 'ln -sfn' leads one of QEMU's elsewhere",
			);
		if (this.#links.size >= maxLinks)
			throw new FileError("EPERM", "too many new symlinks; remove some");
		const attributes = {
			kind: "symlink",
			mode: 0o777,
			size: Buffer.byteLength(target),
			mtimeMs: Date.now(),
		} as const;
		this.#links.set(path, {
			kind: "symlink",
			volume: this.#volume,
			path,
			waits: false,
			attributes: async () => attributes,
			known: () => attributes,
			target: async () => target,
		});
	}

	find(path: string): Symlink | undefined {
		return this.#links.get(path);
	}

	/** Returns whether there was one. */
	remove(path: string): boolean {
		return this.#links.delete(path);
	}
}
