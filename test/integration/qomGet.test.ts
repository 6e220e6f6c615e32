/** qom-get against a real machine. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CountingProxy } from "../support/countingProxy.ts";
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

	describe("qom-get", () => {
		it.each([
			["PATH PROPERTY", ["/machine/q35/pcie.0", "realized"]],
			["PATH.PROPERTY", ["/machine/q35/pcie.0.realized"]],
			["PATH/PROPERTY", ["/machine/q35/pcie.0/realized"]],
			["a partial path", ["pcie.0.realized"]],
			["a partial path and a property", ["pcie.0", "realized"]],
			[
				"a path through a link",
				["/machine/peripheral/net0/parent_bus.realized"],
			],
		])("takes %s", async (_what, args) => {
			expect(await tools.output("qom-get", ...args)).toBe("true\n");
		});

		it("takes several properties, of one object or of many", async () => {
			expect(await tools.output("qom-get", "io0", "type", "poll-max-ns")).toBe(
				"io0.type: iothread\nio0.poll-max-ns: 32768\n",
			);
			expect(
				await tools.output("qom-get", "/objects/io0.type", "net0/mac"),
			).toBe("/objects/io0.type: iothread\nnet0.mac: 52:54:00:12:34:56\n");
		});

		it("takes patterns, in which brackets are themselves", async () => {
			expect(await tools.output("qom-get", "/objects/*.poll-max-ns")).toBe(
				"/objects/io0.poll-max-ns: 32768\n",
			);
			expect(await tools.output("qom-get", "/**/rng0.max-byte?")).toBe(
				"/machine/peripheral/rng0.max-bytes: 9223372036854775807\n",
			);
			const first = await tools.output(
				"qom-get",
				"/machine/unattached/device[0].lbr?fmt",
			);
			expect(first).toMatch(
				/^(\/machine\/unattached\/device\[0\]\.lbr[-_]fmt: 18446744073709551552\n){2}$/,
			);
		});

		it("of a pattern finds what every object has", async () => {
			const printed = await tools.output("qom-get", "/**.type");
			const expected = await Promise.all(
				(await machine.objectPaths()).map(
					async (path) => `${path}.type: ${await machine.get(path, "type")}`,
				),
			);
			expect(printed.trimEnd().split("\n").toSorted()).toEqual(
				expected.toSorted(),
			);
		});

		it("gives JSON to jq, in which no digit is lost", async () => {
			const { stdout } = await tools.sh(
				"qom-get --json tg0.limits | jq -c '.\"iops-total-max-length\"'",
			);
			expect(stdout).toBe("1\n");
			const lines = await tools.output(
				"qom-get",
				"--json",
				"/machine/unattached/device[0].lbr-f*",
				"/machine/unattached/device[0].crash*",
			);
			expect(lines).toBe(
				'{"path":"/machine/unattached/device[0]","property":"lbr-fmt","value":18446744073709551552}\n' +
					'{"path":"/machine/unattached/device[0]","property":"crash-information","error":"No crash occurred","refusal":"no value"}\n',
			);
		});

		it("of a pattern keeps secrets to itself, as every listing does", async () => {
			for (const args of [
				["/objects/*.*"],
				["sec0.*"],
				["--json", "**.data"],
			]) {
				const { stdout } = await tools.run("qom-get", ...args);
				expect(stdout).not.toContain("hello");
			}
		});

		it("--watch tells the time where that is asked for, and in JSON", async () => {
			const iso = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`;
			for (const [option, line] of [
				["--time", new RegExp(`^${iso}  32768$`)],
				[
					"--json",
					new RegExp(
						`^{"time":"${iso}","path":"io0","property":"poll-max-ns","value":32768}$`,
					),
				],
			] as const) {
				const watch = tools.start(
					"qom-get",
					"--watch=0.1",
					option,
					"io0.poll-max-ns",
				);
				try {
					expect((await watch.seen(1))[0]).toMatch(line);
				} finally {
					await watch.stop();
				}
			}
		});

		it("--watch shows at once what is, then what has changed", async () => {
			await tools.output("qom-set", "io0.poll-max-ns", "32768");
			const watch = tools.start(
				"qom-get",
				"io0.poll-max-ns",
				"--watch",
				"0.05",
			);
			try {
				expect(await watch.seen(1)).toEqual(["32768"]);
				for (const value of [1, 2]) {
					await machine.set("/objects/io0", "poll-max-ns", value);
					expect((await watch.seen(value + 1)).at(-1)).toBe(`${value}`);
				}
			} finally {
				await watch.stop();
				await machine.set("/objects/io0", "poll-max-ns", 32768);
			}
		});

		it("--until waits for a value, written as a user would, and shows it", async () => {
			await machine.set("/objects/mem0", "dump", false);
			const path = join(tools.directory, "until.sock");
			await using proxy = await CountingProxy.listen(path, machine.vm.socket);
			const args = ["mem0.dump", "--until", "on", "-s", path];
			const wait = tools.start("qom-get", ...args);
			try {
				// It has seen more than once what it should not show.
				await expect
					.poll(() => proxy.count("qom-get"), { timeout: 30_000 })
					.toBeGreaterThan(3);
				expect(wait.lines()).toEqual([]);
				await machine.set("/objects/mem0", "dump", true);
				expect(await wait.ended).toBe(0);
				expect(wait.lines()).toEqual(["true"]);
			} finally {
				await wait.stop();
			}
		});

		it("--until with --timeout ends with status 5 where it does not come", async () => {
			const finished = await tools.run(
				"qom-get",
				...["io0.poll-max-ns", "--until", "77", "--timeout", "0.3"],
			);
			expectRefusal(
				finished,
				5,
				/io0\.poll-max-ns did not become 77 within 0\.3 s/,
			);
		});
	});
});
