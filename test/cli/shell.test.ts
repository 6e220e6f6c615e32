import {
	chmodSync,
	mkdtempSync,
	readFileSync,
	rmSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openHistory } from "../../src/cli/shell/history.ts";
import { completeHmp } from "../../src/cli/shell/hmpCompletion.ts";
import { pythonJson } from "../../src/cli/shell/pythonJson.ts";
import { completeQmp } from "../../src/cli/shell/qmpCompletion.ts";
import { CommandError } from "../../src/errors.ts";
import { type Json, type JsonObject, parseJson } from "../../src/json.ts";
import { readSchema } from "../../src/qmp/schema.ts";
import { smallSchema } from "../support/smallSchema.ts";

describe("a reply", () => {
	it.each<[string, string]>([
		[
			'{"return":{"b":1,"a":[true,null]}}',
			'{"return": {"b": 1, "a": [true, null]}}',
		],
		['{"return":[]}', '{"return": []}'],
		['{"return":{}}', '{"return": {}}'],
		["18446744073709551615", "18446744073709551615"],
		['"ü😀\\u007f\\n\\"/"', '"\\u00fc\\ud83d\\ude00\\u007f\\n\\"/"'],
	])("%s has Python's spaces", (text, printed) => {
		expect(pythonJson(parseJson(text))).toBe(printed);
	});

	it("can be indented, and is sorted then", () => {
		const value = parseJson('{"b":{},"a":[1,{"d":2,"c":[]}]}');
		expect(pythonJson(value, { isPretty: true })).toBe(
			`{
    "a": [
        1,
        {
            "c": [],
            "d": 2
        }
    ],
    "b": {}
}`,
		);
	});
});

describe("a history", () => {
	let directory: string;
	let path: string;

	beforeEach(() => {
		directory = mkdtempSync(join(tmpdir(), "qomfs-history-"));
		path = join(directory, "history");
	});

	afterEach(() => rmSync(directory, { recursive: true }));

	it("is kept for oneself, line by line", () => {
		const history = openHistory(path);
		expect(history.lines).toEqual([]);
		for (const line of ["a", "b", "b", " ", ""]) history.add(line);
		expect(readFileSync(path, "utf8")).toBe("a\nb\n");
		expect(statSync(path).mode & 0o777).toBe(0o600);
		expect(openHistory(path).lines).toEqual(["a", "b"]);
	});

	it("that others could read is closed to them", () => {
		writeFileSync(path, "_HiStOrY_V2_\nold\n");
		chmodSync(path, 0o644);
		expect(openHistory(path).lines).toEqual(["old"]);
		expect(statSync(path).mode & 0o777).toBe(0o600);
	});

	it("keeps no secrets", () => {
		const history = openHistory(path);
		history.add("object-add qom-type=secret id=s data=hunter2");
		history.add("set_password protocol=vnc password=hunter2");
		history.add("query-status");
		expect(readFileSync(path, "utf8")).toBe("query-status\n");
	});

	it("has at most 1000 lines", () => {
		const lines = Array.from({ length: 1500 }, (_none, index) => `${index}`);
		writeFileSync(path, `${lines.join("\n")}\n`);
		expect(openHistory(path).lines).toEqual(lines.slice(500));
		expect(readFileSync(path, "utf8").split("\n")).toHaveLength(1001);
	});

	it("that cannot be kept is no failure", () => {
		const history = openHistory(join(directory, "nosuch/history"));
		history.add("a");
		expect(history.lines).toEqual([]);
	});
});

const schema = readSchema(smallSchema);

const answers: Readonly<Record<string, Json>> = {
	'qom-list {"path":"/"}': [
		{ name: "machine", type: "child<container>" },
		{ name: "objects", type: "child<container>" },
		{ name: "type", type: "string" },
	],
	'qom-list {"path":"/machine"}': [
		{ name: "type", type: "string" },
		{ name: "a b", type: "child<x>" },
		{ name: "bus", type: "link<bus>" },
	],
	'qom-list {"path":"/objects"}': [{ name: "io0", type: "child<iothread>" }],
	'qom-list-types {"implements":"device","abstract":false}': [
		{ name: "usb-kbd" },
		{ name: "usb-mouse" },
	],
	'human-monitor-command {"command-line":"help"}':
		"info [subcommand] -- show\r\nstop|s  -- stop\r\ncont|c -- go\r\n",
	'human-monitor-command {"command-line":"help info"}':
		"info balloon -- show balloon\r\ninfo block [-n] -- blocks\r\n",
};

const machine = {
	schema: async () => schema,
	async execute(command: string, args: JsonObject = {}): Promise<Json> {
		const answer = answers[`${command} ${JSON.stringify(args)}`];
		if (answer !== undefined) return answer;
		throw new CommandError(command, "GenericError", "no");
	},
};

describe("TAB", () => {
	it.each<[string, string[]]>([
		["qom-", ["qom-get", "qom-set"]],
		["qom-g", ["qom-get "]],
		["dev", ["device_add "]],
		["nosuch ", []],
		["qom-get ", ["path=", "property="]],
		["qom-get pa", ["path="]],
		["qom-get path=/ ", ["property="]],
		["object-add id=a ", ["qom-type="]],
		["object-add qom-type=", ["can-bus", "iothread", "secret"]],
		["object-add qom-type=io", ["iothread "]],
		["object-add qom-type=iothread p", ["poll-max-ns="]],
		["blockdev-add driver=raw f", ["file.", "file="]],
		["blockdev-add driver=raw file.", ["file.driver=", "file.node-name="]],
		["blockdev-add driver=raw file.driver=file file.l", ["file.locking="]],
		["blockdev-add driver=raw file.driver=file file.locking=a", ["auto "]],
		["everything a-flag=", ["false", "off", "on", "true"]],
		["everything level=o", ["off", "on"]],
		["qom-get path=", ["/machine", "/objects"]],
		["qom-get path=/mac", ["/machine"]],
		["qom-get path=/machine/", ['"/machine/a b"', "/machine/bus"]],
		['qom-get path="/machine/a', ['"/machine/a b"']],
		["qom-get path=/machine property=t", ["type "]],
		["device_add driver=usb-k", ["usb-kbd "]],
		["device_add id=", []],
		["qom-get path=/nosuch/", []],
		["transaction( ", [")", "abort", "get"]],
		["transaction( get p", ["path=", "property="]],
	])("after %j offers %j", async (line, candidates) => {
		const [offered] = await completeQmp(machine, line, false);
		expect(offered).toEqual(candidates);
	});

	it("replaces the value alone", async () => {
		expect(await completeQmp(machine, "qom-get path=/mac", false)).toEqual([
			["/machine"],
			"/mac",
		]);
	});

	it.each<[string, string[]]>([
		["s", ["s", "stop"]],
		["co", ["cont "]],
		["info b", ["balloon", "block"]],
		["info ba", ["balloon "]],
		["qom-list /m", ["/machine"]],
		["object_del ", ["io0 "]],
		["device_del ", []],
	])("in the human monitor after %j offers %j", async (line, candidates) => {
		const [offered] = await completeHmp(machine, line);
		expect(offered).toEqual(candidates);
	});
});
