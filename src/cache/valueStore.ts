/**
 * Values that were fetched before anybody asked for them: for a size, or because their
 * neighbours are being read. Each is handed out once at most, and dropped when whoever
 * caused it pauses, goes elsewhere, or after two seconds.
 */
import type { QomError } from "../errors.ts";
import type { Json } from "../json.ts";
import type { QomPath } from "../qom/path.ts";

/** Oldest that a value may be when it is handed out, in ms. */
export const maxAgeMs = 2000;

/** Objects with values, the least recently used go first. */
const maxObjects = 256;

/** A value or QEMU's refusal; undefined for a value that did not come along with its neighbours. */
export type Fetched = Json | QomError | undefined;

export interface StoredValue {
	readonly value: Fetched;
	/** When it was asked for. */
	readonly fetchedMs: number;
}

interface StoredObject {
	readonly values: Map<string, StoredValue>;
	/** When something of the object was asked for last. */
	usedMs: number;
	/** What that was; undefined for all of it. */
	usedProperty: string | undefined;
}

export class ValueStore {
	readonly #pauseMs: number;
	readonly #objects = new Map<QomPath, StoredObject>();

	constructor(pauseMs: number) {
		this.#pauseMs = pauseMs;
	}

	/** Stores what QEMU sent; counted from when it was asked, for it may be as old as that. */
	put(
		object: QomPath,
		values: Iterable<readonly [property: string, value: Fetched]>,
		fetchedMs: number,
		nowMs: number,
	): void {
		const stored = this.#touch(object, nowMs);
		for (const [property, value] of values)
			stored.values.set(property, { value, fetchedMs });
	}

	/** A look at a value that does not count as its use; undefined where nothing was fetched. */
	look(
		object: QomPath,
		property: string,
		nowMs: number,
	): StoredValue | undefined {
		const entry = this.#inUse(object, nowMs)?.values.get(property);
		return entry && nowMs - entry.fetchedMs < maxAgeMs ? entry : undefined;
	}

	/** A look at a value that stays. */
	peek(
		object: QomPath,
		property: string,
		nowMs: number,
	): StoredValue | undefined {
		const entry = this.look(object, property, nowMs);
		const stored = entry && this.#objects.get(object);
		if (stored) {
			stored.usedMs = nowMs;
			stored.usedProperty = property;
		}
		return entry;
	}

	/** Hands a value out: it is gone afterwards. */
	take(
		object: QomPath,
		property: string,
		nowMs: number,
	): StoredValue | undefined {
		const entry = this.peek(object, property, nowMs);
		this.#objects.get(object)?.values.delete(property);
		return entry;
	}

	/** Whether an object has values that were not handed out yet. */
	has(object: QomPath, nowMs: number): boolean {
		const values = this.#inUse(object, nowMs)?.values.values() ?? [];
		return [...values].some(({ fetchedMs }) => nowMs - fetchedMs < maxAgeMs);
	}

	/**
	 * Notes that something was asked for, and tells whether something else of the same
	 * object was a moment ago, so that more is likely to follow.
	 *
	 * @param property undefined for all of it
	 */
	noteUse(
		object: QomPath,
		property: string | undefined,
		nowMs: number,
	): boolean {
		const known = this.#inUse(object, nowMs);
		const isNeighbour = known !== undefined && known.usedProperty !== property;
		this.#touch(object, nowMs).usedProperty = property;
		return isNeighbour;
	}

	/** The property of an object that was asked for last; undefined after a pause, or for all of it. */
	lastRead(object: QomPath, nowMs: number): string | undefined {
		return this.#inUse(object, nowMs)?.usedProperty;
	}

	/** Keeps values alive that wait for a sweep which is on its way to them. */
	keepAlive(objects: Iterable<QomPath>, nowMs: number): void {
		for (const object of objects) {
			const stored = this.#inUse(object, nowMs);
			if (stored) stored.usedMs = nowMs;
		}
	}

	/** The same where it was not the sweep that paused: it waited for us. */
	revive(objects: Iterable<QomPath>, nowMs: number): void {
		for (const object of objects) {
			const stored = this.#objects.get(object);
			if (stored) stored.usedMs = nowMs;
		}
	}

	drop(object: QomPath): void {
		this.#objects.delete(object);
	}

	clear(): void {
		this.#objects.clear();
	}

	/** What is stored of an object; after a pause it is forgotten. */
	#inUse(object: QomPath, nowMs: number): StoredObject | undefined {
		const stored = this.#objects.get(object);
		if (!stored || nowMs - stored.usedMs < this.#pauseMs) return stored;
		this.#objects.delete(object);
		return undefined;
	}

	#touch(object: QomPath, nowMs: number): StoredObject {
		const stored = this.#inUse(object, nowMs) ?? {
			values: new Map(),
			usedMs: nowMs,
			usedProperty: undefined,
		};
		stored.usedMs = nowMs;
		this.#objects.delete(object);
		this.#objects.set(object, stored);
		for (const [oldest, { usedMs }] of this.#objects) {
			const isOver = nowMs - usedMs >= this.#pauseMs;
			if (oldest === object || (!isOver && this.#objects.size <= maxObjects))
				break;
			this.#objects.delete(oldest);
		}
		return stored;
	}
}
