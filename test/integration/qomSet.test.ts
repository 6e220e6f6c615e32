/** qom-set against a real machine. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lacksQemu } from "../support/mounted.ts";
import { ToolMachine } from "../support/toolMachine.ts";
import { expectRefusal, type Tools } from "../support/tools.ts";

describe.skipIf(lacksQemu)("the tools", () => {
	let machine: ToolMachine;
	let tools: Tools;

	beforeAll(async () => {
		machine = await ToolMachine.start();
		tools = machine.tools;
	});

	afterAll(() => machine?.stop());

	describe("qom-set", () => {
		it.each<[string, string, string, unknown]>([
			["/objects/io0", "poll-max-ns", "8K", 8192],
			["/objects/io0", "poll-max-ns", "0x10", 16],
			["/objects/io0", "poll-max-ns", "1_000", 1000],
			["/objects/io0", "poll-max-ns", "9223372036854775807", 2n ** 63n - 1n],
			["/objects/io0", "poll-max-ns", "32768", 32768],
			["/objects/mem0", "dump", "off", false],
			["/objects/mem0", "dump", "YES", true],
			["/objects/mem0", "policy", "preferred", "preferred"],
			["/objects/mem0", "policy", "default", "default"],
			["/objects/authz0", "rules", "[]", []],
			["/machine", "append", "two words", "two words"],
			["/machine", "append", "0x10", "0x10"],
			["/machine", "append", '{"a"', '{"a"'],
			["/machine", "append", "größer 😀", "größer 😀"],
			["/machine", "append", "", ""],
			["/machine/peripheral/blk0", "bootindex", "-1", -1],
		])(
			"%s.%s to %j, in two words and in three",
			async (path, property, text, value) => {
				for (const words of [
					[`${path}.${property}`, text],
					[path, property, text],
				]) {
					expect(await tools.output("qom-set", ...words)).toBe("{}\n");
					expect(await machine.get(path, property)).toEqual(value);
				}
			},
		);

		it("takes structs and lists as JSON", async () => {
			await tools.output("qom-set", "tg0.limits", '{"iops-total": 100}');
			expect((await machine.get("/objects/tg0", "limits"))["iops-total"]).toBe(
				100,
			);
			await tools.output("qom-set", "tg0", "limits", '{"iops-total": 0}');
			const rules = '[{"match":"fred","policy":"allow"}]';
			await tools.output("qom-set", "authz0.rules", rules);
			expect(await machine.get("/objects/authz0", "rules")).toMatchObject([
				{ match: "fred", policy: "allow" },
			]);
			await tools.output("qom-set", "authz0.rules", "[]");
		});

		it("takes a value that looks like an option behind --", async () => {
			await tools.output("qom-set", "--", "/machine.append", "--quiet");
			expect(await machine.get("/machine", "append")).toBe("--quiet");
			await tools.output("qom-set", "/machine.append", "");
		});

		it.each<[string, string, string, RegExp]>([
			["/objects/io0", "poll-max-ns", "lots", /expected: integer/],
			["/objects/io0", "poll-max-ns", "", /expected: integer/],
			["/objects/io0", "poll-max-ns", "-1", /must be in range/],
			[
				"/objects/io0",
				"poll-max-ns",
				`${2n ** 64n}`,
				/does not fit into 64 bits/,
			],
			["/objects/mem0", "dump", "maybe", /expected: boolean/],
			["/objects/mem0", "policy", "nosuch", /does not accept value 'nosuch'/],
			["/objects/tg0", "limits", "5", /expected: object/],
			["/objects/tg0", "limits", '{"iops-total"', /JSON is not complete/],
			["/objects/tg0", "limits", '{"nosuch": 1}', /limits\.nosuch/],
			["/objects/authz0", "rules", '[{"policy":"allow"}]', /match' is missing/],
			[
				"/machine/peripheral/rng0",
				"max-bytes",
				"-1",
				/uint64 cannot be negative/,
			],
			["/machine/peripheral/net0", "mac", "zz", /after it was realized/],
			["/machine/peripheral/net0", "type", "x", /is not writable/],
			[
				"/machine/peripheral/net0",
				"realized",
				"false",
				/guarded.*--unsafe-writes/,
			],
			["/machine/peripheral/blk0", "iothread", "", /guarded.*--unsafe-writes/],
		])(
			"%s.%s to %j is refused and changes nothing",
			async (path, property, text, message) => {
				const before = await machine.get(path, property);
				const finished = await tools.run("qom-set", path, property, text);
				expectRefusal(finished, 1, message);
				expect(finished.stderr).toContain(`${path}.${property}`);
				expect(await machine.get(path, property)).toEqual(before);
			},
		);

		it("--unsafe-writes lifts the guard", async () => {
			const args = ["/machine/peripheral/net0.realized", "true"];
			expect(await tools.output("qom-set", "--unsafe-writes", ...args)).toBe(
				"{}\n",
			);
			const link = [
				"/machine/peripheral/blk0/virtio-backend.iothread",
				"(unset)",
			];
			expectRefusal(
				await tools.run("qom-set", "--unsafe-writes", ...link),
				1,
				/after it was realized/,
			);
		});

		it("takes patterns", async () => {
			const before = await machine.get("/objects/io0", "poll-shrink");
			expect(
				await tools.output("qom-set", "/objects/io?.poll-*r*nk", "3"),
			).toBe("/objects/io0.poll-shrink = 3\n");
			expect(await machine.get("/objects/io0", "poll-shrink")).toBe(3);
			await machine.set("/objects/io0", "poll-shrink", before);
		});

		it("names each that a pattern has set, and each that was refused", async () => {
			const before = await machine.get("/objects/io0", "poll-shrink");
			expect(
				await tools.run("qom-set", "/objects/io0.poll-{shrink,grow}", "4"),
			).toMatchObject({ status: 1, stdout: "" });
			expect(await tools.run("qom-set", "/objects/io0.*", "4")).toEqual({
				status: 1,
				stdout: expect.stringMatching(/^\/objects\/io0\.poll-shrink = 4$/m),
				stderr: expect.stringMatching(/^qom-set: .*\btype\b.*$/m),
			});
			expect(await machine.get("/objects/io0", "poll-shrink")).toBe(4);
			await machine.set("/objects/io0", "poll-shrink", before);
		});

		it("--dry-run shows what would be set, and sets nothing", async () => {
			const before = await machine.get("/objects/io0", "poll-grow");
			expect(
				await tools.output("qom-set", "--dry-run", "/objects/io0.poll-g*", "7"),
			).toBe("/objects/io0.poll-grow = 7\n");
			expect(await machine.get("/objects/io0", "poll-grow")).toBe(before);
		});

		it("of a pattern that nothing fits says so", async () => {
			expectRefusal(
				await tools.run("qom-set", "*nosuch*.type", "1"),
				1,
				/\*nosuch\*: no object matches/,
			);
		});

		it.each([
			[["io0.poll-max-ns"], /missing.*value/],
			[["io0"], /missing.*value/],
			[[], /missing.*property/],
			[["io0", "5"], /the value is missing/],
			[["io0", "poll-max-ns", "1", "2"], /unexpected argument '2'; quote/],
			[["--nosuch", "a.b", "1"], /unknown option '--nosuch'/],
		])("with the words %j is a wrong use", async (args, message) => {
			expectRefusal(await tools.run("qom-set", ...args), 2, message);
		});
	});
});
