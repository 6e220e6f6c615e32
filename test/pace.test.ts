import { describe, expect, it } from "vitest";
import { type Pace, paceAt } from "../src/pace.ts";

const near: Pace = {
	...{ underWay: 4, bulkUnderWay: 1 },
	...{ aheadListing: 32, aheadReading: 8, aheadAlone: 4, aheadValues: 0 },
};

describe("the pace", () => {
	it.each([0, 0.2, 1, 3])("is that of a near machine at %d ms", (ms) => {
		expect(paceAt(ms)).toEqual(near);
	});

	it("grows with the round trip, and is never slower than near", () => {
		const numbers = (ms: number) => Object.values(paceAt(ms));
		for (let ms = 1; ms < 200; ms++)
			for (const [index, number] of numbers(ms).entries()) {
				expect(number).toBeGreaterThanOrEqual(numbers(ms - 1)[index] ?? 0);
				expect(Number.isInteger(number)).toBe(true);
			}
	});

	it("keeps QEMU busy over 50 ms, where a listing alone takes it 2 ms or more", () => {
		const { bulkUnderWay, underWay, aheadAlone, aheadValues } = paceAt(50);
		expect(bulkUnderWay).toBeGreaterThanOrEqual(16);
		expect(aheadAlone).toBeGreaterThan(bulkUnderWay);
		expect(underWay).toBeGreaterThan(aheadValues);
		expect(aheadValues).toBeGreaterThanOrEqual(25);
	});

	it("has bounds, for what is on its way cannot be overtaken", () => {
		expect(paceAt(100_000)).toEqual({
			...{ underWay: 64, bulkUnderWay: 32 },
			...{ aheadListing: 128, aheadReading: 64 },
			...{ aheadAlone: 64, aheadValues: 48 },
		});
	});
});
