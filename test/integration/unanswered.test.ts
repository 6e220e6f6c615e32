/** The tools with a QEMU that hangs. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
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

	describe("with a QEMU that stops answering", () => {
		afterEach(() => {
			process.kill(machine.vm.pid, "SIGCONT");
		});

		it("end with status 5 within the timeout, in the midst of their work", async () => {
			const wait = tools.start(
				"qom-get",
				...["io0.poll-max-ns", "--watch", "0.1", "--timeout", "1"],
			);
			await wait.seen(1);
			process.kill(machine.vm.pid, "SIGSTOP");
			expect(await wait.ended).toBe(5);
			expect(wait.stderr()).toMatch(
				/^qom-get: [^\n]*no answer from QEMU within 1 s[^\n]*\n$/,
			);
		});

		it("end with status 5 where it never greets, and blame no other client", async () => {
			process.kill(machine.vm.pid, "SIGSTOP");
			const finished = await tools.run("qom-get", "io0.type", "--timeout", "1");
			expectRefusal(finished, 5, /answer|hang|stopped/);
			expect(finished.stderr).not.toMatch(/another client/);
		});
	});
});
