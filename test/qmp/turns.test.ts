import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { takeTurn } from "../../src/qmp/libvirt/turns.ts";

describe("a turn", () => {
	it("comes in order, for a few at once, whether they fail or not", async () => {
		const begun: number[] = [];
		let running = 0;
		let most = 0;
		const work = async (number: number) => {
			begun.push(number);
			most = Math.max(most, ++running);
			for (let count = number % 4; count >= 0; count--) await turn();
			running--;
			if (number % 3 === 0) throw new Error(`${number}`);
			return number;
		};
		const numbers = Array.from({ length: 100 }, (_, index) => index);
		const results = await Promise.allSettled(
			numbers.map((number) => takeTurn(() => work(number))),
		);
		expect(begun).toEqual(numbers);
		expect(results.map(({ status }) => status)).toEqual(
			numbers.map((number) => (number % 3 === 0 ? "rejected" : "fulfilled")),
		);
		expect(running).toBe(0);
		// As many as there are processors, and no fewer than four.
		expect(most).toBeGreaterThanOrEqual(4);
		expect(most).toBeLessThan(numbers.length);
		// All places are free again.
		let free = 0;
		const gate = Promise.withResolvers<void>();
		const held = numbers.slice(0, most).map(() =>
			takeTurn(async () => {
				free++;
				await gate.promise;
			}),
		);
		await turn();
		expect(free).toBe(most);
		gate.resolve();
		await Promise.all(held);
	});
});
