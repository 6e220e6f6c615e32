/** Where the tools write to. */
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

	describe("with their output", () => {
		it.each([
			"qom-tree",
			"qom-list /machine",
			"qomfs find",
			"qom-get '/**.*'",
			"qom-tree --json",
		])("piped into head end silently: %s", async (line) => {
			const { stdout, stderr } = await tools.sh(
				`${line} | head -n 1; echo "\${PIPESTATUS[*]}"`,
			);
			expect(stderr).toBe("");
			expect(stdout).toMatch(/^[^\n]+\n0 0\n$/);
		});

		it.each([
			"qom-tree",
			"qom-list",
			"qomfs find",
			"qom-get io0.type",
			"qomfs completion bash",
			"qom-get --help",
		])("on a full disk say so: %s", async (line) => {
			expectRefusal(
				await tools.sh(`${line} > /dev/full`),
				1,
				/cannot write: .*no space left/,
			);
		});

		it("or standard input closed work, and never show a stack trace", async () => {
			const { status, stdout, stderr } = await tools.sh(
				"qom-get io0.type <&-; qom-list >&-; qom-tree >&- 2>&-; qom-get io0.nosuch 2>&-; qom-get io0.nosuch 2>/dev/full; qom-get io0.type <&- 2>&-",
			);
			expect([status, stdout, stderr]).toEqual([0, "iothread\niothread\n", ""]);
		});
	});
});
