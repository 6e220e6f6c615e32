/** A monitor that serves somebody else. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { FaultBench, tiny } from "../support/faultBench.ts";
import { lacksMount, run } from "../support/mounted.ts";

const bench = new FaultBench("taken monitors");

describe.skipIf(lacksMount)("a monitor that is taken", () => {
	const holders: ChildProcess[] = [];

	afterEach(() => {
		for (const holder of holders.splice(0)) holder.kill("SIGKILL");
	});

	async function hold(target: string): Promise<number> {
		const script = `require("net").connect(${target}).on("data", () => console.log("held"))`;
		const holder = spawn(process.execPath, ["-e", script], {
			stdio: ["ignore", "pipe", "ignore"],
		});
		holders.push(holder);
		await once(holder.stdout, "data");
		return holder.pid as number;
	}

	it("names its holder, to each of several that wait", async () => {
		const { socket } = await bench.boot(tiny);
		const pid = await hold(JSON.stringify(socket));
		const places = await Promise.all(
			[1, 2, 3].map(async (number) => {
				const place = join(bench.box.directory, `place-${number}`);
				await mkdir(place);
				return place;
			}),
		);
		bench.tally.fault();
		const finished = await Promise.all(
			places.map((place) =>
				bench.box.qomfs([socket, place, "-o", "connect_timeout=2"]),
			),
		);
		for (const { status, stderr } of finished) {
			expect(status).toBe(4);
			expect(stderr).toContain(`pid ${pid} (`);
			expect(stderr).toMatch(/; .*second -qmp/);
		}
	});

	it("names the mount that holds it", async () => {
		const { socket } = await bench.boot(tiny);
		await bench.mount(socket, "own_monitor=no");
		bench.tally.fault();
		const { status, stderr } = await run(process.execPath, [
			new URL("../../bin/qom-get.js", import.meta.url).pathname,
			...["-s", socket, "--timeout", "1", "/objects/io0", "type"],
		]);
		expect(status).toBe(4);
		expect(stderr).toContain(
			`pid ${await bench.daemonPid()} (qomfs, mounted on ${bench.mountpoint}) holds this monitor`,
		);
		expect(stderr).toContain(`'qomfs umount ${bench.mountpoint}'`);
	});

	it("names its holder on TCP", async () => {
		const probe = createServer().listen(0, "127.0.0.1");
		await once(probe, "listening");
		const { port } = probe.address() as AddressInfo;
		probe.close();
		const tcp = `tcp:127.0.0.1:${port},server=on,wait=off`;
		await bench.boot([...tiny, "-qmp", tcp]);
		const pid = await hold(`${port}, "127.0.0.1"`);
		bench.tally.fault();
		const { status, stderr } = await bench.box.qomfs([
			...[`127.0.0.1:${port}`, bench.mountpoint, "-o", "connect_timeout=1"],
		]);
		expect(status).toBe(4);
		expect(stderr).toContain(`pid ${pid} (`);
	});
});
