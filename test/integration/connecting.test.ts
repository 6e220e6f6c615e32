/** When a mount connects, and what it does where it must not connect again. */
import { open } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FaultBench, tiny } from "../support/faultBench.ts";
import { HostileServer } from "../support/hostileServer.ts";
import { gone, lacksMount } from "../support/mounted.ts";

const bench = new FaultBench("connecting");

describe.skipIf(lacksMount)("delay_connect", () => {
	it("mounts at once, and shows the machine when it is there", async () => {
		const socket = join(bench.directory, "vm.sock");
		bench.tally.fault();
		await bench.mount(socket, "delay_connect");
		await bench.expectLost();
		expect((await bench.status()).qemu).toBe(null);
		await bench.boot(tiny);
		await bench.untilReadable("objects/io0/type");
		expect((await bench.status()).connection).toBe("connected");
	});

	it("can be unmounted before it was ever connected", async () => {
		bench.tally.fault();
		await bench.mount(join(bench.directory, "vm.sock"), "delay_connect");
		expect(await bench.box.qomfs(["umount", bench.mountpoint])).toMatchObject({
			status: 0,
		});
		expect(await bench.box.leftovers()).toEqual([]);
	});

	it("can be unmounted while it connects, and the daemon goes at once", async () => {
		const socket = join(bench.box.directory, "qmp.sock");
		const server = await HostileServer.listen(socket);
		const asked = Promise.withResolvers<void>();
		const unmounted = Promise.withResolvers<void>();
		server.trick = async ({ execute }) => {
			if (execute === "qmp_capabilities") return "honest";
			asked.resolve();
			await unmounted.promise;
			return "honest";
		};
		bench.tally.fault();
		await bench.mount(socket, "delay_connect");
		const pid = await bench.daemonPid();
		await asked.promise;
		await bench.box.qomfs(["umount", bench.mountpoint]);
		unmounted.resolve();
		await gone(pid);
		await server.close();
	});
});

describe.skipIf(lacksMount)("no_reconnect", () => {
	it.each(["free", "busy"])(
		"unmounts and exits with 1 when QEMU is gone, mount %s",
		async (state) => {
			const { socket } = await bench.boot(tiny);
			const args = [socket, bench.mountpoint, "-f", "-o", "no_reconnect"];
			const foreground = await bench.box.foreground(args);
			const file = await open(bench.at("objects/io0/type"));
			if (state === "free") await file.close();
			await bench.kill("SIGKILL");
			const ended = await foreground.ended;
			if (state === "busy") await file.close().catch(() => {}); // nobody to tell
			expect(ended).toBe(1);
			expect(foreground.stderr().trimEnd().split("\n").at(-1)).toMatch(
				/^qomfs: .*no_reconnect/,
			);
			expect(foreground.stderr()).not.toMatch(/^ +at /m);
			expect(await bench.mountType()).toBe("");
		},
	);

	it("unmounts in the background, too", async () => {
		await bench.mount((await bench.boot(tiny)).socket, "no_reconnect");
		const pid = await bench.daemonPid();
		await bench.kill("SIGKILL");
		await gone(pid);
		expect(await bench.mountType()).toBe("");
	});
});
