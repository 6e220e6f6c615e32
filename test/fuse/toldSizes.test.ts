import { describe, expect, it } from "vitest";
import { ToldSizes } from "../../src/fuse/toldSizes.ts";

const keptMs = 1000;

async function waited(act: () => Promise<void>): Promise<number> {
	const startMs = performance.now();
	await act();
	return performance.now() - startMs;
}

describe("a size that the kernel was told", () => {
	it("makes a value of another length wait until it is forgotten", async () => {
		const sizes = new ToldSizes(keptMs);
		sizes.tell("/a", 8);
		expect(await waited(() => sizes.forgotten("/a", 10))).toBeGreaterThan(
			keptMs - 5,
		);
		expect(await waited(() => sizes.forgotten("/a", 10))).toBeLessThan(keptMs);
	});

	it("lets the same length, other files and unknown sizes pass", async () => {
		const sizes = new ToldSizes(60_000);
		sizes.tell("/a", 8);
		sizes.tell("/unknown", 0);
		await sizes.forgotten("/a", 8);
		await sizes.forgotten("/b", 3);
		await sizes.forgotten("/unknown", 3);
	});

	it("is replaced by what the kernel is told later", async () => {
		const sizes = new ToldSizes(60_000);
		sizes.tell("/a", 8);
		sizes.tell("/a", 10);
		await sizes.forgotten("/a", 10);
	});
});
