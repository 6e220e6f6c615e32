import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Json, parseJson } from "../../src/json.ts";
import { formatValue } from "../../src/qom/codec.ts";

describe("a value as text", () => {
	it.each<[string, Json]>([
		["true", true],
		["false", false],
		["-1", -1],
		["0.5", 0.5],
		["18446744073709551615", 2n ** 64n - 1n],
		["-9223372036854775808", -(2n ** 63n)],
		["", null],
		["", ""],
		["[]", []],
		[
			'{"iops-total":0,"max":9223372036854775807}',
			{ "iops-total": 0, max: 2n ** 63n - 1n },
		],
		[
			'[{"match":"fred","n":[null,true]}]',
			[{ match: "fred", n: [null, true] }],
		],
	])("is %j", (text, value) => {
		expect(formatValue(value)).toBe(text);
	});

	it("is a string itself, raw", () => {
		fc.assert(
			fc.property(fc.string({ unit: "binary" }), (text) => {
				expect(formatValue(text)).toBe(text);
			}),
		);
	});

	it("is JSON that reads back, for all but strings and null", () => {
		const anyValue = fc
			.jsonValue()
			.map((value) => parseJson(JSON.stringify(value)))
			.filter((value) => typeof value !== "string" && value !== null);
		fc.assert(
			fc.property(anyValue, (value) => {
				const text = formatValue(value);
				expect(text).not.toContain("\n");
				expect(parseJson(text)).toEqual(value);
			}),
		);
	});
});
