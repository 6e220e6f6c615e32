import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { defaultFreshness, freshnessOf } from "../../src/machine/freshness.ts";

const seconds = fc.double({ min: 0, max: 3600, noNaN: true });

describe("the ages", () => {
	it("of the defaults", () => {
		expect(freshnessOf(defaultFreshness)).toEqual({
			...{ listTtlMs: 900, valueTtlMs: 100 },
			...{ entryTtlMs: 100, attributesTtlMs: 100 },
		});
	});

	it("are nothing where nothing may be old", () => {
		expect(freshnessOf({ cacheTimeoutSec: 0, valueTimeoutSec: 0 })).toEqual({
			...{ listTtlMs: 0, valueTtlMs: 0, entryTtlMs: 0, attributesTtlMs: 0 },
		});
	});

	it("of a listing, once in the cache and then in the kernel, stay within cache_timeout", () => {
		fc.assert(
			fc.property(seconds, seconds, (cacheTimeoutSec, valueTimeoutSec) => {
				const ages = freshnessOf({ cacheTimeoutSec, valueTimeoutSec });
				expect(ages.listTtlMs + ages.entryTtlMs).toBeCloseTo(
					cacheTimeoutSec * 1000,
				);
				expect(ages.attributesTtlMs).toBeLessThanOrEqual(ages.entryTtlMs);
				expect(Math.min(...Object.values(ages))).toBeGreaterThanOrEqual(0);
			}),
		);
	});

	it("of a value depend on value_timeout alone", () => {
		fc.assert(
			fc.property(seconds, seconds, (cacheTimeoutSec, valueTimeoutSec) => {
				const ages = freshnessOf({ cacheTimeoutSec, valueTimeoutSec });
				expect(ages.valueTtlMs).toBe(valueTimeoutSec * 1000);
			}),
		);
	});

	it("of sizes in the kernel are short, for an open waits for them", () => {
		const ages = freshnessOf({ cacheTimeoutSec: 60, valueTimeoutSec: 2 });
		expect(ages).toMatchObject({ entryTtlMs: 6000, attributesTtlMs: 100 });
	});
});
