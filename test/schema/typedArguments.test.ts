import { describe, expect, it } from "vitest";
import { UsageError } from "../../src/errors.ts";
import type { Json } from "../../src/json.ts";
import { readPair, splitWords } from "../../src/schema/literal.ts";
import { readSchema } from "../../src/schema/schema.ts";
import {
	commandNamed,
	guessedArguments,
	typedArguments,
} from "../../src/schema/typedArguments.ts";
import { smallSchema } from "../support/smallSchema.ts";

const schema = readSchema(smallSchema);

function typed(line: string) {
	const [command = "", ...words] = splitWords(line);
	const type = schema.argumentsOf(command);
	if (!type) throw new Error(`no ${command}`);
	return typedArguments(type, words.map(readPair));
}

describe("arguments that the schema knows", () => {
	it.each<[string, Json]>([
		["qom-get path=123 property=0x10", { path: "123", property: "0x10" }],
		["qom-get path=\"a b\" property='c'", { path: "a b", property: "c" }],
		["everything a-flag=on", { "a-flag": true }],
		["everything --a_flag", { "a-flag": true }],
		["everything a-flag=No", { "a-flag": false }],
		["everything count=8K", { count: 8192 }],
		["everything count=0xffffffffffffffff", { count: 2n ** 64n - 1n }],
		["everything ratio=0.5", { ratio: 0.5 }],
		["everything names=a,b", { names: ["a", "b"] }],
		["everything names=[1]", { names: [1] }],
		["everything names=", { names: [] }],
		["everything counts=1,0x10", { counts: [1, 16] }],
		["everything limits.x=5", { limits: { x: 5 } }],
		["everything limits={'x':5,}", { limits: { x: 5 } }],
		['everything points=[{"x":1}]', { points: [{ x: 1 }] }],
		["everything either=null", { either: null }],
		["everything either=5", { either: "5" }],
		["everything bitmap=5", { bitmap: 5 }],
		["everything bitmap=off", { bitmap: false }],
		["everything bitmap=[5]", { bitmap: [5] }],
		["everything level=on", { level: "on" }],
		["everything level=3", { level: 3 }],
		[
			"object-add qom-type=iothread id=5 poll-max-ns=8K",
			{ "qom-type": "iothread", id: "5", "poll-max-ns": 8192 },
		],
		[
			"object-add poll_max_ns=1 qom_type=iothread id=i",
			{ "qom-type": "iothread", id: "i", "poll-max-ns": 1 },
		],
		["blockdev-add driver=raw file=d0", { driver: "raw", file: "d0" }],
		[
			"blockdev-add driver=raw file.driver=file file.filename=5 file.locking=off",
			{
				driver: "raw",
				file: { driver: "file", filename: "5", locking: "off" },
			},
		],
	])("become what it wants: %s", (line, args) => {
		expect(typed(line)).toEqual({ args, guesses: new Map() });
	});

	it.each([
		[
			"qom-get pat=/ property=a",
			"unknown argument 'pat'; did you mean 'path'?",
		],
		["query-status a=1", "unknown argument 'a'; there are none"],
		["qom-get zzzzz=1", "unknown argument 'zzzzz'; there are path, property"],
		["qom-get path=/", "property=STRING is missing"],
		["blockdev-add", "driver=VALUE is missing"],
		[
			"device_add drver=virtio-rng-pci",
			"unknown argument 'drver'; did you mean 'driver'?",
		],
		["object-add qom-type=iothread", "id=STRING is missing"],
		[
			"object-add foo=1 qom-type=iothreat id=x",
			"'qom-type' cannot be 'iothreat'; did you mean 'iothread'?",
		],
		[
			"object-add id=x qom-type=zzzzzzzzzzzz",
			"'qom-type' cannot be 'zzzzzzzzzzzz'; one of iothread, secret, can-bus",
		],
		[
			"object-add id=x zzzzzzz=1",
			"unknown argument 'zzzzzzz'; there are id, qom-type, and what goes with qom-type=VALUE",
		],
		["everything a-flag=maybe", "'a-flag' is boolean, not 'maybe'"],
		["everything count=many", "'count' is integer, not 'many'"],
		[
			"everything count=18446744073709551616",
			"'count': 18446744073709551616: does not fit",
		],
		[
			"everything limits=5",
			"'limits' is an object, not '5'; write limits.MEMBER=VALUE, or JSON",
		],
		["everything limits.z=5", "unknown argument 'limits.z'; there are x, y"],
		["everything limits.y=5", "limits.x=INTEGER is missing"],
		["everything points=5", "'points' is a list, not '5'; write it as JSON"],
		["everything count.a=5", "'count' has no members: it is integer"],
		["everything bitmap=x", "'bitmap' is boolean, not 'x'"],
		["everything a-flag=on a_flag=on", "'a-flag' is given twice"],
		[
			"blockdev-add driver=raw file.driver=file",
			"file.filename=STRING is missing",
		],
	])("are refused: %s", (line, message) => {
		expect(() => typed(line)).toThrow(UsageError);
		expect(() => typed(line)).toThrow(message);
	});
});

describe("arguments that nothing tells the kind of", () => {
	it("are guessed, and remembered as they were typed", () => {
		expect(typed("device_add driver=5 max-bytes=10 on=true")).toEqual({
			args: { driver: "5", "max-bytes": "10", on: true },
			guesses: new Map([
				["max-bytes", "10"],
				["on", "true"],
			]),
		});
		expect(typed("device_add driver=5 addr=0xb a={'b':0x10}").args).toEqual({
			...{ driver: "5", addr: "0xb", a: { b: 16 } },
		});
		expect(typed("qom-set path=/ property=a value={'b':1}")).toEqual({
			args: { path: "/", property: "a", value: { b: 1 } },
			guesses: new Map([["value", "{'b':1}"]]),
		});
		expect(typed("qom-set path=/ property=a value.b=1")).toEqual({
			args: { path: "/", property: "a", value: { b: 1 } },
			guesses: new Map([["value.b", "1"]]),
		});
	});

	it("are all of them where there is no schema", () => {
		expect(guessedArguments([readPair("a.b=1"), readPair("c=x")])).toEqual({
			args: { a: { b: 1 }, c: "x" },
			guesses: new Map([
				["a.b", "1"],
				["c", "x"],
			]),
		});
	});
});

describe("the name of a command", () => {
	it("may have its other spelling", () => {
		expect(commandNamed(schema, "qom-get")).toBe("qom-get");
		expect(commandNamed(schema, "qom_get")).toBe("qom-get");
		expect(commandNamed(schema, "device-add")).toBe("device_add");
	});

	it("is looked for when it is wrong", () => {
		expect(() => commandNamed(schema, "qom-gte")).toThrow(
			"unknown command 'qom-gte'; did you mean 'qom-get'?",
		);
		expect(() => commandNamed(schema, "frobnicate")).toThrow(
			"unknown command 'frobnicate'; query-commands lists them",
		);
	});
});
