/** The tools with a machine that plays tricks. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CountingProxy, valuesSet } from "../support/countingProxy.ts";
import { HostileServer, reply } from "../support/hostileServer.ts";
import { toJson } from "../support/rawQmp.ts";
import { controlsIn, expectRefusal, Tools } from "../support/tools.ts";

describe("with a machine that plays tricks", () => {
	const esc = "\x1b]0;owned\x07\x1b[31m\u009b1m\u202e\u2066";
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
