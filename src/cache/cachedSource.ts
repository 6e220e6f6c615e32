/**
 * A QomSource in front of another, so that QEMU is asked as little as can be. Listings are
 * kept for `listTtlMs` and asked for once, however many want them at the same time. Values
 * are never shown twice: one that came along with a listing, for a size or with a
 * neighbour is handed out once at most, and soon dropped (see ValueStore). Where values
 * cost no more than listings, a sweep through the tree is read ahead of.
 */
import { QomError, QomfsError } from "../errors.ts";
import type { Json } from "../json.ts";
import { log } from "../log.ts";
import { joinPath, type QomPath, rootPath, splitPath } from "../qom/path.ts";
import type {
	Description,
	ObjectContents,
	PropertyInfo,
	QomSource,
} from "../qom/source.ts";
import { parseType } from "../qom/types.ts";
import { isWithin, Sweep } from "./sweep.ts";
import { type StoredValue, ValueStore } from "./valueStore.ts";

export interface CacheOptions {
	/** How old a listing may be, in ms. */
	readonly listTtlMs: number;
	/** How long a value waits for whoever it was fetched for, in ms; 0 fetches none ahead. */
	readonly valueTtlMs: number;
	/** Milliseconds of a clock that never goes back. */
	readonly now?: () => number;
}

export interface CacheCounters {
	readonly hits: number;
	readonly misses: number;
}

interface Fetch {
	readonly done: Promise<void>;
	/** Asked for by themselves since: what the fetch brings of them is older than what was shown. */
	readonly overtaken: Set<QomPath>;
}

interface Listing {
	readonly properties: Promise<readonly PropertyInfo[]>;
	/** Paths of the children; undefined while QEMU has not answered. */
	children: readonly QomPath[] | undefined;
	/** Counted from the request, for the answer may be as old as that; Infinity while it is awaited. */
	expiresMs: number;
}

/** Enough for the sweep of a large machine; beyond it the oldest go first. */
const maxListings = 10_000;

/**
 * How many directories a sweep is read ahead of. More would make QEMU stall for longer;
 * with values, which go stale, fewer.
 */
const aheadListing = 32;
const aheadReading = 8;
/** Where each is a command of its own: enough to keep QEMU busy, and little to ask in vain. */
const aheadAlone = 4;

export class CachedSource implements QomSource {
	readonly #source: QomSource;
	readonly #options: CacheOptions;
	readonly #now: () => number;
	readonly #listings = new Map<QomPath, Listing>();
	readonly #values: ValueStore;
	readonly #sweep: Sweep;
	readonly #descriptions = new Map<
		string,
		Promise<ReadonlyMap<string, Description>>
	>();
	/** Whole objects on their way. */
	readonly #fetching = new Map<QomPath, Fetch>();
	/** Peeks on their way. A `get` takes its key out: what they bring is older than what it shows. */
	readonly #peeking = new Map<string, Promise<Json>>();
	/** Raised by every write: what was asked for before it is not kept after it. */
	#generation = 0;
	/** Objects fetched ahead of the sweep, which it has not reached yet. */
	#awaited: readonly QomPath[] = [];
	/** Whether the sweep has read a value since its last directory. */
	#sweepReads = false;
	#hits = 0;
	#misses = 0;

	constructor(source: QomSource, options: CacheOptions) {
		this.#source = source;
		this.#options = options;
		this.#now = options.now ?? (() => performance.now());
		this.#values = new ValueStore(options.valueTtlMs);
		this.#sweep = new Sweep(options.valueTtlMs);
	}

	get givesValues(): boolean {
		return this.#source.givesValues;
	}

