import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { didYouMean, mistakesBetween, nearest } from "../src/nearest.ts";

describe("typing mistakes", () => {
	it.each<[string, string, number]>([
		["", "", 0],
		["net0", "net0", 0],
		["", "abc", 3],
		["nte0", "net0", 1],
		["ne0", "net0", 1],
		["nett0", "net0", 1],
		["met0", "net0", 1],
		["ent0", "net0", 1],
		["net0", "0ten", 3],
		["ca", "abc", 3],
		["kitten", "sitting", 3],
	])("between %j and %j are %d", (a, b, mistakes) => {
		expect(mistakesBetween(a, b)).toBe(mistakes);
	});

	it("are as many from either side, and never more than there are characters", () => {
		const text = fc.string({ unit: fc.constantFrom("a", "b", "c") });
		fc.assert(
			fc.property(text, text, (a, b) => {
				const mistakes = mistakesBetween(a, b);
				expect(mistakesBetween(b, a)).toBe(mistakes);
				expect(mistakes).toBeLessThanOrEqual(Math.max(a.length, b.length));
				expect(mistakes === 0).toBe(a === b);
			}),
		);
	});
});

describe("the nearest names", () => {
	const devices = [
		"net0",
		"net1",
		"rng0",
		"scsi0",
		"peripheral",
		"peripheral-anon",
	];

	it.each<[string, string[]]>([
		["net0", ["net0"]],
		["nte0", ["net0"]],
		["net2", ["net0", "net1"]],
		["periphreal", ["peripheral"]],
		["periph", ["peripheral", "peripheral-anon"]],
		["sc", ["scsi0"]],
		["s", []],
		["x", []],
		["", []],
		["frobnicate", []],
		["n0", []],
	])("to %j are %j", (wanted, names) => {
		expect(nearest(wanted, devices)).toEqual(names);
	});

	it("are told once each, the most alike first", () => {
		expect(
			nearest("poll-max-ms", ["poll-min-us", "poll-max-ns", "poll-max-ns"]),
		).toEqual(["poll-max-ns", "poll-min-us"]);
	});

	it("are offered as a question, where there is one", () => {
		expect(didYouMean("moutn", ["umount", "mount"])).toBe(
			"did you mean 'mount'?",
		);
		expect(didYouMean("moutn", [])).toBeUndefined();
	});
});
