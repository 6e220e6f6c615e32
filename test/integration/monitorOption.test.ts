/** How the tools are told which monitor to take. */
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

	describe("take a monitor", () => {
		it("from -s, --socket or QMP_SOCKET, the command line first", async () => {
			for (const args of [
				["-s", machine.vm.socket],
				["--socket", machine.vm.socket],
				[`--socket=${machine.vm.socket}`],
				["-s", `unix:${machine.vm.socket}`],
			]) {
				tools.socket = "/nosuch.sock";
				const finished = await tools.run("qom-get", ...args, "io0.type");
				tools.socket = machine.vm.socket;
				expect(finished.stdout).toBe("iothread\n");
			}
			expect(await tools.output("qomfs", "get", "io0.type")).toBe("iothread\n");
		});

		it.each([
			["qom-list"],
			["qom-get", "io0.type"],
			["qom-set", "io0.poll-grow", "1"],
			["qom-tree"],
			["qomfs", "find"],
			["qomfs", "events"],
		])("and say how to name one where none is: %s", async (tool, ...args) => {
			for (const socket of [undefined, ""]) {
				tools.socket = socket;
				const finished = await tools.run(tool, ...args);
				tools.socket = machine.vm.socket;
				expectRefusal(
					finished,
					2,
					/no monitor is named.*-s SOCKET.*QMP_SOCKET/,
				);
			}
		});

		it("and leave it to the next at once", async () => {
			const line = "for n in 1 2 3 4 5; do qom-get io0.type || exit; done";
			expect(await tools.sh(line)).toEqual({
				status: 0,
				stdout: "iothread\n".repeat(5),
				stderr: "",
			});
		});
	});
});
