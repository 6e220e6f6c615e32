/** What only the kernel's own protocol can do: whoever waits can be interrupted, however many wait. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { expectAll, FaultBench } from "../support/faultBench.ts";
import { lacksMount } from "../support/mounted.ts";

const bench = new FaultBench("interrupts");

const machine = ["-M", "q35", "-m", "64", "-S", "-object", "iothread,id=io0"];
const property = "objects/io0/poll-max-ns";

describe.skipIf(lacksMount)("a machine that hangs", () => {
	async function hang(timeoutSec: number): Promise<void> {
		const { socket } = await bench.boot(machine);
		// Nobody is to wait for a name, but for what it does with it.
		await bench.mount(socket, `timeout=${timeoutSec},cache_timeout=600`);
		await readdir(bench.at("objects/io0"));
		await bench.kill("SIGSTOP");
	}

	/** Starts a command that will wait, and interrupts it as a terminal does. */
	async function interrupted(command: string[]): Promise<unknown> {
		const [program = "", ...args] = command;
		const child = spawn(program, args, { stdio: ["pipe", "ignore", "ignore"] });
		const ended = once(child, "exit");
		child.stdin.end("1\n");
		await bench.untilWaiting(1);
		child.kill("SIGINT");
		const [, signal] = await ended;
		return signal;
	}

	// Nobody is timed out in a test: 600 s are more than one may take.
	it("lets a reader go who is interrupted, and the next who comes", async () => {
		await hang(600);
		const file = bench.at(property);
		expect(await interrupted(["cat", file])).toBe("SIGINT");
		expect(
			await interrupted(["ls", "-l", bench.at("machine/unattached")]),
		).toBe("SIGINT");
		bench.wake();
		await bench.untilReadable(property);
	});

	it("lets a writer go, and says that the outcome is unknown", async () => {
		await hang(600);
		expect(await interrupted(["dd", `of=${bench.at(property)}`])).toBe(
			"SIGINT",
		);
		const errors = await readFile(bench.at(".qomfs/errors"), "utf8");
		expect(errors).toMatch(/outcome is unknown","errno":"EINTR"/);
		expect(errors).not.toMatch(/nothing was set/);
		bench.wake();
		await bench.untilReadable(property);
	});

	// The binding can take 64.
	it("lets two hundred wait, and shows its status meanwhile", async () => {
		const timeoutMs = 600_000;
		await hang(timeoutMs / 1000);
		const crowd = bench.tally.crowd(
			200,
			`cat "$M/${property}"`,
			bench.mountpoint,
			timeoutMs,
		);
		await bench.untilWaiting(200);
		expect((await bench.status()).connection).toMatch(/^(connected|hung)$/);
		bench.wake();
		const attempts = await crowd;
		expect(attempts).toHaveLength(200);
		expectAll(attempts, ["ok"]);
	});
});
