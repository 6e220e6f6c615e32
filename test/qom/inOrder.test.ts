import { describe, expect, it } from "vitest";
import { inOrder } from "../../src/qom/inOrder.ts";

/** Lets whatever is settled be noticed. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("doing something with many, in order", () => {
	it("does so many at a time, and the next when the first is done", async () => {
		const begun: Record<number, () => void> = {};
		const results = inOrder([1, 2, 3, 4], 2, async (item) => {
			await new Promise<void>((resolve) => {
				begun[item] = resolve;
			});
			return item * 10;
		});
		const all = Array.fromAsync(results);
		await settle();
		expect(Object.keys(begun)).toEqual(["1", "2"]);
		begun[2]?.();
		await settle();
		expect(Object.keys(begun)).toEqual(["1", "2"]);
		begun[1]?.();
		await settle();
		expect(Object.keys(begun)).toEqual(["1", "2", "3", "4"]);
		begun[4]?.();
		begun[3]?.();
		expect(await all).toEqual([10, 20, 30, 40]);
	});

	it("fails in the order, too, after what went well before", async () => {
		const results = inOrder([1, 2, 3], 3, async (item) => {
			if (item > 1) throw new Error(`${item} is too much`);
			return item;
		});
		expect(await results.next()).toEqual({ done: false, value: 1 });
		await expect(results.next()).rejects.toThrow("2 is too much");
	});
});
