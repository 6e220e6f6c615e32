import { describe, expect, it } from "vitest";
import { DisconnectedError, QomError, ValueError } from "../../src/errors.ts";
import type { Json } from "../../src/json.ts";
import { incomplete } from "../../src/qom/codec.ts";
import { isMeant, type WriteRequest, write } from "../../src/qom/write.ts";
import { RecordingSource, refused } from "../support/recordingSource.ts";

const tree = {
	"/a": [
		["type", "string", "thing"],
		["count", "int", 1],
		["flag", "bool", false],
		["name", "str", "n"],
		["struct", "Struct", { x: 1 }],
		["list", "intList", []],
		["addr", "int32", 8],
		["realized", "bool", true],
		["bus", "link<bus>", "/b"],
	],
	"/objects/mon": [
		["type", "string", "monitor-qmp"],
		["pretty", "bool", false],
	],
	"/objects/gone": [["pretty", "bool", false]],
} as const;

function start() {
	const source = new RecordingSource(tree);
	const writing = (
		property: string,
		text: string,
		more: Partial<WriteRequest> = {},
	) => {
		const [, type = ""] =
			Object.values(tree)
				.flat()
				.find(([name]) => name === property) ?? [];
		return write(source, {
			...{ object: "/a", info: { name: property, type }, text },
			...{ objectType: "thing", ...more },
		});
	};
	/** A refusal of the first attempt; the next one is taken. */
	const refuseOnce = (property: string, expected: string | undefined) => {
		let attempts = 0;
		source.refuses = (request) =>
			request.startsWith("set ") && attempts++ === 0
				? refused("invalid", "/a", property, "of another kind", expected)
				: undefined;
	};
	return { source, writing, refuseOnce };
}

async function failureOf(promise: Promise<unknown>): Promise<Error> {
	const [outcome] = await Promise.allSettled([promise]);
	if (outcome.status === "fulfilled") throw new Error("it did not fail");
	return outcome.reason;
}

describe("a write", () => {
	it.each<[string, string, Json, string]>([
		["count", "0x10", 16, "16"],
		["flag", "on", true, "true"],
		["name", "5", "5", '"5"'],
		["list", "[1]", [1], "[1]"],
	])(
		"of %s takes %j for what its type's name suggests",
		async (property, text, value, sent) => {
			const { source, writing } = start();
			expect(await writing(property, text)).toEqual(value);
			expect(source.asked).toEqual([`set /a.${property} ${sent}`]);
		},
	);

	it("takes the kind of the value rather than the name of the type", async () => {
		const { source, writing } = start();
		await writing("name", "5", { kind: "integer" });
		await writing("count", "5", { kind: "string" });
		expect(source.asked).toEqual(["set /a.name 5", 'set /a.count "5"']);
	});

	it("sends what is not of the kind as text: it is for QEMU to refuse", async () => {
		const { source, writing } = start();
		await writing("addr", "1f.0");
		expect(source.asked).toEqual(['set /a.addr "1f.0"']);
	});

	it("holds JSON that is not complete, and asks nothing", async () => {
		const { source, writing } = start();
		expect(await writing("struct", '{"x":', { kind: "object" })).toBe(
			incomplete,
		);
		expect(source.asked).toEqual([]);
	});

	it("refuses what is out of range without asking", async () => {
		const { source, writing } = start();
		const error = await failureOf(writing("count", "16E"));
		expect(error).toBeInstanceOf(ValueError);
		expect(error).toMatchObject({ isOutOfRange: true });
		expect(source.asked).toEqual([]);
	});
});

describe("a refused kind", () => {
	it.each<
		[
			property: string,
			text: string,
			expected: string,
			first: string,
			then: string,
		]
	>([
		["name", "0x10", "integer", '"0x10"', "16"],
		["name", "yes", "boolean", '"yes"', "true"],
		["name", '{"x":1}', "object", '"{\\"x\\":1}"', '{"x":1}'],
		["name", "[1]", "array", '"[1]"', "[1]"],
		["count", "5", "string", "5", '"5"'],
		["flag", "1", "uint32", "true", "1"],
		["count", "1", "boolean", "1", "true"],
		["name", "1.5", "number", '"1.5"', "1.5"],
	])(
		"of %s: %j is corrected to %s",
		async (property, text, expected, first, then) => {
			const { source, writing, refuseOnce } = start();
			refuseOnce(property, expected);
			await writing(property, text);
			expect(source.asked).toEqual([
				`set /a.${property} ${first}`,
				`set /a.${property} ${then}`,
			]);
		},
	);

	it("is corrected once, and the second refusal stands", async () => {
		const { source, writing } = start();
		const kinds = ["integer", "boolean"];
		source.refuses = (request) =>
			refused("invalid", "/a", "name", request, kinds.shift());
		const error = await failureOf(writing("name", "1"));
		expect(error).toMatchObject({ desc: "set /a.name 1" });
		expect(source.asked).toEqual(['set /a.name "1"', "set /a.name 1"]);
	});

	it.each([
		["1f.0", "integer"], // cannot be one
		["x", "string"], // is one
		["x", undefined],
	])(
		"of %j, expected: %s, stands where there is nothing to correct",
		async (text, expected) => {
			const { source, writing, refuseOnce } = start();
			refuseOnce("name", expected);
			expect(await failureOf(writing("name", text))).toBeInstanceOf(QomError);
			expect(source.asked).toHaveLength(1);
		},
	);

	it("of JSON that is not complete waits for more, and sets nothing meanwhile", async () => {
		const { source, writing, refuseOnce } = start();
		refuseOnce("name", "object");
		expect(await writing("name", '{"x":')).toBe(incomplete);
		expect(source.asked).toHaveLength(1);
	});

	it("is the only failure that is tried again", async () => {
		const { source, writing } = start();
		const lost = new DisconnectedError("QEMU has gone");
		source.refuses = () => lost;
		expect(await failureOf(writing("name", "1"))).toBe(lost);
		expect(source.asked).toHaveLength(1);
	});
});