	get counters(): CacheCounters {
		return { hits: this.#hits, misses: this.#misses };
	}

	async list(path: QomPath, wholly = false): Promise<readonly PropertyInfo[]> {
		const isSwept = wholly && this.#options.valueTtlMs > 0;
		if (isSwept) this.#enter(path);
		const kept = this.#freshListing(path);
		if (kept) this.#hits++;
		else {
			this.#misses++;
			// A failure is the listing's own, and awaited there.
			this.#fetch(path, isSwept ? this.#unlistedAhead() : []).catch(() => {});
		}
		const { properties } = kept ?? (this.#listings.get(path) as Listing);
		if (isSwept && !this.givesValues)
			properties.then(
				() => this.#listAhead(),
				() => {},
			);
		return properties;
	}

	async get(path: QomPath, property: string): Promise<Json> {
		return this.#value(path, property, true);
	}

	async peek(path: QomPath, property: string): Promise<Json> {
		return this.#value(path, property, false);
	}

	contents(
		paths: readonly QomPath[],
	): Promise<ReadonlyMap<QomPath, ObjectContents | QomError>> {
		return this.#source.contents(paths);
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

	/** An object is gone, with all below it. */
	forgetObject(path: QomPath): void {
		const [parent] = splitPath(path);
		for (const listed of this.#listings.keys())
			if (listed === parent || isWithin(listed, path))
				this.#listings.delete(listed);
		this.#forgetValues();
	}

	/** The machine is gone, and another may come. */
	forgetAll(): void {
		this.#forgetValues();
		this.#listings.clear();
		this.#descriptions.clear();
	}

	get #readsAhead(): boolean {
		return this.#source.givesValues && this.#options.valueTtlMs > 0;
	}

	/** @param handedOut whether the value will be shown, so that nobody else may get it */
	async #value(
		path: QomPath,
		property: string,
		handedOut: boolean,
	): Promise<Json> {
		const key = joinPath(path, property);
		if (handedOut) this.#peeking.delete(key);
		const kept = this.#kept(path, property, handedOut);
		if (kept?.value !== undefined) {
			this.#hits++;
			return unwrap(kept.value);
		}
		const nowMs = this.#now();
		this.#sweepGoesOn(nowMs);
		const isNeighbour = this.#values.noteUse(path, property, nowMs);
		const underWay = handedOut ? undefined : this.#peeking.get(key);
		if (underWay) return underWay;
		this.#misses++;
		// One that did not come along with its neighbours has to be asked for by itself.
		if (isNeighbour && this.#readsAhead && !kept) {
			await this.#fetch(path, this.#unreadAhead());
			// Another reader may have been quicker, or a write came in between.
			const fetched = this.#kept(path, property, handedOut);
			if (fetched?.value !== undefined) return unwrap(fetched.value);
		}
		if (!handedOut) return this.#peekAtSource(path, property, key);
		// Whatever is on its way is older than what is asked for now.
		this.#fetching.get(path)?.overtaken.add(key);
		this.#peeking.delete(key);
		return this.#source.get(path, property);
	}

	async #peekAtSource(
		path: QomPath,
		property: string,
		key: string,
	): Promise<Json> {
		const sentMs = this.#now();
		const peeking = this.#source.get(path, property);
		this.#peeking.set(key, peeking);
		let outcome: Json | QomError | undefined;
		try {
			outcome = await peeking;
		} catch (error) {
			// A refusal too is handed to the open that follows.
			if (!(error instanceof QomError)) throw error;
			outcome = error;
		} finally {
			if (this.#peeking.get(key) === peeking) {
				this.#peeking.delete(key);
				if (outcome !== undefined && this.#options.valueTtlMs > 0)
					this.#values.put(path, [[property, outcome]], sentMs, this.#now());
			}
		}
		return unwrap(outcome);
	}

	#kept(
		path: QomPath,
		property: string,
		handedOut: boolean,
	): StoredValue | undefined {
		const nowMs = this.#now();
		const kept = handedOut
			? this.#values.take(path, property, nowMs)
			: this.#values.peek(path, property, nowMs);
		if (kept) this.#sweepGoesOn(nowMs);
		return kept;
	}

	#sweepGoesOn(nowMs: number): void {
		this.#sweepReads = true;
		this.#sweep.keepAlive(nowMs);
		this.#values.keepAlive(this.#awaited, nowMs);
	}

