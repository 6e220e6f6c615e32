/** The machine goes and comes back: what a user of the mount sees of it, and how soon. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, rename, rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import {
	defaultQemu,
	machineDirectory,
	startVirtualMachine,
	type VirtualMachine,
} from "../../tools/virtualMachine.ts";
import {
	expectAll,
	FaultBench,
	patienceMs,
	tiny,
} from "../support/faultBench.ts";
import { HostileServer } from "../support/hostileServer.ts";
import { lacksMount, run } from "../support/mounted.ts";
import { RawQmp } from "../support/rawQmp.ts";
import { TcpProxy } from "../support/tcpProxy.ts";

const bench = new FaultBench("lost machines");

const other = ["-M", "pc", "-S", "-object", "iothread,id=io1"];

describe.skipIf(lacksMount)("a machine that is lost", () => {
	it.each<[string, (machine: VirtualMachine) => Promise<unknown>]>([
		["ends", (machine) => bench.kill("SIGTERM", machine)],
		["is killed", (machine) => bench.kill("SIGKILL", machine)],
		[
			"is told to quit",
			async (machine) => {
				bench.tally.fault();
				const qmp = await RawQmp.connect(machine.secondSocket);
				void qmp.ask("quit");
				await once(machine.process, "exit");
				qmp.close();
			},
		],
	])(
		"because it %s: ENODEV at once, and the next one shows with nothing stale",
		async (_what, end) => {
			await bench.mount((await bench.boot(tiny)).socket);
			await readdir(bench.at("objects"));
			expectAll(
				[await bench.tally.read(bench.at("objects/io0/poll-max-ns"))],
				["ok"],
			);
			await end(bench.vm);
			const lostMs = performance.now();
			await bench.expectLost();
			// From now on nothing of the old machine may be seen for longer than cache_timeout.
			let lastSeenMs = 0;
			let watching = true;
			const watched = (async () => {
				while (watching) {
					const askedMs = performance.now() - lostMs;
					const { answer } = await bench.tally.read(
						bench.at("objects/io0/type"),
					);
					if (answer === "ok") lastSeenMs = askedMs;
					await sleep(10); // between two looks
				}
			})();
			await bench.boot(other);
			await bench.untilReadable("objects/io1/type");
			await sleep(400); // cache_timeout is over
			watching = false;
			await watched;
			expect(lastSeenMs).toBeLessThan(300);
			expect(await readdir(bench.at("objects"))).toContain("io1");
			expect(await readdir(bench.at("objects"))).not.toContain("io0");
			expect(await readFile(bench.at("machine/type"), "utf8")).toMatch(
				/^pc-i440fx/,
			);
			expect(await bench.status()).toMatchObject({
				...{
					connection: "connected",
					machine: expect.stringMatching(/i440fx/),
				},
			});
		},
	);

	it("while many wait: everything in flight fails at once with ENODEV", async () => {
		await bench.mount((await bench.boot(tiny)).socket);
		await readdir(bench.at("objects/io0"));
		await bench.kill("SIGSTOP");
		const waiting = bench.tally.crowd(
			30,
			'cat "$M/objects/io0/poll-max-ns"',
			bench.mountpoint,
			10_000,
		);
		await bench.untilWaiting(30);
		await bench.kill("SIGKILL");
		const attempts = await waiting;
		expect(attempts).toHaveLength(30);
		expectAll(attempts, ["ENODEV"], 10_000); // none waits for its timeout
	});

	it("is shown again on a replaced socket file", async () => {
		const first = await bench.boot(tiny);
		await bench.mount(first.socket);
		const elsewhere = await machineDirectory();
		const second = await startVirtualMachine(elsewhere, other);
		try {
			bench.tally.fault();
			await rename(second.socket, first.socket);
			// The old one still serves.
			expectAll([await bench.tally.read(bench.at("objects/io0/type"))], ["ok"]);
			await bench.kill("SIGKILL", first);
			await bench.untilReadable("objects/io1/type");
			expect(await readdir(bench.at("objects"))).not.toContain("io0");
		} finally {
			await second.stop();
			await rm(elsewhere, { recursive: true, force: true });
		}
	});

	it("may come back as another version", async () => {
		const socket = join(bench.box.directory, "qmp.sock");
		const first = await HostileServer.listen(socket);
		await bench.mount(socket);
		expect((await bench.status()).qemu).toBe("7.1.2");
		bench.tally.fault();
		await first.close();
		expectAll([await bench.tally.read(bench.at("good"))], ["ENODEV"]);
		const second = await HostileServer.listen(socket);
		second.greeting = second.greeting?.toString().replace("7", "99");
		await bench.untilReadable("good");
		expect((await bench.status()).qemu).toBe("99.1.2");
		await bench.box.qomfs(["umount", bench.mountpoint]);
		await second.close();
	});

	it.each<[string, (socket: Socket) => unknown]>([
		["resets it", (socket) => socket.resetAndDestroy()],
		["closes it", (socket) => socket.destroy()],
		["ends its half of it", (socket) => socket.end()],
	])(
		"by TCP whose peer %s: ENODEV at once, then connected again",
		async (_what, act) => {
			await bench.boot(tiny);
			const proxy = await TcpProxy.listen(bench.vm.socket);
			try {
				await bench.mount(proxy.address);
				await readdir(bench.at("objects/io0"));
				proxy.isSilent = true;
				const waiting = [1, 2, 3].map(() =>
					bench.tally.read(bench.at("objects/io0/poll-max-ns")),
				);
				await expect.poll(() => proxy.swallowedBytes).toBeGreaterThan(0);
				bench.tally.fault();
				for (const client of proxy.clients) act(client);
				expectAll(await Promise.all(waiting), ["ENODEV"], 10_000); // not its timeout
				proxy.isSilent = false;
				await bench.untilReadable("objects/io0/type");
			} finally {
				await bench.box.qomfs(["umount", bench.mountpoint]);
				await proxy.close();
			}
		},
	);

	it("by a connection whose other end is gone without a word (half open)", async (context) => {
		const net = spawn("unshare", [
			...["-n", "sh", "-c", "ip link set lo up && echo up && exec sleep 600"],
		]);
		const isUp = await Promise.race([
			once(net.stdout, "data").then(() => true),
			once(net, "exit").then(() => false),
		]);
		if (!isUp) return context.skip("no network namespace of one's own here");
		const inside = (...args: string[]) => ["-t", `${net.pid}`, "-n", ...args];
		const [program, ...prefix] = defaultQemu.command;
		const start = async () => {
			const qemu = spawn(
				"nsenter",
				inside(
					...[program, ...prefix, "-nodefaults", "-display", "none", ...tiny],
					...["-qmp", "tcp:127.0.0.1:4444,server=on,wait=off"],
				),
				{ stdio: "ignore" },
			);
			const isListening = async () =>
				(await run("nsenter", inside("cat", "/proc/net/tcp"))).stdout;
			// Of 127.0.0.1:4444 (proc_net_tcp(5): state 0A).
			await expect
				.poll(isListening, { timeout: patienceMs })
				.toMatch(/ 0100007F:115C \S+ 0A /);
			return qemu;
		};
		let qemu = await start();
		const bin = new URL("../../bin/qomfs.js", import.meta.url).pathname;
		try {
			const mounted = await run("nsenter", [
				...inside(process.execPath, bin, "127.0.0.1:4444", bench.mountpoint),
				...["-o", "timeout=3"],
			]);
			expect(mounted).toMatchObject({ status: 0 });
			await readdir(bench.at("objects/io0"));
			bench.tally.fault();
			await run("nsenter", inside("ip", "link", "set", "lo", "down"));
			qemu.kill("SIGKILL");
			await once(qemu, "exit");
			// Nobody can know yet: whoever asks now waits, but no longer than `timeout`.
			expectAll(
				[await bench.tally.read(bench.at("objects/io0/poll-max-ns"), 3000)],
				["ETIMEDOUT", "ENODEV"],
			);
			await run("nsenter", inside("ip", "link", "set", "lo", "up"));
			qemu = await start();
			await bench.untilReadable("objects/io0/type");
		} finally {
			await bench.box.qomfs(["umount", bench.mountpoint]);
			for (const child of [qemu, net]) child.kill("SIGKILL");
		}
	});

	it("is tried for more and more seldom, and the status tells why", async () => {
		const socket = join(bench.box.directory, "qmp.sock");
		const first = await HostileServer.listen(socket);
		await bench.mount(socket);
		bench.tally.fault();
		await first.close();
		// Takes everybody and closes at once.
		const second = await HostileServer.listen(socket);
		second.greeting = "";
		const closing = setInterval(() => second.each((peer) => peer.end()), 5);
		await sleep(4000); // what is counted is how often it tries in that time
		expect(second.connections.length).toBeGreaterThanOrEqual(3);
		expect(second.connections.length).toBeLessThanOrEqual(8);
		expect(await bench.status()).toMatchObject({
			...{ connection: "reconnecting", reason: expect.stringMatching(/greet/) },
		});
		clearInterval(closing);
		await second.close();
	});
});