describe("the guard", () => {
	const unsafeHint = "lift it with a word";

	it("refuses without asking, and tells what lifts it", async () => {
		const { source, writing } = start();
		const error = await failureOf(writing("realized", "off", { unsafeHint }));
		expect(error).toBeInstanceOf(QomError);
		expect(error).toMatchObject({
			...{ refusal: "guarded", path: "/a", property: "realized" },
			desc: expect.stringMatching(
				/^realized is guarded: .+; lift it with a word$/,
			),
			class: undefined,
		});
		expect(source.asked).toEqual([]);
	});

	it("says nothing of a hint where there is none", async () => {
		const { writing } = start();
		const error = await failureOf(writing("realized", "off"));
		expect((error as QomError).desc).toMatch(/abort QEMU$/);
	});

	it("is lifted by isUnsafe, and the type is not asked for then", async () => {
		const { source, writing } = start();
		await writing("realized", "off", { isUnsafe: true, objectType: undefined });
		expect(source.asked).toEqual(["set /a.realized false"]);
	});

	it("asks for the type of an object where it is not known", async () => {
		const { source, writing } = start();
		const object = "/objects/mon";
		const error = await failureOf(
			writing("pretty", "on", { object, objectType: undefined }),
		);
		expect(error).toMatchObject({ refusal: "guarded" });
		expect(source.asked).toEqual(["get /objects/mon.type"]);
	});

	it("takes a type that is known for granted", async () => {
		const { source, writing } = start();
		const object = "/objects/mon";
		await failureOf(
			writing("pretty", "on", { object, objectType: "monitor-qmp" }),
		);
		expect(source.asked).toEqual([]);
	});

	it("lets through what has no type to be told by, and QEMU decides", async () => {
		const { source, writing } = start();
		const object = "/objects/gone";
		await writing("pretty", "on", { object, objectType: undefined });
		expect(source.asked).toEqual([
			"get /objects/gone.type",
			"set /objects/gone.pretty true",
		]);
	});

	it("does not take a lost connection for a missing type", async () => {
		const { source, writing } = start();
		const lost = new DisconnectedError("QEMU has gone");
		source.refuses = () => lost;
		expect(
			await failureOf(writing("count", "1", { objectType: undefined })),
		).toBe(lost);
		expect(source.asked).toEqual(["get /a.type"]);
	});
});

describe("a link", () => {
	it("is guarded", async () => {
		const { source, writing } = start();
		expect(await failureOf(writing("bus", "/c"))).toMatchObject({
			refusal: "guarded",
		});
		expect(source.asked).toEqual([]);
	});

	it.each([
		["/c", "/c"],
		["5", "5"],
		["(unset)", ""],
		["", ""],
	])("is set to %j as text", async (text, target) => {
		const { source, writing } = start();
		expect(await writing("bus", text, { isUnsafe: true })).toBe(target);
		expect(source.asked).toEqual([`set /a.bus ${JSON.stringify(target)}`]);
	});

	it("has no other kind: a refusal stands", async () => {
		const { source, writing, refuseOnce } = start();
		refuseOnce("bus", "integer");
		const failing = writing("bus", "5", { isUnsafe: true });
		expect(await failureOf(failing)).toBeInstanceOf(QomError);
		expect(source.asked).toHaveLength(1);
	});
});

describe("isMeant", () => {
	it.each<[string, Json, boolean]>([
		["on", true, true],
		["off", true, false],
		["8K", 8192, true],
		["8K", 8193, false],
		["18446744073709551615", 2n ** 64n - 1n, true],
		["5", "5", true],
		["05", "5", false],
		["05", 5, true],
		["", null, true],
		["null", null, false],
		['{ "a": 1 }', { a: 1 }, true],
		['{"a":', { a: 1 }, false],
		["1.50", 1.5, true],
	])("%j means %o: %s", (text, value, isSo) => {
		expect(isMeant(text, value)).toBe(isSo);
	});
});