	/** A directory is read; the sweep, if it is one, has left the one before. */
	#enter(path: QomPath): void {
		const nowMs = this.#now();
		const left = this.#sweep.current;
		this.#sweep.visit(path, nowMs);
		if (left !== undefined && left !== path) this.#values.drop(left);
		this.#awaited = this.#sweep.isRecognised
			? this.#awaited.filter((awaited) => awaited !== path)
			: [];
		this.#values.keepAlive(this.#awaited, nowMs);
		this.#values.noteUse(path, undefined, nowMs);
	}

	/** Directories that a sweep will come to and whose listing is not fresh. */
	#unlistedAhead(): QomPath[] {
		const most = this.#sweepReads ? aheadReading : aheadListing;
		this.#sweepReads = false;
		return this.#ahead(most, (path) => !this.#freshListing(path));
	}

	/** Directories that a sweep will come to and whose values are not there. */
	#unreadAhead(): QomPath[] {
		const nowMs = this.#now();
		return this.#ahead(aheadReading, (path) => !this.#values.has(path, nowMs));
	}

	#ahead(most: number, isWanted: (path: QomPath) => boolean): QomPath[] {
		const found: QomPath[] = [];
		for (const path of this.#comingUp()) {
			if (found.length >= most) break;
			if (isWanted(path)) found.push(path);
		}
		return found;
	}

	/** One listing is one command: the next are asked for while the sweep is busy with this one. */
	#listAhead(): void {
		let lead = 0;
		for (const path of this.#comingUp()) {
			if (lead++ >= aheadAlone) break;
			if (!this.#freshListing(path)) this.#fetchListing(path).catch(() => {});
		}
	}

	/** The directories that a sweep has before it, in its order, as far as they are known. */
	*#comingUp(): Generator<QomPath> {
		const { current, root } = this.#sweep;
		if (current === undefined || !this.#sweep.isRecognised) return;
		for (let path = current; ; [path] = splitPath(path)) {
			for (const child of this.#freshListing(path)?.children ?? [])
				yield* this.#unvisited(child);
			if (path === root || path === rootPath) return;
		}
	}

	/** A directory and those below it; what was visited is done, or on the way to where the sweep is. */
	*#unvisited(path: QomPath): Generator<QomPath> {
		if (this.#sweep.hasVisited(path)) return;
		yield path;
		for (const child of this.#freshListing(path)?.children ?? [])
			yield* this.#unvisited(child);
	}

	/** Fetches an object, and others with it if that costs no command more. */
	#fetch(path: QomPath, others: readonly QomPath[]): Promise<void> {
		const underWay = this.#fetching.get(path);
		if (underWay) return underWay.done;
		if (!this.#readsAhead) return this.#fetchListing(path);
		const paths = [path, ...others.filter((other) => other !== path)];
		log.cache("fetch %s and %d more", path, paths.length - 1);
		const sentMs = this.#now();
		const generation = this.#generation;
		const reply = this.#source.contents(paths);
		const listings = paths.map((path) =>
			this.#addListing(path, propertiesOf(path, reply), sentMs),
		);
		const overtaken = new Set<QomPath>();
		const done = reply
			.then((contents) => {
				if (generation !== this.#generation) return;
				for (const path of paths) {
					const object = contents.get(path);
					if (!object || !("values" in object)) continue;
					const values = everyValue(object).filter(
						([property]) => !overtaken.has(joinPath(path, property)),
					);
					this.#values.put(path, values, sentMs, this.#now());
				}
				this.#awaited = [...this.#awaited, ...paths.slice(1)].slice(
					-aheadListing,
				);
			})
			.finally(() => {
				for (const path of paths)
					if (this.#fetching.get(path) === fetch) this.#fetching.delete(path);
			});
		const fetch = { done, overtaken };
		for (const path of paths) this.#fetching.set(path, fetch);
		done.catch(() => {}); // whoever waits for a listing or a value is told
		return Promise.all([done, listings[0]?.properties]).then(() => {});
	}

	async #fetchListing(path: QomPath): Promise<void> {
		log.cache("list %s", path);
		const sentMs = this.#now();
		await this.#addListing(path, this.#source.list(path), sentMs).properties;
	}

	#addListing(
		path: QomPath,
		properties: Promise<readonly PropertyInfo[]>,
		sentMs: number,
	): Listing {
		const listing: Listing = {
			properties,
			children: undefined,
			expiresMs: Number.POSITIVE_INFINITY,
		};
		this.#listings.delete(path);
		this.#listings.set(path, listing);
		for (const [oldest, { expiresMs }] of this.#listings) {
			if (expiresMs > sentMs && this.#listings.size <= maxListings) break;
			this.#listings.delete(oldest);
		}
		properties.then(
			(properties) => {
				listing.expiresMs = sentMs + this.#options.listTtlMs;
				listing.children = childrenOf(path, properties);
			},
			() => {
				// An error is never kept.
				if (this.#listings.get(path) === listing) this.#listings.delete(path);
			},
		);
		return listing;
	}

	#freshListing(path: QomPath): Listing | undefined {
		const listing = this.#listings.get(path);
		return listing && listing.expiresMs > this.#now() ? listing : undefined;
	}

	#forgetValues(): void {
		this.#generation++;
		this.#values.clear();
		this.#fetching.clear();
		this.#peeking.clear();
	}
}

/** With undefined for the properties whose value was not among the others. */
function everyValue({ properties, values }: ObjectContents) {
	return properties.map(({ name }) => [name, values.get(name)] as const);
}

function unwrap(value: Json | QomError | undefined): Json {
	if (value instanceof QomError) throw value;
	return value as Json;
}

async function propertiesOf(
	path: QomPath,
	reply: Promise<ReadonlyMap<QomPath, ObjectContents | QomError>>,
): Promise<readonly PropertyInfo[]> {
	const object = (await reply).get(path);
	if (object && "properties" in object) return object.properties;
	throw object ?? new QomfsError(`${path}: QEMU gave no answer`);
}

function childrenOf(
	path: QomPath,
	properties: readonly PropertyInfo[],
): QomPath[] {
	return properties
		.filter(({ type }) => parseType(type).kind === "child")
		.map(({ name }) => joinPath(path, name));
}
