/**
 * A QomSource in front of another. Listings are kept for `listTtlMs` and asked for once,
 * however many want them at the same time. A value that was only peeked at is kept for
 * `valueTtlMs` and given to one `get`, then forgotten: nothing is ever shown twice.
 */
import type { Json } from "../json.ts";
import { log } from "../log.ts";
import { joinPath, type QomPath } from "../qom/path.ts";
import type { Description, PropertyInfo, QomSource } from "../qom/source.ts";

export interface CacheOptions {
	/** How old a listing may be, in ms. */
	readonly listTtlMs: number;
	/** How long a peeked value waits for its `get`, in ms; 0 keeps none. */
	readonly valueTtlMs: number;
	/** Milliseconds of a clock that never goes back. */
	readonly now?: () => number;
}

export interface CacheCounters {
	readonly hits: number;
	readonly misses: number;
}

interface Listing {
	readonly properties: Promise<readonly PropertyInfo[]>;
	/** Counted from the request, for the answer may be as old as that. Infinity while it is awaited. */
	expiresMs: number;
}

interface PeekedValue {
	readonly value: Json;
	readonly expiresMs: number;
}

/** Enough for the sweep of a large machine; beyond it the oldest go first. */
const maxListings = 10_000;
const maxPeeked = 1000;

export class CachedSource implements QomSource {
	readonly #source: QomSource;
	readonly #descriptions = new Map<
		string,
		Promise<ReadonlyMap<string, Description>>
	>();
	readonly #options: CacheOptions;
	readonly #now: () => number;
	readonly #listings = new Map<QomPath, Listing>();
	readonly #peeked = new Map<string, PeekedValue>();
	/** Peeks under way. A `get` takes its key out: what they bring is older than what it shows. */
	readonly #peeking = new Map<string, Promise<Json>>();
	#hits = 0;
	#misses = 0;

	constructor(source: QomSource, options: CacheOptions) {
		this.#source = source;
		this.#options = options;
		this.#now = options.now ?? (() => performance.now());
	}

	get counters(): CacheCounters {
		return { hits: this.#hits, misses: this.#misses };
	}

	list(path: QomPath): Promise<readonly PropertyInfo[]> {
		const kept = this.#listings.get(path);
		if (kept && kept.expiresMs > this.#now()) {
			this.#hits++;
			return kept.properties;
		}
		this.#misses++;
		return this.#fetchListing(path).properties;
	}

	async get(path: QomPath, property: string): Promise<Json> {
		const key = joinPath(path, property);
		const peeked = this.#peeked.get(key);
		this.#peeked.delete(key);
		this.#peeking.delete(key);
		if (peeked && peeked.expiresMs > this.#now()) {
			this.#hits++;
			return peeked.value;
		}
		this.#misses++;
		return this.#source.get(path, property);
	}

	async peek(path: QomPath, property: string): Promise<Json> {
		const key = joinPath(path, property);
		const kept = this.#peeked.get(key);
		if (kept && kept.expiresMs > this.#now()) {
			this.#hits++;
			return kept.value;
		}
		const underWay = this.#peeking.get(key);
		if (underWay) return underWay;
		this.#misses++;
		const peeking = this.#source.get(path, property);
		this.#peeking.set(key, peeking);
		try {
			const value = await peeking;
			if (this.#peeking.get(key) === peeking) this.#keep(key, value);
			return value;
		} finally {
			if (this.#peeking.get(key) === peeking) this.#peeking.delete(key);
		}
	}

	/**
	 * Values are forgotten before and after, all of them: properties may be aliases of each
	 * other, and what was asked for before the write must not be shown after it.
	 */
	async set(path: QomPath, property: string, value: Json): Promise<void> {
		this.#forgetValues();
		try {
			await this.#source.set(path, property, value);
		} finally {
			this.#forgetValues();
			// Realizing a device adds and removes objects elsewhere.
			if (property === "realized") this.#listings.clear();
		}
	}

	/** A type does not change while the machine runs. */
	describe(
		type: string,
		isDevice: boolean,
	): Promise<ReadonlyMap<string, Description>> {
		const kept = this.#descriptions.get(type);
		if (kept) return kept;
		const descriptions = this.#source.describe(type, isDevice);
		this.#descriptions.set(type, descriptions);
		descriptions.catch(() => this.#descriptions.delete(type));
		return descriptions;
	}

	#forgetValues(): void {
		this.#peeked.clear();
		this.#peeking.clear();
	}

	#keep(key: string, value: Json): void {
		const { valueTtlMs } = this.#options;
		if (valueTtlMs === 0) return;
		this.#peeked.delete(key);
		this.#peeked.set(key, { value, expiresMs: this.#now() + valueTtlMs });
		dropOldest(this.#peeked, maxPeeked);
	}

	#fetchListing(path: QomPath): Listing {
		log.cache("list %s", path);
		const sentMs = this.#now();
		const listing: Listing = {
			properties: this.#source.list(path),
			expiresMs: Number.POSITIVE_INFINITY,
		};
		this.#listings.delete(path);
		this.#listings.set(path, listing);
		dropOldest(this.#listings, maxListings);
		listing.properties.then(
			() => {
				listing.expiresMs = sentMs + this.#options.listTtlMs;
			},
			() => this.#forget(path, listing), // an error is never kept
		);
		return listing;
	}

	#forget(path: QomPath, listing: Listing): void {
		if (this.#listings.get(path) === listing) this.#listings.delete(path);
	}
}

/** A Map iterates in the order of insertion, so its first key is its oldest. */
function dropOldest<Key>(map: Map<Key, unknown>, size: number): void {
	for (const key of map.keys()) {
		if (map.size <= size) return;
		map.delete(key);
	}
}
