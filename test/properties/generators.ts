/** Texts, values and messages that are likely to break something. */
import fc from "fast-check";
import type { Json, JsonObject } from "../../src/json.ts";

const pieces = [
	...["{", "}", "[", "]", '"', "\\", "\n", "\r", " ", ",", ":", "/", "..", "."],
	...["a", "é", "€", "😀", "\0", "\x1b", "\u2028"],
	...["\ud800", "\udfff", "\ufeff"], // halves of characters, and none
	...["id", "return", "true", "null", "0x10", "1e9", "-1"],
	...["18446744073709551615", "/machine", "type", "1K", "_"],
	...["__proto__", "constructor", "toString"],
];

export const texts = fc
	.array(fc.constantFrom(...pieces), { maxLength: 4 })
	.map((chosen) => chosen.join(""));

const numbers: fc.Arbitrary<Json> = fc.oneof(
	fc.constantFrom<number | bigint>(
		...[0, 1, -1, 255, 0.5, -0.25, 1e21, 2 ** 53 - 1, -(2 ** 31)],
		...[2n ** 53n, 2n ** 63n, 2n ** 64n - 1n, -(2n ** 63n)],
	),
	fc.integer({ min: -(2 ** 30), max: 2 ** 30 }),
);

const { values, objects } = fc.letrec<{ values: Json; objects: JsonObject }>(
	(tie) => ({
		values: fc.oneof(
			{ maxDepth: 2, depthIdentifier: "json" },
			fc.constantFrom<Json>(null, true, false),
			numbers,
			texts,
			fc.array(tie("values"), { maxLength: 3, depthIdentifier: "json" }),
			tie("objects"),
		),
		objects: fc
			.array(fc.tuple(texts, tie("values")), {
				...{ maxLength: 3, depthIdentifier: "json" },
			})
			.map((entries) => Object.fromEntries(entries)),
	}),
);

export { objects, values };

const ids = fc.constantFrom<Json>(0, 1, 9, "1", null, 2n ** 64n - 1n, { a: 1 });

/** Something like QMP, or just an object. */
export const messages: fc.Arbitrary<JsonObject> = fc.oneof(
	fc.record({ return: values, id: ids }),
	fc.record({ id: ids, error: fc.record({ class: texts, desc: texts }) }),
	fc.record({ id: ids, error: values }),
	fc.record({ event: texts, data: values, timestamp: values }),
	fc.record({ QMP: fc.record({ version: values, capabilities: values }) }),
	objects,
);
