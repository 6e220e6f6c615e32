import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatJson, type Json } from "../../src/json.ts";
import { errorReply, replyFor, returnReply } from "../../src/share/wire.ts";

describe("a reply for a client", () => {
	it.each<[string, number, Json | undefined, string]>([
		['{"return": {}, "id": 3}\r\n', 3, 7, '{"return": {}, "id": 7}'],
		['{"return": {}, "id": 3}', 3, undefined, '{"return": {}}'],
		[
			'{"return": [{"id": 3}], "id": 3}',
			3,
			"x",
			'{"return": [{"id": 3}], "id": "x"}',
		],
		[
			'{"return": "\\", \\"id\\": 3}", "id": 3}',
			3,
			null,
			'{"return": "\\", \\"id\\": 3}", "id": null}',
		],
		[
			'{"return": 18446744073709551615, "id": 3}',
			3,
			2n ** 64n - 1n,
			'{"return": 18446744073709551615, "id": 18446744073709551615}',
		],
		[
			'{"id": 3, "error": {"class": "GenericError", "desc": "x"}}',
			3,
			{ a: [1, "é"] },
			'{"id": {"a": [1, "\\u00E9"]}, "error": {"class": "GenericError", "desc": "x"}}',
		],
		[
			'{"id": 3, "error": {"class": "GenericError", "desc": "x"}}',
			3,
			undefined,
			'{"error": {"class": "GenericError", "desc": "x"}}',
		],
		[
			'{\r\n    "return": {\r\n    },\r\n    "id": 3\r\n}\r\n',
			3,
			1.5,
			'{"return": {}, "id": 1.5}',
		],
	])("%s", (text, ourId, id, expected) => {
		expect(replyFor(text, ourId, id)).toBe(expected);
	});

	it("has whatever id was given, and the very value that QEMU gave", () => {
		fc.assert(
			fc.property(
				fc.jsonValue(),
				fc.jsonValue(),
				fc.nat(20),
				(value, id, ourId) => {
					// JSON has one zero.
					fc.pre(!/-0\b/.test(fc.stringify([value, id])));
					const text = returnReply(value as Json, ourId);
					expect(JSON.parse(replyFor(text, ourId, id as Json))).toEqual({
						...{ return: value, id },
					});
					expect(JSON.parse(replyFor(text, ourId, undefined))).toEqual({
						return: value,
					});
				},
			),
		);
	});

	it("is written as QEMU does", () => {
		expect(returnReply({}, undefined)).toBe('{"return": {}}');
		expect(errorReply("CommandNotFound", "x", null)).toBe(
			'{"id": null, "error": {"class": "CommandNotFound", "desc": "x"}}',
		);
		expect(formatJson(JSON.parse(errorReply("GenericError", "\u007f")))).toBe(
			'{"error":{"class":"GenericError","desc":"\u007f"}}',
		);
	});
});
