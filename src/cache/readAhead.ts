/**
 * Which directories a sweep comes to next, and how many of them are worth fetching ahead of it.
 * It knows the sweep and the listings; what to fetch, and when, is for the cache to decide.
 */
import { type QomPath, rootPath, splitPath } from "../qom/path.ts";
import type { Listings } from "./listings.ts";
import { Sweep } from "./sweep.ts";
import type { ValueStore } from "./valueStore.ts";

/**
 * How many directories a sweep is read ahead of. More would make QEMU stall for longer;
 * with values, which go stale, fewer.
 */
const aheadListing = 32;
const aheadReading = 8;
/** Where each is a command of its own: enough to keep QEMU busy, and little to ask in vain. */
const aheadAlone = 4;

export class ReadAhead {
	readonly #sweep: Sweep;
	readonly #listings: Listings;
	readonly #values: ValueStore;
	/** Objects fetched ahead of the sweep, which it has not reached yet. */
	#awaited: readonly QomPath[] = [];
	/** Whether the sweep has read a value since its last directory. */
	#sweepReads = false;

	/** @param pauseMs after so long without a sign of life a sweep is over */
	constructor(pauseMs: number, listings: Listings, values: ValueStore) {
		this.#sweep = new Sweep(pauseMs);
		this.#listings = listings;
		this.#values = values;
	}

	/** A directory is read; the sweep, if it is one, has left the one before. */
	enter(path: QomPath, nowMs: number): void {
		const left = this.#sweep.current;
		this.#sweep.visit(path, nowMs);
		if (left !== undefined && left !== path) this.#values.drop(left);
		this.#awaited = this.#sweep.isRecognised
			? this.#awaited.filter((awaited) => awaited !== path)
			: [];
		this.#values.keepAlive(this.#awaited, nowMs);
		this.#values.noteUse(path, undefined, nowMs);
	}

	/** A value was read: the sweep goes on. */
	goesOn(nowMs: number): void {
		this.#sweepReads = true;
		this.#sweep.keepAlive(nowMs);
		this.#values.keepAlive(this.#awaited, nowMs);
	}

	/** These were fetched with their values. */
	noteFetched(paths: readonly QomPath[]): void {
		this.#awaited = [...this.#awaited, ...paths].slice(-aheadListing);
	}

	/** Directories that it will come to and whose listing is not fresh. */
	unlisted(): QomPath[] {
		const most = this.#sweepReads ? aheadReading : aheadListing;
		this.#sweepReads = false;
		return this.#first(most, (path) => !this.#listings.fresh(path));
	}

	/** Directories that it will come to and whose values are not there. */
	unread(nowMs: number): QomPath[] {
		return this.#first(aheadReading, (path) => !this.#values.has(path, nowMs));
	}

	/** Of the very next directories those whose listing is not fresh. */
	unlistedSoon(): QomPath[] {
		const next = this.#first(aheadAlone, () => true);
		return next.filter((path) => !this.#listings.fresh(path));
	}

	#first(most: number, isWanted: (path: QomPath) => boolean): QomPath[] {
		const found: QomPath[] = [];
		for (const path of this.#comingUp()) {
			if (found.length >= most) break;
			if (isWanted(path)) found.push(path);
		}
		return found;
	}

	/** The directories that a sweep has before it, in its order, as far as they are known. */
	*#comingUp(): Generator<QomPath> {
		const { current, root } = this.#sweep;
		if (current === undefined || !this.#sweep.isRecognised) return;
		for (let path = current; ; [path] = splitPath(path)) {
			for (const child of this.#listings.fresh(path)?.children ?? [])
				yield* this.#unvisited(child);
			if (path === root || path === rootPath) return;
		}
	}

	/** A directory and those below it; what was visited is done, or on the way to where the sweep is. */
	*#unvisited(path: QomPath): Generator<QomPath> {
		if (this.#sweep.hasVisited(path)) return;
		yield path;
		for (const child of this.#listings.fresh(path)?.children ?? [])
			yield* this.#unvisited(child);
	}
}
