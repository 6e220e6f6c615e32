/** The machine hangs: nobody waits for longer than `timeout`. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { expectAll, FaultBench, patienceMs } from "../support/faultBench.ts";
import { gone, lacksMount } from "../support/mounted.ts";

const bench = new FaultBench("hangs");

const full = ["-M", "q35", "-m", "64", "-S", "-object", "iothread,id=io0"];

describe.skipIf(lacksMount)("a machine that hangs", () => {
	const timeoutMs = 2000;

	beforeEach(async () => {
		await bench.mount(
			(await bench.boot(full)).socket,
			`timeout=${timeoutMs / 1000}`,
		);
		await readdir(bench.at("objects/io0"));
		await bench.kill("SIGSTOP");
	});

	afterEach(() => {
		bench.wake();
	});

	it("costs a reader its timeout, those after it nothing, and is back at SIGCONT", async () => {
		const first = await bench.tally.read(
			bench.at("objects/io0/poll-max-ns"),
			timeoutMs,
		);
		expectAll([first], ["ETIMEDOUT"]);
		expect(first.ms).toBeGreaterThan(timeoutMs * 0.9);
		expectAll(
			await bench.tally.eachKind(
				bench.at("objects/io0"),
				"poll-max-ns",
				timeoutMs,
			),
			["ETIMEDOUT"],
			timeoutMs, // none of them waits for its own
		);
		await expect
			.poll(() => bench.status(), { timeout: patienceMs })
			.toMatchObject({ connection: "hung", hungSince: expect.any(String) });
		await bench.kill("SIGCONT");
		await bench.untilReadable("objects/io0/poll-max-ns");
		const after = await bench.status();
		expect(after).toMatchObject({ connection: "connected" });
		expect(after).not.toHaveProperty("hungSince");
	});

	it("is explained by qomfs why, which does not ask it", async () => {
		const property = bench.at("objects/io0/poll-max-ns");
		const read = await bench.tally.read(property, timeoutMs);
		expectAll([read], ["ETIMEDOUT"]);
		await sleep(1100); // cache_timeout is over: to look it up would ask QEMU
		const log = await readFile(bench.at(".qomfs/errors"), "utf8");
		expect(await bench.box.qomfs(["why", property])).toMatchObject({
			...{ status: 0, stdout: expect.stringMatching(/ETIMEDOUT: .*no answer/) },
		});
		expect(await readFile(bench.at(".qomfs/errors"), "utf8")).toBe(log);
		expect(await bench.box.qomfs(["why", bench.mountpoint])).toMatchObject({
			...{ status: 1, stderr: expect.stringMatching(/nothing has failed/) },
		});
	});

	it.each([
		["properties", 'cat "$M/objects/io0/poll-max-ns"'],
		["listings", 'ls "$M/machine/unattached"'],
		["the mount itself", 'ls "$M"'],
	])(
		"with 200 stuck readers of %s, .qomfs/status answers meanwhile",
		async (_what, command) => {
			await sleep(1100); // cache_timeout is over: nothing is cached any more
			let isOver = false;
			const crowd = bench.tally
				.crowd(200, command, bench.mountpoint, timeoutMs)
				.finally(() => {
					isOver = true;
				});
			let meanwhile = 0;
			while (!isOver) {
				const status = await bench.tally.read(
					bench.at(".qomfs/status"),
					timeoutMs,
				);
				expect(status.answer).toBe("ok");
				if (!isOver) meanwhile++;
				await sleep(20); // between two looks
			}
			const attempts = await crowd;
			expect(attempts).toHaveLength(200);
			expectAll(attempts, ["ETIMEDOUT"]);
			expect(meanwhile).toBeGreaterThan(3);
		},
	);

	it("ends ls -lR, which asks for much, after one timeout", async () => {
		await sleep(1100); // cache_timeout is over: nothing is cached any more
		const [attempt] = await bench.tally.crowd(
			1,
			'ls -lR "$M"',
			bench.mountpoint,
			timeoutMs,
		);
		expect(attempt?.answer).toBe("ETIMEDOUT");
	});

	it("lets go of a killed reader within the timeout", async () => {
		const readers = Array.from({ length: 20 }, () =>
			spawn("cat", [bench.at("objects/io0/poll-max-ns")], { stdio: "ignore" }),
		);
		const startMs = performance.now();
		let answered = 0;
		const ended = readers.map(async (reader) => {
			await once(reader, "exit");
			answered++;
		});
		await bench.untilWaiting(20, () => answered);
		bench.tally.fault();
		await Promise.all(
			readers.map(async (reader, index) => {
				reader.kill("SIGKILL");
				await ended[index];
				bench.tally.note(
					{ answer: "killed", ms: performance.now() - startMs },
					timeoutMs,
				);
			}),
		);
		await bench.kill("SIGCONT");
		await bench.untilReadable("objects/io0/poll-max-ns");
	});

	it("can be unmounted all the same, and leaves no daemon", async () => {
		const pid = await bench.daemonPid();
		const waiting = bench.tally.crowd(
			1,
			'cat "$M/objects/io0/poll-max-ns"',
			bench.mountpoint,
			timeoutMs,
		);
		await bench.untilWaiting(1);
		process.kill(pid, "SIGTERM");
		await waiting;
		await gone(pid);
		expect(await bench.mountType()).toBe("");
	});
});
