/** `qomfs events`, and `.qomfs/events` of a mount. */
import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
	afterAll,
	afterEach,
	beforeAll,
	beforeEach,
	describe,
	expect,
	it,
} from "vitest";
import { CountingProxy } from "../support/countingProxy.ts";
import { lacksMount, lacksQemu, mountQomfs } from "../support/mounted.ts";
import { ToolMachine } from "../support/toolMachine.ts";
import {
	expectNoTrace,
	expectRefusal,
	running,
	type Tools,
} from "../support/tools.ts";

const script = new URL("../fixtures/poll.py", import.meta.url).pathname;

describe.skipIf(lacksQemu)("the tools", () => {
	let machine: ToolMachine;
	let tools: Tools;

	beforeAll(async () => {
		machine = await ToolMachine.start();
		tools = machine.tools;
	});

	afterAll(() => machine?.stop());

	describe("events", () => {
		afterEach(async () => {
			await proxy.close();
			await machine.qmp.execute("stop");
		});

		/** As many RESUME and STOP each. */
		async function cause(times: number): Promise<void> {
			for (let n = 0; n < times; n++) {
				await machine.qmp.execute("cont");
				await machine.qmp.execute("stop");
			}
		}

		let proxy: CountingProxy;

		beforeEach(async () => {
			const path = join(tools.directory, "events.sock");
			proxy = await CountingProxy.listen(path, machine.vm.socket);
		});

		/** Events come to whoever has negotiated. */
		async function follow(...args: string[]) {
			const path = join(tools.directory, "events.sock");
			const tool = tools.start("qomfs", "events", "-s", path, ...args);
			// It has negotiated once that was answered.
			await expect
				.poll(() => proxy.answered, { timeout: 30_000 })
				.toBeGreaterThanOrEqual(1);
			return tool;
		}

		it("are followed as they come, one JSON object a line", async () => {
			const following = await follow();
			try {
				await cause(1);
				const [resume = "", stop = ""] = await following.seen(2);
				expect(JSON.parse(resume)).toMatchObject({
					event: "RESUME",
					timestamp: {},
				});
				expect(JSON.parse(stop)).toMatchObject({ event: "STOP" });
				expect(following.process.exitCode).toBe(null);
			} finally {
				await following.stop();
			}
		});

		it("end after --count, of those whose name fits", async () => {
			const following = await follow("--count", "2", "res*", "NOSUCH");
			await cause(3);
			expect(await following.ended).toBe(0);
			expect(following.lines().map((line) => JSON.parse(line).event)).toEqual([
				"RESUME",
				"RESUME",
			]);
		});

		it("that no QEMU has are told", async () => {
			expect(
				await tools.run("qomfs", "events", "--timeout", "2", "resum", "STOP"),
			).toEqual({
				status: 0,
				stdout: "",
				stderr: "qomfs: this QEMU has no event resum; did you mean 'RESUME'?\n",
			});
		});

		it("end after --timeout: with success, unless a --count was not reached", async () => {
			expect(await tools.run("qomfs", "events", "--timeout", "0.2")).toEqual({
				status: 0,
				stdout: "",
				stderr: "",
			});
			expectRefusal(
				await tools.run("qomfs", "events", "--timeout", "0.2", "--count", "1"),
				5,
				/received 0 of 1 events within 0\.2 s/,
			);
		});

		it.skipIf(lacksMount)("of a mount wake those who poll", async () => {
			const mounted = await mountQomfs(machine.vm.socket);
			const property = join(mounted.path, "objects/io0/poll-max-ns");
			const waking: readonly (readonly [
				string,
				() => Promise<unknown>,
				RegExp,
			])[] = [
				["events", () => cause(1), /^\{"timestamp":.*RESUME/],
				[
					"errors",
					() => writeFile(property, "nonsense").catch(() => {}),
					/^\{.*poll-max-ns/,
				],
			];
			try {
				for (const [log, wake, first] of waking) {
					const file = join(mounted.path, ".qomfs", log);
					const poll = running(
						spawn("python3", [script, file], {
							stdio: ["ignore", "pipe", "pipe"],
						}),
					);
					expect(await poll.seen(1)).toEqual(["ready"]);
					await wake();
					const [, line = ""] = await poll.seen(2);
					const [before, after, text] = JSON.parse(line);
					expect([before, after]).toEqual([false, true]);
					expect(text).toMatch(first);
					await poll.stop();
				}
			} finally {
				await mounted.unmount();
			}
		});

		it.skipIf(lacksMount)(
			"of a mount are in .qomfs/events, which tail -f follows",
			async () => {
				const mounted = await mountQomfs(machine.vm.socket);
				const tail = running(
					spawn(
						"tail",
						["-n", "+1", "-f", join(mounted.path, ".qomfs/events")],
						{
							stdio: ["ignore", "pipe", "pipe"],
						},
					),
				);
				try {
					await cause(1);
					await tail.seen(2);
					await cause(1);
					const lines = await tail.seen(4);
					expect(lines.map((line) => JSON.parse(line).event)).toEqual([
						...["RESUME", "STOP", "RESUME", "STOP"],
					]);
					const { stdout } = await mounted.sh(
						'cat "$M/.qomfs/events"; wc -c < "$M/.qomfs/events"',
					);
					expect(stdout).toBe(
						`${lines.join("\n")}\n${Buffer.byteLength(lines.join("\n")) + 1}\n`,
					);
				} finally {
					await tail.stop();
					await mounted.unmount();
				}
			},
		);
	});

	it("tell of QEMU's end while they follow events", async () => {
		const following = tools.start("qomfs", "events");
		// It listens once it tells of an event.
		const hears = async () => {
			await machine.qmp.execute("cont");
			await machine.qmp.execute("stop");
			return following.lines().length > 0;
		};
		await expect.poll(hears, { timeout: 30_000 }).toBe(true);
		machine.qmp.ask("quit").catch(() => {});
		expect(await following.ended).toBe(3);
		expect(JSON.parse(following.lines().at(-1) ?? "")).toMatchObject({
			event: "SHUTDOWN",
		});
		// It breaks where something was still to be sent.
		expect(following.stderr()).toMatch(
			/^qomfs: [^\n]*(closed the connection|connection to .* broke)[^\n]*\n$/,
		);
		expectNoTrace(following.stderr());
	});
});
