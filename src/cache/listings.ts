/**
 * Listings of objects, kept for a while and asked for once, however many want them at the same
 * time. A failure is never kept.
 */
import { joinPath, type QomPath, splitPath } from "../qom/path.ts";
import type { PropertyInfo } from "../qom/source.ts";
import { parseType } from "../qom/types.ts";
import { isWithin } from "./sweep.ts";
import type { StoredValue } from "./valueStore.ts";

export interface Listing {
	readonly properties: Promise<readonly PropertyInfo[]>;
	/** Paths of the children; undefined while QEMU has not answered. */
	children: readonly QomPath[] | undefined;
	/** Names of the properties that are files, in its order; undefined for as long. */
	files: readonly string[] | undefined;
	/**
	 * What was seen last of its properties' values since it was asked for, each with the time
	 * of its own request: the size of a value, and where a link leads, may be as old as a listing.
	 */
	readonly seen: Map<string, StoredValue>;
	/** Counted from the request, for the answer may be as old as that; Infinity while it is awaited. */
	expiresMs: number;
	/** About so much memory, once QEMU has answered. */
	bytes: number;
}

/** Enough for the sweep of a large machine, which has some 10 MB; beyond it the oldest go first. */
const maxBytes = 64 * 1024 * 1024;
/** What an entry takes besides its texts. */
const entryBytes = 64;

export class Listings {
	readonly #ttlMs: number;
	readonly #now: () => number;
	/** The oldest first. */
	readonly #byPath = new Map<QomPath, Listing>();
	#bytes = 0;

	/** @param ttlMs how old a listing may be */
	constructor(ttlMs: number, now: () => number) {
		this.#ttlMs = ttlMs;
		this.#now = now;
	}

	/** One that is not too old, or on its way. */
	fresh(path: QomPath): Listing | undefined {
		const listing = this.#byPath.get(path);
		return listing && listing.expiresMs > this.#now() ? listing : undefined;
	}

	/** Whatever is there, however old. */
	latest(path: QomPath): Listing | undefined {
		return this.#byPath.get(path);
	}

	/** Keeps one that was asked for at `sentMs`. */
	add(
		path: QomPath,
		properties: Promise<readonly PropertyInfo[]>,
		sentMs: number,
	): Listing {
		const listing: Listing = {
			properties,
			...{ children: undefined, files: undefined },
			seen: new Map(),
			expiresMs: Number.POSITIVE_INFINITY,
			bytes: entryBytes,
		};
		this.#remove(path);
		this.#byPath.set(path, listing);
		this.#bytes += listing.bytes;
		this.#removeOldest(sentMs);
		properties.then(
			(properties) => {
				listing.expiresMs = sentMs + this.#ttlMs;
				listing.children = childrenOf(path, properties);
				listing.files = filesOf(properties);
				if (this.#byPath.get(path) !== listing) return;
				this.#bytes -= listing.bytes;
				listing.bytes = bytesOf(properties);
				this.#bytes += listing.bytes;
				this.#removeOldest(sentMs);
			},
			() => {
				if (this.#byPath.get(path) === listing) this.#remove(path);
			},
		);
		return listing;
	}

	#removeOldest(nowMs: number): void {
		for (const [oldest, { expiresMs }] of this.#byPath) {
			if (expiresMs > nowMs && this.#bytes <= maxBytes) break;
			this.#remove(oldest);
		}
	}

	#remove(path: QomPath): void {
		this.#bytes -= this.#byPath.get(path)?.bytes ?? 0;
		this.#byPath.delete(path);
	}

	/** An object is gone, with all below it; its parent lists it no longer. */
	forget(path: QomPath): void {
		const [parent] = splitPath(path);
		for (const listed of this.#byPath.keys())
			if (listed === parent || isWithin(listed, path)) this.#remove(listed);
	}

	/** What was seen of values may no longer be so. */
	forgetSeen(): void {
		for (const { seen } of this.#byPath.values()) seen.clear();
	}

	clear(): void {
		this.#byPath.clear();
		this.#bytes = 0;
	}
}

function bytesOf(properties: readonly PropertyInfo[]): number {
	return properties.reduce(
		// A child's path is kept as well.
		(sum, { name, type }) => sum + 2 * name.length + type.length + entryBytes,
		entryBytes,
	);
}

function filesOf(properties: readonly PropertyInfo[]): string[] {
	return properties
		.filter(({ type }) => !["child", "link"].includes(parseType(type).kind))
		.map(({ name }) => name);
}

function childrenOf(
	path: QomPath,
	properties: readonly PropertyInfo[],
): QomPath[] {
	return properties
		.filter(({ type }) => parseType(type).kind === "child")
		.map(({ name }) => joinPath(path, name));
}
