import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatJson, type Json, parseJson } from "../../src/json.ts";
import {
	formatValue,
	incomplete,
	kindOfType,
	kindOfValue,
	parseValue,
	type ValueKind,
} from "../../src/qom/codec.ts";

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

/** What comes out of `parseJson`: a bigint only beyond 2^53. */
const anyInteger = fc
	.oneof(
		fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
		fc.bigInt({ min: -300n, max: 300n }),
	)
	.map((value) => parseJson(`${value}`));
const anyText = fc.string({ unit: "grapheme" });
const anyMember: fc.Arbitrary<Json> = fc.letrec<{ value: Json }>((tie) => ({
	value: fc.oneof(
		{ maxDepth: 3 },
		fc.boolean(),
		fc.constant(null),
		anyInteger,
		anyText,
		fc.array(tie("value"), { maxLength: 4 }),
		fc.dictionary(
			anyText.filter((key) => key !== "__proto__"),
			tie("value"),
			{ maxKeys: 4, noNullPrototype: true },
		),
	),
})).value;

const anyOfKind: Record<ValueKind, fc.Arbitrary<Json>> = {
	boolean: fc.boolean(),
	integer: anyInteger,
	number: fc
		.double({ noNaN: true, noDefaultInfinity: true, min: -1e15, max: 1e15 })
		.map((value) => parseJson(JSON.stringify(value))),
	string: fc.string({ unit: "binary" }),
	object: fc.dictionary(
		anyText.filter((key) => key !== "__proto__"),
		anyMember,
		{ maxKeys: 4, noNullPrototype: true },
	),
	array: fc.array(anyMember, { maxLength: 5 }),
};

