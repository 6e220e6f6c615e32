/** A monitor that a mount adds for itself, where QEMU can have one more. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { parseAddress } from "../../src/qmp/address.ts";
import { listens, sharePath } from "../../src/share/place.ts";
import {
	smallMachine,
	startVirtualMachine,
} from "../../tools/virtualMachine.ts";
import { MonitorClient } from "../support/monitorClient.ts";
import {
	gone,
	lacksMount,
	type Mounted,
	mountQomfs,
	qomfsBin,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";
import { RawQmp } from "../support/rawQmp.ts";
import { running, Tools } from "../support/tools.ts";

describe.skipIf(lacksMount)("a monitor of one's own", () => {
	let vm: TestMachine;
	let raw: RawQmp;
	let tools: Tools;
	let mounted: Mounted | undefined;
	/** Whether this QEMU can have one. */
	let canHave: boolean;

	beforeAll(async () => {
		vm = await startTestMachine();
		raw = await RawQmp.connect(vm.secondSocket);
		tools = await Tools.create(vm.socket);
		const types = await raw.execute("qom-list-types", {
			implements: "monitor",
		});
		canHave = types.some(
			({ name }: { name: string }) => name === "monitor-qmp",
		);
	});

	afterEach(async () => {
		await mounted?.unmount();
		mounted = undefined;
	});

	afterAll(async () => {
		raw?.close();
		await tools?.remove();
		await vm?.stop();
	});

	/** What QEMU has of ours, as another client sees it. */
	const added = async (): Promise<string[]> => {
		const listed = await Promise.all(
			["/objects", "/chardevs"].map((path) =>
				raw.execute("qom-list", { path }),
			),
		);
		return listed
			.flat()
			.map(({ name }) => name)
			.filter((name) => name.startsWith("qomfs-monitor"));
	};
	const nothingIsAdded = () =>
		expect.poll(added, { timeout: 5000 }).toEqual([]);
	const beside = async () =>
		(await readdir(dirname(vm.socket))).filter((name) => /qomfs/.test(name));

	it("leaves the one that was given to others, where QEMU can have it", async () => {
		mounted = await mountQomfs(vm.socket);
		expect(await mounted.status()).toMatchObject({
			monitor: canHave ? "own" : "given",
			source: vm.socket,
		});
		expect(await added()).toHaveLength(canHave ? 2 : 0);
		expect(await beside()).toEqual([]);
		expect((await mounted.status()).commands).toBe(canHave ? 8 : 3);
		if (canHave) {
			const other = await MonitorClient.negotiated(vm.socket);
			expect(await other.ask('{"execute":"query-name"}')).toBe(
				'{"return": {}}',
			);
			expect(await tools.output("qom-get", "io0.type")).toBe("iothread\n");
			expect((await mounted.sh('cat "$M/objects/io0/type"')).stdout).toBe(
				"iothread\n",
			);
			other.close();
		} else expect(await tools.output("qom-get", "io0.type")).toBe("iothread\n");
	});

	it("keeps the given one if told to", async () => {
		mounted = await mountQomfs(vm.socket, "own_monitor=no");
		expect(await mounted.status()).toMatchObject({ monitor: "given" });
		expect(await added()).toEqual([]);
	});

	it("is no part of the tree", async () => {
		mounted = await mountQomfs(vm.socket);
		const { stdout } = await mounted.sh(
			'cd "$M"; find . -name "*qomfs-monitor*"; cat objects/.json chardevs/.json; ls objects chardevs',
		);
		expect(stdout).not.toContain("qomfs-monitor");
		for (const line of ["qom-tree /", "qom-list /objects", "qomfs find"])
			expect((await tools.sh(line)).stdout, line).not.toContain(
				"qomfs-monitor",
			);
	});

	it("goes with the daemon, however that ends", async () => {
		for (const end of ["umount", "SIGTERM", "SIGKILL"] as const) {
			mounted = await mountQomfs(vm.socket);
			const { pid } = await mounted.status();
			if (end === "umount") await mounted.unmount();
			else process.kill(pid, end);
			await gone(pid);
			await nothingIsAdded();
			if (end !== "umount") await mounted.unmount();
			mounted = undefined;
			expect(await beside()).toEqual([]);
		}
	});

	it("leaves nothing for long when the daemon is killed while it mounts", async () => {
		for (let delayMs = 60; delayMs < 160; delayMs += 10) {
			const events = spawn(process.execPath, [
				...[qomfsBin, "events", "-s", vm.socket],
			]);
			await sleep(delayMs);
			events.kill("SIGKILL");
			await once(events, "close");
		}
		// What one may have left goes with the next one.
		mounted = await mountQomfs(vm.socket);
		expect(await added()).toHaveLength(canHave ? 2 : 0);
		expect(await beside()).toEqual([]);
	});

	it("is added by commands that last, which share the given one elsewhere", async () => {
		const commands = [
			["qomfs", "events"],
			["qom-get", "--watch", "io0.poll-max-ns"],
			["qmp-shell"], // with stdin that stays open
		] as const;
		for (const [name, ...words] of commands) {
			const tool = running(
				spawn(process.execPath, [join(tools.directory, name), ...words], {
					env: tools.environment(),
				}),
			);
			const path = await sharePath(parseAddress(vm.socket));
			const isReady = async () =>
				canHave ? (await added()).length > 0 : listens(path);
			await expect.poll(isReady, { timeout: 5000 }).toBe(true);
			expect(await tools.output("qom-get", "io0.type"), name).toBe(
				"iothread\n",
			);
			tool.process.kill("SIGTERM");
			expect(await tool.ended).toBe("SIGTERM");
			await nothingIsAdded();
			expect(await listens(path)).toBe(false);
			expect(existsSync(path)).toBe(false);
			expect(await tools.output("qom-get", "io0.type"), name).toBe(
				"iothread\n",
			);
		}
	});

	it("is added again to each QEMU that comes, when the given one is free", async () => {
		const own = await startTestMachine();
		mounted = await mountQomfs(own.socket);
		own.process.kill("SIGKILL");
		const again = await startVirtualMachine(own.directory, [
			...smallMachine,
			"-S",
		]);
		// Whoever is first, each is served in the end.
		if (canHave) (await MonitorClient.connect(own.socket)).close();
		const { status } = mounted;
		const state = async () => (await status()).connection;
		await expect.poll(state, { timeout: 15_000 }).toBe("connected");
		expect(await status()).toMatchObject({
			monitor: canHave ? "own" : "given",
		});
		await mounted.unmount();
		mounted = undefined;
		await again.stop();
		await own.stop();
	});

	it("is replaced when somebody deletes it", async ({ skip }) => {
		if (!canHave) skip("this QEMU has one monitor");
		mounted = await mountQomfs(vm.socket, "timeout=1");
		const [id] = await added();
		await raw.execute("object-del", { id });
		const read = () => mounted?.sh('cat "$M/objects/io0/type"');
		expect((await read())?.stderr).toMatch(/timed out/);
		await expect
			.poll(async () => (await read())?.stdout, { timeout: 10_000 })
			.toBe("iothread\n");
		expect(await added()).toHaveLength(2);
		expect(await added()).not.toContain(id);
	});
});
