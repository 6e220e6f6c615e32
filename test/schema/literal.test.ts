import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UsageError } from "../../src/errors.ts";
import { formatJson, type Json, parseJson } from "../../src/json.ts";
import {
	nest,
	readLiteral,
	readPair,
	splitWords,
	unquote,
} from "../../src/schema/literal.ts";

describe("a line", () => {
	it.each<[string, string[]]>([
		["", []],
		["  query-status \t", ["query-status"]],
		["a b=1  c=x", ["a", "b=1", "c=x"]],
		['a b="x y" c=\'z "w\'', ["a", 'b="x y"', "c='z \"w'"]],
		['a b="x \\" y"', ["a", 'b="x \\" y"']],
		["a b={'x': [1, 2]} c", ["a", "b={'x': [1, 2]}", "c"]],
		['a b={"x": "} ]"} c', ["a", 'b={"x": "} ]"}', "c"]],
		[
			"a path=/machine/unattached/device[0]",
			["a", "path=/machine/unattached/device[0]"],
		],
		["transaction( x a=1 )", ["transaction(", "x", "a=1", ")"]],
		["a ] }", ["a", "]", "}"]],
		["ä 😀=ü", ["ä", "😀=ü"]],
	])("%j is cut into words", (line, words) => {
		expect(splitWords(line)).toEqual(words);
	});

	it.each(['a "b', "it's", "a {b", "a [1, {2]", 'a "b\\"'])(
		"%j is not complete",
		(line) => {
			expect(() => splitWords(line)).toThrow(UsageError);
		},
	);

	it("of words without quotes and brackets comes apart as it was put together", () => {
		const word = fc
			.string({ unit: "grapheme", minLength: 1 })
			.filter((text) => !/[\s"'[\]{}]/u.test(text));
		fc.assert(
			fc.property(fc.array(word), (words) => {
				expect(splitWords(words.join(" "))).toEqual(words);
			}),
		);
	});
});

describe("a pair", () => {
	it.each([
		["a=1", "a", "1"],
		["a.b=", "a.b", ""],
		["a=b=c", "a", "b=c"],
		["--a=b", "a", "b"],
		["--a", "a", "true"],
	])("is %s", (word, key, text) => {
		expect(readPair(word)).toEqual({ key, text });
	});

	it.each(["a", "=1", "--", "--=1"])("is not %s", (word) => {
		expect(() => readPair(word)).toThrow(UsageError);
	});
});

describe("a value that nobody has typed", () => {
	it.each<[string, Json]>([
		["0", 0],
		["-5", -5],
		["+5", 5],
		["0x1F", 31],
		["-0x10", -16],
		["0b101", 5],
		["0o17", 15],
		["1_000", 1000],
		["18446744073709551615", 2n ** 64n - 1n],
		["0xffffffffffffffff", 2n ** 64n - 1n],
		["-9223372036854775808", -(2n ** 63n)],
		["18446744073709551616", "18446744073709551616"],
		["-9223372036854775809", "-9223372036854775809"],
		["007", "007"],
		["0x", "0x"],
		["1.5", "1.5"],
		["1e", "1e"],
		["8K", "8K"],
		["true", true],
		["False", false],
		["TRUE", true],
		["on", "on"],
		["None", "None"],
		["", ""],
		["/machine", "/machine"],
		['{"a":[1,18446744073709551615]}', { a: [1, 2n ** 64n - 1n] }],
		["{'a': True, 'b': None, \"c\": false,}", { a: true, b: null, c: false }],
		["[0x10, -1, 1.5, 'x',]", [16, -1, 1.5, "x"]],
		["[(1, 2), ()]", [[1, 2], []]],
		["{'a': 'it\\'s \\x41\\u00e4\\U0001F600\\n'}", { a: "it's Aä😀\n" }],
		['"a b"', "a b"],
		["'5'", "5"],
		['"a" "b"', '"a" "b"'],
		["{a: 1}", "{a: 1}"],
		["{1: 2}", "{1: 2}"],
		["[1 2]", "[1 2]"],
		["[1,,2]", "[1,,2]"],
		["['a\\q']", "['a\\q']"],
		["[18446744073709551616]", [2n ** 64n]],
		["['x', 18446744073709551616]", ["x", 2n ** 64n]],
		["[0o7]", [7]],
		["[07]", "[07]"],
		["[", "["],
		["[".repeat(5000), "[".repeat(5000)],
	])("%j is read", (text, value) => {
		expect(readLiteral(text)).toStrictEqual(value);
	});

	it("is any JSON document, and the same in Python", () => {
		const document = fc
			.jsonValue()
			.map((value) => parseJson(JSON.stringify(value)))
			.filter((value) => typeof value === "object" && value !== null);
		fc.assert(
			fc.property(document, (value) => {
				expect(readLiteral(formatJson(value))).toEqual(value);
				expect(readLiteral(python(value))).toEqual(value);
			}),
		);
	});
});

function python(value: Json): string {
	if (value === null) return "None";
	if (typeof value === "boolean") return value ? "True" : "False";
	if (typeof value === "string")
		return `'${JSON.stringify(value).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
	if (typeof value !== "object") return formatJson(value);
	if (Array.isArray(value))
		return `[${value.map((item) => `${python(item)},`).join(" ")}]`;
	return `{${Object.entries(value)
		.map(([key, member]) => `${python(key)}: ${python(member)},`)
		.join(" ")}}`;
}

describe("a quoted text", () => {
	it.each([
		['"a\\nb"', "a\nb"],
		["'a b'", "a b"],
		['"', '"'],
		['a"b"', 'a"b"'],
		['"a" or "b"', '"a" or "b"'],
		["'it's'", "'it's'"],
	])("%j stands for %j", (text, value) => {
		expect(unquote(text)).toBe(value);
	});
});

describe("names with dots", () => {
	it("make nested objects", () => {
		expect(
			nest([
				["a", 1],
				["b.c", 2],
				["b.d.e", { f: 3 }],
				["__proto__.x", 4],
			]),
		).toEqual(
			parseJson('{"a":1,"b":{"c":2,"d":{"e":{"f":3}}},"__proto__":{"x":4}}'),
		);
	});

	it.each([
		["'a' is given twice", ["a", "a"]],
		["'a.b' is given twice", ["a.b", "a.b"]],
		["'a' is given a value and members", ["a", "a.b"]],
		["'a.b' is given a value and members", ["a.b.c", "a.b"]],
	])("are refused: %s", (message, keys) => {
		for (const value of [1, { c: 1 }])
			expect(() => nest(keys.map((key) => [key, value]))).toThrow(message);
	});
});
