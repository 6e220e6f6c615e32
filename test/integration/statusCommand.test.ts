/** `qomfs status`, and `qomfs umount --all`. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
	lacksMount,
	type Mounted,
	mountQomfs,
	run,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";
import { Tools } from "../support/tools.ts";

const isRoot = process.getuid?.() === 0;

describe.skipIf(lacksMount)("the mounts", () => {
	let vm: TestMachine;
	let mounted: Mounted;
	let tools: Tools;

	beforeAll(async () => {
		vm = await startTestMachine();
		mounted = await mountQomfs(vm.socket);
		tools = await Tools.create();
	});

	afterAll(async () => {
		await tools?.remove();
		await mounted?.unmount();
		await vm?.stop();
	});

	it("are listed, each with its state", async () => {
		const { pid, qemu, machine } = await mounted.status();
		const printed = await tools.output("qomfs", "status");
		expect(printed).toMatch(/^MOUNTPOINT +STATE +MACHINE +QEMU +SOURCE /);
		const row = printed
			.split("\n")
			.find((line) => line.startsWith(mounted.path));
		expect(row?.split(/ +/).slice(0, 5)).toEqual([
			...[mounted.path, "connected", machine, qemu, vm.socket],
		]);
		expect(row?.split(/ +/)[6]).toBe(`${pid}`);
	});

	it("are told of as JSON, one on a line, with the commands a second", async () => {
		const busy = mounted.sh('while :; do cat "$M"/objects/io0/type; done');
		const printed = await tools.output(
			"qomfs",
			"status",
			"--json",
			mounted.path,
		);
		const { pid } = await mounted.status();
		const seen = JSON.parse(printed);
		expect(seen).toMatchObject({
			...{ mountpoint: mounted.path, source: vm.socket, pid },
			connection: "connected",
		});
		expect(seen.commandsPerSecond).toBeGreaterThan(0);
		await run("pkill", [
			"-f",
			`${mounted.path}/objects/io0/type|while :; do cat`,
		]);
		await busy;
	});

	it("of others, and those that do not answer, are listed all the same", async () => {
		const { pid } = await mounted.status();
		process.kill(pid, "SIGSTOP");
		try {
			expect(
				JSON.parse(
					await tools.output("qomfs", "status", "--json", mounted.path),
				),
			).toEqual({
				...{ mountpoint: mounted.path, source: vm.socket },
				connection: "does not answer",
			});
		} finally {
			process.kill(pid, "SIGCONT");
		}
	});

	it("are no other directories", async () => {
		const { status, stderr } = await tools.run("qomfs", "status", "/");
		expect(status).toBe(1);
		expect(stderr).toMatch(/^qomfs: \/: no qomfs is mounted there/);
	});

	// In a namespace of its own, for it means all.
	it.skipIf(!isRoot)("are all unmounted, if that is asked for", async () => {
		const places = ["one", "two"].map((name) => join(tools.directory, name));
		for (const place of places) await mkdir(place);
		const [one, two] = places;
		const line = `
			qomfs '${vm.secondSocket}' '${one}' -o share=no
			qomfs umount --all; echo "status $?"
			echo "left $(grep -c fuse.qomfs /proc/self/mountinfo)"
			qomfs umount '${two}' --all; echo "status $?"
			qomfs umount; echo "status $?"`;
		const { stdout, stderr } = await run(
			"unshare",
			["--mount", "--propagation", "private", "bash", "-c", line],
			{ env: tools.environment() },
		);
		expect(stdout).toContain(`unmounted ${one}\n`);
		expect(stdout.replace(/^unmounted .*\n/gm, "")).toBe(
			"status 0\nleft 0\nstatus 2\nstatus 2\n",
		);
		expect(stderr).toMatch(
			/^qomfs: either .*\nqomfs: missing 'mountpoint'.*\n$/,
		);
		// Elsewhere nothing has changed.
		expect((await mounted.status()).connection).toBe("connected");
	});
});
