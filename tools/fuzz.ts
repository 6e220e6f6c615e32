/**
 * `npm run fuzz -- RUNS` (default 100 000): every property of test/properties, so often.
 * A failure is shrunk, and printed with the seed and the path that repeat it; `SEED=n` repeats a
 * whole run.
 */
import fc from "fast-check";
import { properties } from "../test/properties/properties.ts";

const runs = Number(process.argv[2] ?? 100_000);
if (!(runs >= 1)) throw new Error(`'${process.argv[2]}' is no number of runs`);
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
console.log(`seed ${seed}`);
for (const [title, property] of properties) {
	const startMs = performance.now();
	fc.assert(property, { seed, numRuns: Math.ceil(runs) });
	const seconds = (performance.now() - startMs) / 1000;
	console.log(`${runs} times in ${seconds.toFixed(0)} s: ${title}`);
}
