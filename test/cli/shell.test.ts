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
import { parseJson } from "../../src/json.ts";
import { answeringMachine } from "../support/answeringMachine.ts";

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

describe("TAB", () => {
	it.each<[string, string[]]>([
		["s", ["s", "stop"]],
		["co", ["cont "]],
		["info b", ["balloon", "block"]],
		["info ba", ["balloon "]],
		["qom-list /m", ["/machine"]],
		["object_del ", ["io0 "]],
		["device_del ", []],
	])("in the human monitor after %j offers %j", async (line, candidates) => {
		const [offered] = await completeHmp(answeringMachine, line);
		expect(offered).toEqual(candidates);
	});
});