describe("a text as a value", () => {
	it.each(Object.keys(anyOfKind) as ValueKind[])(
		"of kind %s, is what was formatted",
		(kind) => {
			fc.assert(
				fc.property(anyOfKind[kind], (value) => {
					expect(parseValue(formatValue(value), kind, "")).toStrictEqual(value);
				}),
			);
		},
	);

	it("keeps the kind of whatever it is given back", () => {
		fc.assert(
			fc.property(anyMember, (value) => {
				const kind = kindOfValue(value);
				fc.pre(kind !== undefined);
				const again = parseValue(formatValue(value), kind as ValueKind, "");
				expect(kindOfValue(again as Json)).toBe(kind);
			}),
		);
	});

	/** Where a text is nothing of the kind, QEMU is given the text itself to refuse. */
	it.each<[ValueKind, text: string, Json]>([
		["boolean", "true", true],
		["boolean", "on", true],
		["boolean", "yes", true],
		["boolean", "1", true],
		["boolean", "false", false],
		["boolean", "off", false],
		["boolean", "no", false],
		["boolean", "0", false],
		["boolean", "TRUE", true],
		["boolean", " Off ", false],
		["boolean", "2", "2"],
		["boolean", "y", "y"],
		["boolean", "", ""],
		["integer", "0", 0],
		["integer", "-0", 0],
		["integer", "007", 7],
		["integer", "+7", 7],
		["integer", "-7", -7],
		["integer", " 7\t", 7],
		["integer", "0x400", 1024],
		["integer", "0XfF", 255],
		["integer", "-0x10", -16],
		["integer", "0b101", 5],
		["integer", "1_000_000", 1000000],
		["integer", "0xffff_ffff", 4294967295],
		["integer", "1K", 1024],
		["integer", "1k", 1024],
		["integer", "16M", 16777216],
		["integer", "-2G", -2147483648],
		["integer", "1T", 2 ** 40],
		["integer", "1P", 2 ** 50],
		["integer", "1E", 2n ** 60n],
		["integer", "9007199254740991", 9007199254740991],
		["integer", "9007199254740992", 9007199254740992n],
		["integer", "18446744073709551615", 2n ** 64n - 1n],
		["integer", "0xffff_ffff_ffff_ffff", 2n ** 64n - 1n],
		["integer", "-9223372036854775808", -(2n ** 63n)],
		["integer", "", ""],
		["integer", "1.0", "1.0"],
		["integer", "1f.0", "1f.0"],
		["integer", "0x", "0x"],
		["integer", "0x_", "0x_"],
		["integer", "0b2", "0b2"],
		["integer", "0x1K", "0x1K"],
		["integer", "1KB", "1KB"],
		["integer", "1 K", "1 K"],
		["integer", "_1", "_1"],
		["integer", "K", "K"],
		["integer", "--1", "--1"],
		["integer", "true", "true"],
		["number", "0.5", 0.5],
		["number", "-1e3", -1000],
		["number", "2", 2],
		["number", "18446744073709551615", 2n ** 64n - 1n],
		["number", ".5", ".5"],
		["number", "NaN", "NaN"],
		["number", "Infinity", "Infinity"],
		["string", "", ""],
		["string", " a  b ", " a  b "],
		["string", "two\nlines", "two\nlines"],
		["string", "true", "true"],
		["string", '{"a":1}', '{"a":1}'],
		["string", "\\u0041", "\\u0041"],
		["object", "{}", {}],
		["object", ' {\n"a": 1 } ', { a: 1 }],
		["object", '{"a":18446744073709551615}', { a: 2n ** 64n - 1n }],
		["object", '"{"', "{"],
		["object", "[1]", [1]], // it is QEMU that knows what it wants
		["object", "x", "x"],
		["object", "", ""],
		["object", "{}}", "{}}"],
		["array", "[]", []],
		["array", '["\\ud83d\\ude00"]', ["😀"]],
		["array", "[1,]", "[1,]"],
		["array", "1 2", "1 2"],
	])("of kind %s, is read: %j", (kind, text, value) => {
		expect(parseValue(text, kind, "")).toStrictEqual(value);
	});

	it.each([
		"{",
		"[",
		'{"a',
		'{"a":',
		'{"a":1',
		'[{"a":"]}"}',
		'["\\"',
		'["',
		" [ ",
	])("%j, is not complete", (text) => {
		expect(parseValue(text, "object", "")).toBe(incomplete);
		expect(parseValue(text, "array", "")).toBe(incomplete);
		expect(parseValue(text, "string", "")).toBe(text);
	});

	it("is not complete before its last bracket, wherever it is cut", () => {
		const anyDocument = fc.oneof(anyOfKind.object, anyOfKind.array);
		fc.assert(
			fc.property(
				anyDocument,
				fc.double({ min: 0, max: 0.999, noNaN: true }),
				(value, at) => {
					const text = formatJson(value);
					const cut = text.slice(0, 1 + Math.floor(at * (text.length - 1)));
					expect(parseValue(cut, "object", "")).toBe(incomplete);
				},
			),
		);
	});

	it.each<[text: string, type: string]>([
		["18446744073709551616", "uint64"],
		["16E", "size"],
		["0x1_0000_0000_0000_0000", ""],
		["-9223372036854775809", "int"],
		[`1${"0".repeat(400)}`, "int"],
		["-1", "uint64"],
		["-1", "uint64_t"],
		["-1", "uint32"],
		["-1", "uint8"],
		["-1", "size"],
		["-1K", "size"],
	])("%s is out of the range of %j", (text, type) => {
		expect(() => parseValue(text, "integer", type)).toThrow(
			expect.objectContaining({ isOutOfRange: true }),
		);
	});

	it.each(["int", "int32", "int8", "busnr", "", "str"])(
		"-1 is no matter for a %j",
		(type) => {
			expect(parseValue("-1", "integer", type)).toBe(-1);
		},
	);

	it.each(['{"a":"\\ud800"}', '{"\\udc00":1}', '[["\\ud83dx"]]', '"\\ud800"'])(
		"%s holds half a surrogate pair",
		(text) => {
			expect(() => parseValue(text, "object", "")).toThrow(
				expect.objectContaining({ isOutOfRange: false }),
			);
		},
	);
});

describe("the kind that a type's name suggests", () => {
	it.each<[ValueKind, ...types: string[]]>([
		["boolean", "bool", "boolean"],
		["integer", "int", "int8", "int32", "uint8", "uint16", "uint32", "uint64"],
		["integer", "uint32_t", "uint64_t", "size", "busnr", "integer"],
		["number", "number", "double"],
		["string", "string", "str", "OnOffAuto", "QCryptoSecretFormat", ""],
		["array", "list", "strList", "IOThreadVirtQueueMappingList", "array"],
		["object", "object"],
	])("is %s", (kind, ...types) => {
		expect(types.map(kindOfType)).toEqual(types.map(() => kind));
	});
});

describe("the kind of a value", () => {
	it.each<[ValueKind | undefined, ...values: Json[]]>([
		["boolean", true, false],
		["integer", 0, -1, 2n ** 64n - 1n],
		["number", 0.5, -1e-9],
		["string", "", "1"],
		["object", {}, { a: 1 }],
		["array", [], [1]],
		[undefined, null],
	])("is %s", (kind, ...values) => {
		expect(values.map(kindOfValue)).toEqual(values.map(() => kind));
	});
});
