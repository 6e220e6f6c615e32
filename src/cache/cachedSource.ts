/**
 * A QomSource in front of another, so that QEMU is asked as little as can be. Listings are
 * kept for `listTtlMs` and asked for once, however many want them at the same time, and with
 * them the sizes of values. Values are never shown twice: one that came along with a listing, for a
 * size or with a neighbour is handed out once at most, and soon dropped (see ValueStore). Where values
 * cost no more than listings, a sweep through the tree is read ahead of.
 */
import { QomError, QomfsError } from "../errors.ts";
import type { Json } from "../json.ts";
import { log } from "../log.ts";
import { type Pace, paceAt } from "../pace.ts";
import { joinPath, type QomPath } from "../qom/path.ts";
import type {
	ObjectContents,
	PropertyInfo,
	QomSource,
	QomView,
	TypeDescription,
	TypeInfo,
} from "../qom/source.ts";
import { type Listing, Listings } from "./listings.ts";
import { OnTheWay } from "./onTheWay.ts";
import { ReadAhead } from "./readAhead.ts";
import { TypeStore } from "./typeStore.ts";
import { maxAgeMs, type StoredValue, ValueStore } from "./valueStore.ts";

export interface CacheOptions {
	/** How old a listing may be, in ms. */
	readonly listTtlMs: number;
	/** How long a prefetched value waits to be used, in ms; 0 prefetches none. */
	readonly valueTtlMs: number;
	/** At the moment; that of a source that is near, if nobody knows. */
	readonly pace?: () => Pace;
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

export class CachedSource implements QomView {
	readonly #source: QomSource;
	readonly #options: CacheOptions;
	readonly #now: () => number;
	readonly #listings: Listings;
	readonly #values: ValueStore;
	readonly #readAhead: ReadAhead;
	readonly #types: TypeStore;
	/** Whole objects on their way. */
	readonly #fetching = new Map<QomPath, Fetch>();
	readonly #onTheWay = new OnTheWay();
	/** Raised by every write: what was asked for before it is not kept after it. */
	#generation = 0;
	#hits = 0;
	#misses = 0;

	constructor(source: QomSource, options: CacheOptions) {
		this.#source = source;
		this.#types = new TypeStore(source);
		this.#options = options;
		this.#now = options.now ?? (() => performance.now());
		this.#listings = new Listings(options.listTtlMs, this.#now);
		this.#values = new ValueStore(options.valueTtlMs);
		this.#readAhead = new ReadAhead(
			options.valueTtlMs,
			this.#listings,
			this.#values,
			options.pace ?? (() => paceAt(0)),
		);
	}

	get givesValues(): boolean {
		return this.#source.givesValues;
	}

	get isWritable(): boolean {
		return this.#source.isWritable;
	}

	get counters(): CacheCounters {
		return { hits: this.#hits, misses: this.#misses };
	}

	async list(path: QomPath): Promise<readonly PropertyInfo[]> {
		this.#readAhead.noteCall(this.#now());
		return this.#listing(path, []).properties;
	}

	async sweep(path: QomPath): Promise<readonly PropertyInfo[]> {
		if (!this.#keepsValues) return this.list(path);
		this.#readAhead.enter(path, this.#now());
		const others = this.#listings.fresh(path) ? [] : this.#readAhead.unlisted();
		const { properties } = this.#listing(path, others);
		if (!this.givesValues)
			properties.then(
				() => this.#listAhead(),
				() => {},
			);
		return properties;
	}

	/** @param others to fetch with it, if it has to be fetched and they cost no command more */
	#listing(path: QomPath, others: readonly QomPath[]): Listing {
		const kept = this.#listings.fresh(path);
		if (kept) {
			this.#hits++;
			return kept;
		}
		this.#misses++;
		// A failure is the listing's own, and awaited there.
		this.#fetch(path, others).catch(() => {});
		return this.#listings.latest(path) as Listing;
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

	known(path: QomPath, property: string): Json | QomError | undefined {
		return (
			this.#values.look(path, property, this.#now())?.value ??
			this.#seen(path, property)
		);
	}

	/** What was shown or looked at is good for another look, for as long as a listing is. */
	#seen(path: QomPath, property: string): Json | QomError | undefined {
		const seen = this.#listings.fresh(path)?.seen.get(property);
		const isFresh =
			seen && this.#now() - seen.fetchedMs < this.#options.listTtlMs;
		return isFresh ? seen.value : undefined;
	}

	qtree(): Promise<string> {
		return this.#source.qtree();
	}

	types(base?: string): Promise<readonly TypeInfo[]> {
		return base === undefined ? this.#types.types() : this.#source.types(base);
	}

	describe(type: string): Promise<TypeDescription> {
		return this.#types.describe(type);
	}

	/** An object is gone, with all below it. */
	forgetObject(path: QomPath): void {
		this.#listings.forget(path);
		this.#forgetValues();
	}

	/** The machine is gone, and another may come. */
	forgetAll(): void {
		this.#forgetValues();
		this.#listings.clear();
		this.#types.clear();
	}

	get #readsAhead(): boolean {
		return this.#source.givesValues && this.#keepsValues;
	}

