/**
 * Every age in the system, from the two that a user sets. The kernel and the cache share what
 * `cache_timeout` allows, for the kernel may take over what is old already.
 */

/** What a user sets, in seconds. */
export interface FreshnessSettings {
	/** How old a listing, a name or a size may be. */
	readonly cacheTimeoutSec: number;
	/** How long a value that was fetched ahead waits for its open; 0 fetches none ahead. */
	readonly valueTimeoutSec: number;
}

export interface Freshness {
	/** Of a listing in the cache. */
	readonly listTtlMs: number;
	/** How long a prefetched value waits to be used. */
	readonly valueTtlMs: number;
	/** Of a name in the kernel. */
	readonly entryTtlMs: number;
	/** Of attributes in the kernel, sizes among them. */
	readonly attributesTtlMs: number;
}

const kernelShare = 0.1;

/** Whoever opens a value of another length waits until the kernel has forgotten the last size. */
const longestAttributesMs = 100;

export const defaultFreshness: FreshnessSettings = {
	cacheTimeoutSec: 1,
	valueTimeoutSec: 0.1,
};

export function freshnessOf({
	cacheTimeoutSec,
	valueTimeoutSec,
}: FreshnessSettings): Freshness {
	const entryTtlMs = cacheTimeoutSec * 1000 * kernelShare;
	return {
		listTtlMs: cacheTimeoutSec * 1000 - entryTtlMs,
		valueTtlMs: valueTimeoutSec * 1000,
		entryTtlMs,
		attributesTtlMs: Math.min(entryTtlMs, longestAttributesMs),
	};
}
