/**
 * Which directories a sweep comes to next, and how many of them are worth fetching ahead of it.
 * It knows the sweep and the listings; what to fetch, and when, is for the cache to decide.
 */
import type { Pace } from "../pace.ts";
import { type QomPath, rootPath, splitPath } from "../qom/path.ts";
import type { Listings } from "./listings.ts";
import { Sweep } from "./sweep.ts";
import type { ValueStore } from "./valueStore.ts";

/** A property by its name. */
export type Place = readonly [path: QomPath, property: string];

export class ReadAhead {
	readonly #sweep: Sweep;
	readonly #listings: Listings;
	readonly #values: ValueStore;
	readonly #pace: () => Pace;
	/** Objects fetched ahead of the sweep, which it has not reached yet. */
	#awaited: readonly QomPath[] = [];
	/** Whether the sweep has read a value since its last directory. */
	#sweepReads = false;

	/** @param pauseMs after so long without a sign of life a sweep is over */
	constructor(
		pauseMs: number,
		listings: Listings,
		values: ValueStore,
		pace: () => Pace,
	) {
		this.#sweep = new Sweep(pauseMs);
		this.#listings = listings;
		this.#values = values;
		this.#pace = pace;
	}

	/** Something is asked of the cache: after a pause, what was fetched ahead is not waited for any more. */
	noteCall(nowMs: number): void {
		if (this.#sweep.isAlive(nowMs)) return;
		this.#sweep.end();
		this.#awaited = [];
	}

	/** QEMU has answered: if a sweep had to wait for that, it was not the sweep that paused. */
	noteAnswer(nowMs: number): void {
		const { current } = this.#sweep;
		if (current === undefined) return;
		this.#sweep.revive(nowMs);
		this.#values.revive([current, ...this.#awaited], nowMs);
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
		const { aheadListing } = this.#pace();
		const before = this.#awaited.filter((path) => !paths.includes(path));
		this.#awaited = [...before, ...paths].slice(-aheadListing);
	}

	/** Directories that it will come to and whose listing is not fresh. */
	unlisted(): QomPath[] {
		const { aheadReading, aheadListing } = this.#pace();
		const most = this.#sweepReads ? aheadReading : aheadListing;
		this.#sweepReads = false;
		return first(most, this.#comingUp(), (path) => !this.#listings.fresh(path));
	}

	/** Directories that it will come to and whose values are not there. */
	unread(nowMs: number): QomPath[] {
		const { aheadReading } = this.#pace();
		return first(
			aheadReading,
			this.#comingUp(),
			(path) => !this.#values.has(path, nowMs),
		);
	}

	/** Of the very next directories those whose listing is not fresh. */
	unlistedSoon(): QomPath[] {
		const next = first(this.#pace().aheadAlone, this.#comingUp());
		return next.filter((path) => !this.#listings.fresh(path));
	}

	/** Whether more values of an object are likely to be read: by a sweep, or since another one was. */
	isReading(path: QomPath, property: string, nowMs: number): boolean {
		const before = this.#values.lastRead(path, nowMs);
		return before === undefined ? this.#isSweeping(path) : before !== property;
	}

	/**
	 * Values that will be read after one and are not there: of the same object, and of those that a
	 * sweep comes to.
	 */
	valuesAfter(path: QomPath, property: string, nowMs: number): Place[] {
		const { aheadValues } = this.#pace();
		if (aheadValues === 0) return [];
		const next = first(aheadValues, this.#filesAfter(path, property));
		const further = new Set(next.map(([path]) => path));
		further.delete(path);
		if (further.size > 0) this.noteFetched([...further]);
		return next.filter(([path, name]) => !this.#values.look(path, name, nowMs));
	}

	/** In the order of listings. */
	*#filesAfter(path: QomPath, property: string): Generator<Place> {
		const files = this.#listings.fresh(path)?.files ?? [];
		const at = files.indexOf(property);
		if (at >= 0) for (const name of files.slice(at + 1)) yield [path, name];
		if (!this.#isSweeping(path)) return;
		for (const next of this.#comingUp())
			for (const name of this.#listings.fresh(next)?.files ?? [])
				yield [next, name];
	}

	#isSweeping(path: QomPath): boolean {
		return this.#sweep.isRecognised && this.#sweep.current === path;
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

function first<Item>(
	most: number,
	items: Iterable<Item>,
	isWanted: (item: Item) => boolean = () => true,
): Item[] {
	const found: Item[] = [];
	for (const item of items) {
		if (found.length >= most) break;
		if (isWanted(item)) found.push(item);
	}
	return found;
}