	get #keepsValues(): boolean {
		return this.#options.valueTtlMs > 0;
	}

	/** @param handedOut whether the value will be shown, so that nobody else may get it */
	async #value(
		path: QomPath,
		property: string,
		handedOut: boolean,
	): Promise<Json> {
		const key = joinPath(path, property);
		this.#readAhead.noteCall(this.#now());
		const ahead = handedOut
			? this.#onTheWay.take(key)
			: this.#onTheWay.get(key);
		const kept = this.#kept(path, property, handedOut);
		const found =
			kept?.value ?? (handedOut ? undefined : this.#seen(path, property));
		if (found !== undefined) {
			this.#hits++;
			if (kept) this.#askAhead(path, property);
			return unwrap(found);
		}
		const nowMs = this.#now();
		this.#readAhead.goesOn(nowMs);
		const follows = this.#readAhead.isReading(path, property, nowMs);
		const isNeighbour = this.#values.noteUse(path, property, nowMs);
		if (follows) this.#askAhead(path, property);
		if (ahead) {
			const outcome = await ahead.outcome;
			if (!handedOut || this.#now() - ahead.sentMs < maxAgeMs)
				return unwrap(outcome);
		}
		this.#misses++;
		// One that did not come along with its neighbours has to be asked for by itself.
		if (isNeighbour && this.#readsAhead && !kept) {
			await this.#fetch(path, this.#readAhead.unread(this.#now()));
			// Another reader may have been quicker, or a write came in between.
			const fetched = this.#kept(path, property, handedOut);
			if (fetched?.value !== undefined) return unwrap(fetched.value);
		}
		if (handedOut) {
			// Whatever is on its way is older than what is asked for now.
			this.#fetching.get(path)?.overtaken.add(key);
			this.#onTheWay.take(key);
		}
		return unwrap(
			await (handedOut
				? this.#ask(path, property)
				: this.#askAndKeep(path, property, false)),
		);
	}

	/** Returns a refusal, too, for it is as good an answer. */
	async #ask(path: QomPath, property: string): Promise<Json | QomError> {
		const generation = this.#generation;
		const fetchedMs = this.#now();
		const value = await this.#source.get(path, property).catch((error) => {
			if (error instanceof QomError) return error;
			throw error;
		});
		this.#readAhead.noteAnswer(this.#now());
		if (generation === this.#generation && this.#keepsValues)
			this.#listings.fresh(path)?.seen.set(property, { value, fetchedMs });
		return value;
	}

	/** What it brings is handed to the open that follows, a refusal too. */
	#askAndKeep(
		path: QomPath,
		property: string,
		isAhead: boolean,
	): Promise<Json | QomError> {
		const sentMs = this.#now();
		const outcome = this.#ask(path, property);
		const asked = { outcome, sentMs, isAhead };
		this.#onTheWay.add(joinPath(path, property), asked, (outcome) => {
			if (this.#keepsValues)
				this.#values.put(path, [[property, outcome]], sentMs, this.#now());
		});
		return outcome;
	}

	/** One value is one command: the next are asked for while this one is on its way, if that is far. */
	#askAhead(path: QomPath, property: string): void {
		if (this.givesValues || !this.#keepsValues) return;
		const next = this.#readAhead.valuesAfter(path, property, this.#now());
		for (const [path, property] of next)
			if (!this.#onTheWay.has(joinPath(path, property)))
				void this.#askAndKeep(path, property, true); // whoever takes it is told
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
		if (kept) this.#readAhead.goesOn(nowMs);
		return kept;
	}

	/** One listing is one command: the next are asked for while the sweep is busy with this one. */
	#listAhead(): void {
		for (const path of this.#readAhead.unlistedSoon())
			this.#fetchListing(path).catch(() => {});
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
			this.#listings.add(path, propertiesOf(path, reply), sentMs),
		);
		const overtaken = new Set<QomPath>();
		const done = reply
			.then((contents) => {
				if (generation !== this.#generation) return;
				this.#readAhead.noteAnswer(this.#now());
				for (const [index, path] of paths.entries()) {
					const object = contents.get(path);
					if (!object || !("values" in object)) continue;
					const values = everyValue(object).filter(
						([property]) => !overtaken.has(joinPath(path, property)),
					);
					this.#values.put(path, values, sentMs, this.#now());
					for (const [property, value] of values)
						if (value !== undefined)
							listings[index]?.seen.set(property, { value, fetchedMs: sentMs });
				}
				this.#readAhead.noteFetched(paths.slice(1));
			})
			.finally(() => {
				for (const path of paths)
					if (this.#fetching.get(path) === fetch) this.#fetching.delete(path);
			});
		const fetch = { done, overtaken };
		for (const path of paths) this.#fetching.set(path, fetch);
		done.catch(() => {}); // the waiting listings and values report it
		return Promise.all([done, listings[0]?.properties]).then(() => {});
	}

	async #fetchListing(path: QomPath): Promise<void> {
		log.cache("list %s", path);
		const sentMs = this.#now();
		await this.#listings.add(path, this.#source.list(path), sentMs).properties;
		this.#readAhead.noteAnswer(this.#now());
	}

	#forgetValues(): void {
		this.#generation++;
		this.#values.clear();
		this.#listings.forgetSeen();
		this.#fetching.clear();
		this.#onTheWay.clear();
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
