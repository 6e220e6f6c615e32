import { describe, expect, it } from "vitest";
import { ProtocolError } from "../../src/errors.ts";
import type { Json } from "../../src/json.ts";
import { readSchema } from "../../src/schema/schema.ts";
import {
	describeType,
	memberNamed,
	membersOf,
	type ObjectType,
} from "../../src/schema/types.ts";
import { smallSchema } from "../support/smallSchema.ts";

const schema = readSchema(smallSchema);

function argumentsOf(command: string): ObjectType {
	const type = schema.argumentsOf(command);
	if (!type) throw new Error(`no ${command}`);
	return type;
}

function namesOf(command: string, tags: Record<string, string> = {}) {
	return membersOf(argumentsOf(command), (tag) => tags[tag]).map(
		({ name }) => name,
	);
}

describe("a schema", () => {
	it("names commands and events", () => {
		expect(schema.commandNames.slice(0, 2)).toEqual([
			"query-status",
			"qom-get",
		]);
		expect(schema.eventNames).toEqual(["STOP", "RESET"]);
	});

	it("has the arguments of every command, and of no other", () => {
		expect(namesOf("query-status")).toEqual([]);
		expect(namesOf("qom-get")).toEqual(["path", "property"]);
		expect(schema.argumentsOf("nosuch")).toBe(undefined);
		expect(schema.argumentsOf("STOP")).toBe(undefined);
	});

	it("adds those that go with the value of a tag, at any depth", () => {
		expect(namesOf("object-add")).toEqual(["id", "qom-type"]);
		expect(namesOf("object-add", { "qom-type": "nosuch" })).toHaveLength(2);
		expect(namesOf("object-add", { "qom-type": "iothread" })).toEqual([
			...["id", "qom-type", "poll-max-ns"],
		]);
		expect(namesOf("blockdev-add", { driver: "raw" })).toEqual([
			...["driver", "node-name", "file", "offset"],
		]);
	});

	it("knows which command takes more than it tells", () => {
		const open = schema.commandNames.filter((name) => argumentsOf(name).isOpen);
		expect(open).toEqual(["device_add"]);
	});

	it.each([
		["a-flag", "boolean"],
		["count", "integer"],
		["ratio", "number"],
		["names", "array of string"],
		["limits", "object {x, y?}"],
		["points", "array of object {x, y?}"],
		["either", "string or null"],
		["level", "on|off|auto or integer"],
	])("describes the type of %s", (name, words) => {
		const { members } = argumentsOf("everything");
		const member = memberNamed(members, name);
		expect(member && describeType(member.type)).toBe(words);
	});

	it("describes types that contain themselves", () => {
		const [, , file] = membersOf(argumentsOf("blockdev-add"), () => "raw");
		expect(file && describeType(file.type)).toBe(
			"object {driver, node-name?, ...} or string",
		);
	});

	it("finds a member also by another spelling", () => {
		const { members } = argumentsOf("everything");
		expect(memberNamed(members, "a_flag")?.name).toBe("a-flag");
		expect(memberNamed(members, "flag")).toBe(undefined);
	});

	it.each<[string, Json]>([
		["not an array", {}],
		["no type 9", [{ name: "x", "meta-type": "command", "arg-type": "9" }]],
		[
			"type str is not an object",
			[
				{ name: "x", "meta-type": "command", "arg-type": "str" },
				{ name: "str", "meta-type": "builtin", "json-type": "string" },
			],
		],
	])("is refused: %s", (what, reply) => {
		const read = () => readSchema(reply).argumentsOf("x");
		expect(read).toThrow(ProtocolError);
		expect(read).toThrow(what);
	});
});
