import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
	formatJson,
	isObject,
	type Json,
	parseExact,
	parseJson,
} from "../src/json.ts";

const anyInteger = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n });

/** What the parser gives for an integer: a bigint only where a number would lose digits. */
function parsed(integer: bigint): number | bigint {
	const number = Number(integer);
	return Number.isSafeInteger(number) ? number : integer;
}

const anyString = fc.oneof(
	fc.string({ unit: "binary" }),
	anyInteger.map(String),
	fc.constantFrom("1e400", '"', "\\", "\u0000", "\u2028"),
);

const { tree: anyTree } = fc.letrec<{ tree: Json }>((tie) => ({
	tree: fc.oneof(
		{ depthSize: "small" },
		anyInteger.map(parsed),
		anyString,
		fc.boolean(),
		fc.constant(null),
		fc.array(tie("tree")),
		fc.dictionary(
			// Node 24 reads the inner key of {"a":{"a":{},"\u0000":0},"\\":1} as "\\", too.
			anyString.filter((key) => key !== "__proto__" && key !== "\\"),
			tie("tree"),
			{ noNullPrototype: true },
		),
	),
}));

describe("lossless JSON", () => {
	it("keeps every digit of every 64-bit integer, signed and unsigned", () => {
		fc.assert(
			fc.property(anyInteger, (integer) => {
				const text = `{"a":[${integer},{"b":${integer}}]}`;
				const value = parsed(integer);
				expect(parseJson(text)).toStrictEqual({ a: [value, { b: value }] });
				expect(formatJson(parseJson(text))).toBe(text);
				expect(formatJson({ a: [integer, { b: integer }] })).toBe(text);
			}),
		);
	});

	it("gives back any tree of values that it has written", () => {
		fc.assert(
			fc.property(anyTree, (tree) => {
				expect(parseJson(formatJson(tree))).toStrictEqual(tree);
			}),
		);
	});

	it.each<[string, number | bigint]>([
		["9007199254740991", Number.MAX_SAFE_INTEGER],
		["9007199254740992", 2n ** 53n],
		["9007199254740993", 2n ** 53n + 1n],
		["-9007199254740991", Number.MIN_SAFE_INTEGER],
		["-9007199254740992", -(2n ** 53n)],
		["9223372036854775807", 2n ** 63n - 1n],
		["-9223372036854775808", -(2n ** 63n)],
		["18446744073709551615", 2n ** 64n - 1n],
	])("reads %s exactly, as a bigint only beyond 2^53-1", (text, value) => {
		expect(parseJson(text)).toBe(value);
		expect(formatJson(value)).toBe(text);
	});

	it("keeps floats, as numbers", () => {
		fc.assert(
			fc.property(
				fc.double({ noNaN: true, noDefaultInfinity: true }),
				(float) => {
					expect(Number(parseJson(formatJson(float))) === float).toBe(true);
				},
			),
		);
		expect(parseJson("[0.50000000000000000000]")).toStrictEqual([0.5]);
		expect(parseJson("1e17")).toBe(1e17);
		expect(parseJson("-1.5E+100")).toBe(-1.5e100);
	});

	it.each(["1e400", "-1e400", "1E+0400", `1${"0".repeat(400)}.0`])(
		"refuses %s, which no double holds",
		(number) => {
			expect(() => parseJson(`{"a":[${number}]}`)).toThrow(SyntaxError);
		},
	);

	it("reads an integer of any length exactly, but no float of that size", () => {
		const text = `1${"0".repeat(400)}`;
		expect(parseJson(text)).toBe(10n ** 400n);
		expect(() => parseJson(`${text}.0`)).toThrow(SyntaxError);
	});

	it.each(["{}", '{"big":18446744073709551615}'])(
		"keeps a __proto__ key as a key, beside %s",
		(neighbour) => {
			const text = `{"__proto__":{"polluted":true},"n":${neighbour}}`;
			const value = parseJson(text);
			expect(Object.keys(value as object)).toStrictEqual(["__proto__", "n"]);
			expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
			expect(formatJson(value)).toBe(text);
		},
	);

	it.each(["", "{", "{'a':1}", "NaN", "01", "[1,]", "9007199254740993n"])(
		"refuses what is not JSON: %j",
		(text) => {
			expect(() => parseJson(text)).toThrow(SyntaxError);
		},
	);

	it("takes and refuses the same texts as JSON.parse, and reads the same", () => {
		const anyText = fc
			.tuple(
				fc.json(),
				fc.nat(),
				fc.constantFrom(...'{}[]",:\\ue+-.01 \n\u0001tx'),
			)
			.map(([text, position, sign]) => {
				const at = position % (text.length + 1);
				return [text, text.slice(0, at) + sign + text.slice(at + 1)];
			});
		const outcome = (parse: (text: string) => unknown, text: string) => {
			try {
				return JSON.stringify(parse(text), (_key, value) => {
					if (typeof value === "bigint") return Number(value);
					if (value === Infinity || value === -Infinity)
						throw new SyntaxError("out of range");
					return value;
				});
			} catch (error) {
				return (error as Error).name;
			}
		};
		fc.assert(
			fc.property(anyText, (texts) => {
				for (const text of texts)
					expect(outcome(parseExact, text), text).toBe(
						outcome(JSON.parse, text),
					);
			}),
			{ numRuns: 2000 },
		);
	});

	it.each(["[", '{"a":'])("refuses more than 1024 levels of %s", (open) => {
		const text = (levels: number) =>
			`${open.repeat(levels)}18446744073709551615${(open === "[" ? "]" : "}").repeat(levels)}`;
		expect(formatJson(parseJson(text(1024)))).toBe(text(1024));
		expect(() => parseJson(text(1025))).toThrow(/more than 1024 levels/);
	});

	it("writes compactly", () => {
		expect(formatJson({ a: [1, "x", null, true], b: {} })).toBe(
			'{"a":[1,"x",null,true],"b":{}}',
		);
	});

	it("takes only objects for objects", () => {
		const values: (Json | undefined)[] = [{}, [], null, "x", 1, 1n, undefined];
		expect(values.filter(isObject)).toStrictEqual([{}]);
	});
});
