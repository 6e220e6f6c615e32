/** What happens to the way to another host, and what a mount makes of it. */
import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { giveToFarUser, lacksSsh, sshServer } from "../support/farMachine.ts";
import { FaultBench, patienceMs, tiny } from "../support/faultBench.ts";
import { run } from "../support/mounted.ts";

const bench = new FaultBench("ssh");

const value = "objects/io0/poll-max-ns";

describe.skipIf(lacksSsh)("a mount through ssh", () => {
	const server = sshServer();

	async function mount(options?: string): Promise<void> {
		const { socket } = await bench.boot(tiny);
		await giveToFarUser(bench.directory);
		await bench.mount(`${server().url}${socket}`, options);
	}

	const read = () => readFile(bench.at(value), "utf8");
	const connections = () => server().log.match(/Accepted publickey/g)?.length;

	/** Of the mount, not of the shell that ends it. */
	async function sshPid(): Promise<number> {
		const { stdout } = await run("pgrep", [
			"-f",
			`^ssh .*${bench.box.directory}`,
		]);
		const { stdout: wrapped } = await run("pgrep", [
			...["-f", `^/usr/bin/ssh .*-M .*${bench.box.directory}`],
		]);
		return Number((stdout.trim() || wrapped.trim()).split("\n")[0]);
	}

	it("whose ssh is killed has another one a moment later", async () => {
		await mount();
		expect(await read()).toBe("32768\n");
		bench.tally.fault();
		process.kill(await sshPid(), "SIGKILL");
		await bench.untilReadable(value);
		expect(await bench.status()).toMatchObject({ connection: "connected" });
	});

	it("whose host is away says so at once, and is back with it", async () => {
		await mount();
		bench.tally.fault();
		await server().stop();
		try {
			await bench.expectLost();
			await expect
				.poll(async () => (await bench.status()).reason, {
					timeout: patienceMs,
				})
				.toMatch(/no sshd answers/);
		} finally {
			await server().serve();
		}
		await bench.untilReadable(value);
	});

	it("whose QEMU ends needs no new ssh for the next one", async () => {
		await mount();
		const before = connections();
		await bench.kill("SIGKILL");
		await bench.untilLost();
		await bench.boot(tiny);
		await giveToFarUser(bench.directory);
		await bench.untilReadable(value);
		expect(connections()).toBe(before);
	});

	it("that nothing gets through for a moment goes on after it", async () => {
		await mount();
		bench.tally.fault();
		server().cut();
		const reading = bench.tally.read(bench.at(value));
		await bench.untilWaiting(0);
		// The status is not asked of the machine.
		expect(await bench.status()).toMatchObject({ connection: "connected" });
		server().mend();
		expect((await reading).answer).toBe("ok");
	});

	it("that cannot be reached is not mounted, and leaves nothing", async () => {
		const { socket } = await bench.boot(tiny);
		server().cut();
		bench.tally.fault();
		const { status, stderr } = await bench.box.qomfs([
			`${server().url}${socket}`,
			bench.mountpoint,
			...["-o", "connect_timeout=1"],
		]);
		server().mend();
		expect(status).toBe(5);
		expect(stderr).toMatch(/^qomfs: ssh:\/\/far: [^\n]*not connected[^\n]*\n$/);
	});

	it("is unmounted while its host is away", async () => {
		await mount();
		server().cut();
		bench.tally.fault();
		try {
			expect(await bench.box.qomfs(["umount", bench.mountpoint])).toEqual({
				...{ status: 0, stdout: "", stderr: "" },
			});
			expect(await bench.box.leftovers()).toEqual([]);
		} finally {
			server().mend();
		}
	});
});
