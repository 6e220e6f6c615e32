/** What `query-qmp-schema` could return, with one of each kind of type. */
import type { Json } from "../../src/json.ts";

const builtin = (name: string, jsonType: string) => ({
	...{ name, "meta-type": "builtin", "json-type": jsonType },
});

const member = (name: string, type: string) => ({ name, type });

const optional = (name: string, type: string) => ({
	...{ name, type, default: null },
});

const object = (name: string, members: Json[], rest: object = {}) => ({
	...{ name, "meta-type": "object", members },
	...rest,
});

const command = (name: string, type: string) => ({
	...{ name, "meta-type": "command", "arg-type": type, "ret-type": "0" },
});

export const smallSchema: Json = [
	command("query-status", "0"),
	command("qom-get", "1"),
	command("qom-set", "2"),
	command("device_add", "3"),
	command("object-add", "4"),
	command("blockdev-add", "5"),
	command("everything", "6"),
	command("transaction", "22"),
	{ name: "STOP", "meta-type": "event", "arg-type": "0" },
	{ name: "RESET", "meta-type": "event", "arg-type": "0" },
	builtin("str", "string"),
	builtin("int", "int"),
	builtin("number", "number"),
	builtin("bool", "boolean"),
	builtin("null", "null"),
	builtin("any", "value"),
	object("0", []),
	object("1", [member("path", "str"), member("property", "str")]),
	object("2", [
		...[member("path", "str"), member("property", "str")],
		member("value", "any"),
	]),
	object("3", [
		...[member("driver", "str"), optional("bus", "str")],
		optional("id", "str"),
	]),
	object("4", [member("id", "str"), member("qom-type", "10")], {
		tag: "qom-type",
		variants: [
			{ case: "iothread", type: "11" },
			{ case: "secret", type: "12" },
			{ case: "can-bus", type: "0" },
		],
	}),
	object("5", [member("driver", "13"), optional("node-name", "str")], {
		tag: "driver",
		variants: [
			{ case: "file", type: "14" },
			{ case: "raw", type: "15" },
		],
	}),
	object("6", [
		...[optional("a-flag", "bool"), optional("count", "int")],
		...[optional("ratio", "number"), optional("names", "[str]")],
		...[optional("counts", "[int]"), optional("limits", "18")],
		...[optional("points", "[18]"), optional("either", "19")],
		...[optional("bitmap", "20"), optional("level", "21")],
	]),
	{
		...{ name: "10", "meta-type": "enum" },
		values: ["iothread", "secret", "can-bus"],
	},
	object("11", [optional("poll-max-ns", "int")]),
	object("12", [optional("data", "str")]),
	{ name: "13", "meta-type": "enum", values: ["file", "raw"] },
	object("14", [member("filename", "str"), optional("locking", "16")]),
	object("15", [member("file", "17"), optional("offset", "int")]),
	{ name: "16", "meta-type": "enum", values: ["on", "off", "auto"] },
	{
		...{ name: "17", "meta-type": "alternate" },
		members: [{ type: "5" }, { type: "str" }],
	},
	object("18", [member("x", "int"), optional("y", "int")]),
	{
		...{ name: "19", "meta-type": "alternate" },
		members: [{ type: "str" }, { type: "null" }],
	},
	{
		...{ name: "20", "meta-type": "alternate" },
		members: [{ type: "int" }, { type: "bool" }, { type: "[int]" }],
	},
	{
		...{ name: "21", "meta-type": "alternate" },
		members: [{ type: "16" }, { type: "int" }],
	},
	object("22", [member("actions", "[23]")]),
	object("23", [member("type", "24")], {
		tag: "type",
		variants: [
			{ case: "abort", type: "25" },
			{ case: "get", type: "26" },
		],
	}),
	{ name: "24", "meta-type": "enum", values: ["abort", "get"] },
	object("25", [member("data", "0")]),
	object("26", [member("data", "1")]),
	{ name: "[23]", "meta-type": "array", "element-type": "23" },
	{ name: "[str]", "meta-type": "array", "element-type": "str" },
	{ name: "[int]", "meta-type": "array", "element-type": "int" },
	{ name: "[18]", "meta-type": "array", "element-type": "18" },
];
