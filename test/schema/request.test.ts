import { describe, expect, it } from "vitest";
import { flatten } from "../../src/cli/flatten.ts";
import { CommandError, UsageError } from "../../src/errors.ts";
import { formatJson, type Json, parseJson } from "../../src/json.ts";
import {
	type Execute,
	executeRequest,
	readRequest,
} from "../../src/schema/request.ts";
import { readSchema } from "../../src/schema/schema.ts";
import { smallSchema } from "../support/smallSchema.ts";

const schema = readSchema(smallSchema);

/** A QEMU that knows the commands of the schema, and refuses once for each of these texts. */
function qemu(refusals: readonly string[] = []) {
	const sent: string[] = [];
	const left = [...refusals];
	const send: Execute = async (command, args) => {
		sent.push(`${command} ${formatJson(args ?? null)}`);
		if (!schema.argumentsOf(command))
			throw new CommandError(command, "CommandNotFound", "not found");
		const desc = left.shift();
		if (desc) throw new CommandError(command, "GenericError", desc);
		return {};
	};
	const run = (line: string, knows = true) => {
		const request = readRequest(line);
		if (!request) throw new Error("no request");
		return executeRequest(
			request,
			async () => (knows ? schema : undefined),
			send,
		);
	};
	return { sent, run };
}

const integer = "Invalid parameter type for 'a', expected: integer";

describe("a command", () => {
	it.each<[string, string[]]>([
		["query-status", ["query-status null"]],
		["query_status", ["query_status null", "query-status null"]],
		[
			"device-add driver=x",
			['device-add {"driver":"x"}', 'device_add {"driver":"x"}'],
		],
		["qom-get path=1 property=2", ['qom-get {"path":"1","property":"2"}']],
		[
			'{"execute":"qom-get","arguments":{"a":18446744073709551615}}',
			['qom-get {"a":18446744073709551615}'],
		],
	])("is sent: %s", async (line, expected) => {
		const { sent, run } = qemu();
		await run(line);
		expect(sent).toEqual(expected);
	});

	it("goes with guessed arguments where QEMU has no schema", async () => {
		const { sent, run } = qemu();
		await run("qom-get path=1 property=2", false);
		expect(sent).toEqual(['qom-get {"path":1,"property":2}']);
	});

	it.each<[string, string]>([
		["nosuch", "unknown command 'nosuch'"],
		["nosuch a=1", "unknown command 'nosuch'"],
		["qom-gte", "did you mean 'qom-get'?"],
		["qom_get", "qom-get: path=STRING property=STRING are missing"],
	])(
		"that is wrong is explained, with QEMU's refusal: %s",
		async (line, message) => {
			const { run } = qemu();
			const error = await run(line).catch((reason) => reason);
			expect(error).toBeInstanceOf(UsageError);
			expect(error.message).toContain(message);
			expect(error.cause).toBeInstanceOf(CommandError);
		},
	);

	it.each([
		"=",
		"a'b",
		"-x",
		"{",
		"{}",
		"[]",
		'{"execute":1}',
		'{"execute":"x","arguments":1}',
	])("is not %s", (line) => {
		expect(() => readRequest(line)).toThrow(UsageError);
	});
});

describe("a guess that QEMU refuses", () => {
	it("is corrected, each argument once", async () => {
		const { sent, run } = qemu([
			integer,
			"Invalid parameter type for 'b', expected: boolean",
			"Invalid parameter type for 'c', expected: string",
			"Parameter 'd' expects uint64",
			"Parameter 'e' expects integer",
		]);
		await run("device_add driver=x a=8K b=on c=true d=1K e=1K f=5");
		expect(sent).toHaveLength(6);
		expect(sent[0]).toBe(
			'device_add {"driver":"x","a":"8K","b":"on","c":true,"d":"1K","e":"1K","f":"5"}',
		);
		expect(sent[5]).toBe(
			'device_add {"driver":"x","a":8192,"b":true,"c":"true","d":1024,"e":1024,"f":"5"}',
		);
	});

	it("is corrected where the refusal names the property, and means the value", async () => {
		const { sent, run } = qemu([
			"Invalid parameter type for 'poll-max-ns', expected: integer",
		]);
		await run("qom-set path=/ property=poll-max-ns value=8K");
		expect(sent.at(-1)).toContain('"value":8192');
	});

	it.each([
		["twice", "device_add driver=x a=8K", [integer, integer], 2],
		[
			"where the text is of no such kind",
			"device_add driver=x a=lots",
			[integer],
			1,
		],
		["where it was no guess", "qom-get path=a property=b", [integer], 1],
		["for another reason", "device_add driver=x a=8K", ["No bus"], 1],
	])("is not corrected %s", async (_when, line, refusals, times) => {
		const { sent, run } = qemu(refusals);
		await expect(run(line)).rejects.toBeInstanceOf(CommandError);
		expect(sent).toHaveLength(times);
	});
});

describe("what QEMU returns", () => {
	it.each<[string, string[]]>([
		[
			'{"status":"running","n":null,"t":true}',
			["status: running", "n: null", "t: true"],
		],
		['{"a":{"b":1},"c":[{"d":2},[3]]}', ["a.b: 1", "c[0].d: 2", "c[1][0]: 3"]],
		['[{"name":"x"},"y"]', ["item[0].name: x", "item[1]: y"]],
		["[[1]]", ["item[0][0]: 1"]],
		['"text\\r\\nmore"', ["text\r\nmore"]],
		["18446744073709551615", ["18446744073709551615"]],
		["{}", []],
		["[]", []],
		['{"a":{},"b":""}', ["b: "]],
	])("%s becomes lines", (text, lines) => {
		const value: Json = parseJson(text);
		expect([...flatten(value)]).toEqual(lines);
	});
});
