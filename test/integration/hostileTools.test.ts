/** The tools with a machine that plays tricks. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CountingProxy, valuesSet } from "../support/countingProxy.ts";
import { greetingOf, HostileServer, reply } from "../support/hostileServer.ts";
import { toJson } from "../support/rawQmp.ts";
import { controlsIn, expectRefusal, Tools } from "../support/tools.ts";

/** How readline moves the cursor. */
const cursorMoves = new RegExp(`${"\x1b"}\\[\\d*[GJ]|\\r`, "g");

describe("with a machine that plays tricks", () => {
	/** Every control character but NUL, which no JSON key of ours may have; and those of direction. */
	const esc = String.fromCodePoint(
		...Array.from({ length: 0x9f }, (_none, index) => index + 1).filter(
			(code) => code < 0x20 || code >= 0x7f,
		),
		...[0x061c, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202e, 0x2066, 0x2069],
	).concat("\x1b]0;owned\x07\x1b[31m\u009b1m");
	let tools: Tools;
	let hostile: HostileServer;

	beforeEach(async () => {
		tools = await Tools.create();
		const directory = join(tools.directory, "hostile");
		await mkdir(directory);
		tools.socket = join(directory, "vm.sock");
		hostile = await HostileServer.listen(tools.socket);
		hostile.tree = {
			"/": [
				{ name: "type", type: "string", value: "container" },
				{ name: `v${esc}`, type: `t${esc}`, value: `x${esc}\nsecond` },
				{ name: "value", type: "string", value: `x${esc}\nsecond` },
				{ name: `c${esc}`, type: `child<c${esc}>` },
				{ name: `l${esc}`, type: `link<l${esc}>`, value: `/c${esc}` },
			],
			[`/c${esc}`]: [{ name: "type", type: "string", value: `c${esc}` }],
		};
	});

	afterEach(async () => {
		await hostile.close();
		await tools.remove();
	});

	it.each([
		"qom-list",
		"qom-list /c*",
		"qom-list '/**'",
		"qom-list -l",
		"qom-tree --list",
		"qom-tree --draw",
		"qom-tree --values",
		"qom-get '/.*'",
		"qom-get / value type",
		"qomfs find",
	])(
		"show no control characters of values or names on a terminal: %s",
		async (line) => {
			const shown = await tools.terminal(line, { NO_COLOR: "1" });
			expect(shown).toMatch(/type|container|\//);
			expect(controlsIn(shown)).toEqual([]);
		},
	);

	it.each([
		"echo query-x | qmp",
		"qmp query-x",
		"qmp --pretty query-x",
		"qmp --help",
		"qmp query-bad --help",
		"qmp query-bad a=b",
		"qom-set / value x",
		"qom-get / value nothing*",
		"qom-list /c",
		"timeout 3 qomfs events",
		"qom-get --watch / value & sleep 1; kill $!; wait",
		"echo query-x | qmp-shell",
		"echo query-bad | qmp-shell",
		"echo info x | qmp-shell -H",
		"{ sleep 1; printf 'q\\t\\t'; sleep 1; printf '\\025query-bad \\t\\t'; sleep 1; printf '\\025query-x\\n'; sleep 1; } | script -qec qmp-shell /dev/null",
		'd=$(mktemp -d); qomfs "$QMP_SOCKET" $d; cat $d/value > $d/value; qomfs why $d/value; qomfs why $d/nothing; qomfs umount $d; rmdir $d',
		'd=$(mktemp -d); timeout -s INT 2 qomfs -f "$QMP_SOCKET" $d; rmdir $d',
	])("show none of what else it says: %s", async (line) => {
		const schema = [
			{
				name: "query-x",
				"meta-type": "command",
				"arg-type": "0",
				"ret-type": "0",
			},
			{
				name: "query-bad",
				"meta-type": "command",
				"arg-type": "1",
				"ret-type": "0",
			},
			{
				name: `q${esc}`,
				"meta-type": "command",
				"arg-type": "1",
				"ret-type": "0",
			},
			{ name: "0", "meta-type": "object", members: [] },
			{
				name: "1",
				"meta-type": "object",
				members: [{ name: `m${esc}`, type: "2" }],
			},
			{
				name: "2",
				"meta-type": "enum",
				values: [`v${esc}`],
				members: [{ name: `v${esc}` }],
			},
		];
		const answers: Record<string, unknown> = {
			"query-qmp-schema": schema,
			"query-x": { [`k${esc}`]: `x${esc}` },
			"human-monitor-command": `x${esc}`,
			"query-commands": schema.slice(0, 3).map(({ name }) => ({ name })),
			"query-name": { name: `n${esc}` },
		};
		const event = `${toJson({ event: `E${esc}`, data: { [`k${esc}`]: esc }, timestamp: { seconds: 1, microseconds: 2 } })}\r\n`;
		hostile.trick = ({ execute, id }) => {
			if (execute in answers) return event + reply(id, answers[execute]);
			if (execute !== "qom-set" && execute !== "query-bad") return "honest";
			return `${toJson({ id, error: { class: "GenericError", desc: `d${esc}` } })}\r\n`;
		};
		const ticking = setInterval(() => hostile.broadcast(event), 200);
		const shown = await tools.terminal(line, { NO_COLOR: "1" });
		clearInterval(ticking);
		expect(shown).toMatch(/\w/);
		// A prompt moves the cursor itself.
		const said = shown.replaceAll(cursorMoves, "");
		expect(controlsIn(said), JSON.stringify(shown)).toEqual([]);
	});

	it("qom-set is corrected once where QEMU asks for another kind", async () => {
		hostile.tree = { "/": [{ name: "addr", type: "str", value: "8" }] };
		hostile.trick = ({ execute, arguments: args, id }) => {
			if (execute !== "qom-set" || typeof args.value === "number")
				return "honest";
			const desc = "Invalid parameter type for 'addr', expected: integer";
			return `${toJson({ id, error: { class: "GenericError", desc } })}\r\n`;
		};
		expect(await tools.output("qom-set", "/", "addr", "0x10")).toBe("{}\n");
		const values = () =>
			hostile.requests
				.filter(({ execute }) => execute === "qom-set")
				.map(({ arguments: args }) => args.value);
		expect(values()).toEqual(["0x10", 16]);
		expectRefusal(
			await tools.run("qom-set", "/", "addr", "1f.0"),
			1,
			/expected: integer/,
		);
		expect(values()).toEqual(["0x10", 16, "1f.0"]);
	});

	it("qom-set passes PCI addresses as text, and numbers as numbers", async () => {
		hostile.tree = { "/": [{ name: "addr", type: "int32", value: 16 }] };
		const path = join(tools.directory, "proxy.sock");
		const proxy = await CountingProxy.listen(path, tools.socket ?? "");
		for (const text of ["1f.0", "1e", "17", "0x1e", "-1"])
			await tools.output("qom-set", "-s", path, "/", "addr", text);
		expect(valuesSet(proxy.requests)).toEqual(["1f.0", "1e", 17, 30, -1]);
		await proxy.close();
	});

	describe.each([7, 11])("whose version is %i", (major) => {
		beforeEach(() => {
			hostile.greeting = greetingOf(major);
		});

		it.each([
			"qomfs find",
			"qom-tree",
			"qom-tree --draw",
			"qom-list '/**'",
			"qom-get '/**.type'",
			"qom-set --dry-run '/**.type' x",
		])("objects in objects without an end are no tree: %s", async (line) => {
			const entries = [
				{ name: "type", type: "string" },
				{ name: "c", type: "child<container>" },
			];
			const values = [
				{ ...entries[0], value: "container" },
				{ ...entries[1], value: "" },
			];
			hostile.trick = ({ execute, arguments: args, id }) => {
				if (execute === "qom-list") return reply(id, entries);
				if (execute === "qom-get") return reply(id, "container");
				if (execute !== "qom-list-get" || major < 11) return "honest";
				return reply(
					id,
					args.paths.map(() => ({ properties: values })),
				);
			};
			const { status, stdout, stderr } = await tools.sh(
				`${line} > out; echo $?; tail -c 1000 out; rm out`,
			);
			expect(status).toBe(0);
			expect(stdout.split("\n")[0]).not.toBe("0");
			expect(stderr).toMatch(/^[^\n]*\n$/);
			expect(stderr).toMatch(/levels deep; this is no QEMU|not found/);
		});
	});

	it("blanks by the hundred thousand are a table like any other", async () => {
		const value = `${" ".repeat(100_000)}x${" ".repeat(100_000)}`;
		hostile.tree = {
			"/": [
				{ name: "type", type: "string", value: "container" },
				{ name: value.slice(0, 200), type: value, value },
			],
		};
		hostile.trick = ({ execute, id }) =>
			execute === "qom-list-types" ? reply(id, []) : "honest";
		const { status, stderr } = await tools.run("qom-list", "-l");
		expect([status, stderr]).toEqual([0, ""]);
	});

	it("values of many megabytes are printed wholly", async () => {
		hostile.tree = {
			"/": [{ name: "huge", type: "string", value: "x".repeat(5_000_000) }],
		};
		const { stdout } = await tools.sh("qom-get / huge | wc -c");
		expect(stdout.trim()).toBe("5000001");
	});

	it.each([
		["nothing", () => undefined, 5, /no answer from QEMU within 1 s/],
		["what is no list", (id: number) => reply(id, 5), 3, /unknown form/],
		["what is not QMP", () => "{}{}\r\n", 3, /not QMP/],
	])(
		"one that answers %s is told of in one line",
		async (_what, answer, status, message) => {
			hostile.trick = ({ execute, id }) =>
				execute === "qom-list" ? answer(id) : "honest";
			expectRefusal(
				await tools.run("qom-list", "--timeout", "1"),
				status,
				message,
			);
		},
	);
});
