/**
 * Sizes that the kernel still believes. A program that asks for the size of a file that it has
 * just opened (`fstat`) gets the kernel's, and may read no further; so a value of another length
 * must not be opened before the kernel has forgotten the one before.
 */
import { setTimeout as sleep } from "node:timers/promises";

interface Told {
	readonly size: number;
	/** By performance.now(). */
	readonly untilMs: number;
}

/** The answer takes a moment to reach the kernel, which counts from there. */
const wayMs = 10;

export class ToldSizes {
	readonly #keptMs: number;
	/** By path, the oldest first. */
	readonly #told = new Map<string, Told>();

	/** @param keptMs how long the kernel keeps a size */
	constructor(keptMs: number) {
		this.#keptMs = keptMs;
	}

	/** The kernel is told a size. 0 stands for an unknown one, as in /proc. */
	tell(path: string, size: number): void {
		const nowMs = performance.now();
		this.#told.delete(path);
		for (const [oldest, { untilMs }] of this.#told) {
			if (untilMs > nowMs) break;
			this.#told.delete(oldest);
		}
		if (size > 0)
			this.#told.set(path, { size, untilMs: nowMs + this.#keptMs + wayMs });
	}

	/** Resolves once the kernel believes no other size than this. */
	async forgotten(path: string, size: number): Promise<void> {
		const told = this.#told.get(path);
		if (!told || told.size === size) return;
		const leftMs = told.untilMs - performance.now();
		if (leftMs > 0) await sleep(leftMs);
	}
}
