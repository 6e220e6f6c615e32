import fc from "fast-check";
import { describe, it } from "vitest";
import { properties } from "./properties.ts";

describe("whatever comes in,", () => {
	it.each([...properties])("%s", (_title, property) => {
		fc.assert(property, { numRuns: 300 });
	});
});
