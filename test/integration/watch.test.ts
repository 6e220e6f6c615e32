/** `qomfs watch` and `qomfs replay` against a real machine. */
import { watch } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { otherProgram } from "../../tools/virtualMachine.ts";
import {
	lacksMount,
	lacksQemu,
	mountQomfs,
	run,
	startTestMachine,
} from "../support/mounted.ts";
import { RawQmp } from "../support/rawQmp.ts";
import { ToolMachine } from "../support/toolMachine.ts";
import { expectRefusal, type RunningTool, Tools } from "../support/tools.ts";

describe.skipIf(lacksQemu)("qomfs watch", () => {
	let machine: ToolMachine;
	let tools: Tools;
	let directory: string;

	beforeAll(async () => {
		machine = await ToolMachine.start();
		tools = machine.tools;
		directory = await mkdtemp(join(tmpdir(), "qomfs-watch-"));
	});

	afterAll(async () => {
		await machine?.stop();
		await rm(directory, { recursive: true });
	});

	const at = (name: string) => join(directory, name);
	const poll = (value: number) =>
		machine.set("/objects/io0", "poll-max-ns", value);

	/** Starts to watch, and waits until it does. */
	async function start(...args: string[]): Promise<RunningTool> {
		const watching = tools.start(
			"qomfs",
			"watch",
			"-s",
			String(tools.socket),
			...args,
		);
		await expect
			.poll(() => watching.stderr(), { timeout: 30_000, interval: 10 })
			.toMatch(/watching \d+ values? with \d+ QMP/);
		return watching;
	}

	const often = ["--every", "0.1"];

	it("prints each change with the time, the old value and the new one", async () => {
		await poll(1);
		const watching = await start("io0.poll-max-ns", ...often);
		await poll(2);
		const [line] = await watching.seen(1);
		await poll(3);
		const [, next] = await watching.seen(2);
		await watching.stop();
		expect(line).toMatch(
			/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z {2}\/objects\/io0\.poll-max-ns: 1 -> 2$/,
		);
		expect(next).toMatch(/: 2 -> 3$/);
	});

	it("prints objects that come and go, and events", async () => {
		const watching = await start(
			"/machine/peripheral",
			...often,
			...["--rate", "5000"],
		);
		await machine.qmp.execute("device_add", {
			...{ driver: "usb-mouse", id: "mouse", bus: "xhci.0" },
		});
		const seen = (pattern: RegExp) =>
			expect
				.poll(() => watching.lines().filter((line) => pattern.test(line)), {
					timeout: 20_000,
				})
				.toHaveLength(1);
		await seen(/ {2}\+ \/machine\/peripheral\/mouse {2}usb-mouse$/);
		await machine.qmp.execute("device_del", { id: "mouse" });
		await seen(/ {2}! DEVICE_DELETED .*"mouse"/);
		await seen(/ {2}- \/machine\/peripheral\/mouse {2}usb-mouse$/);
		await watching.stop();
	});

	it("tells of a struct only what has changed, of patterns what they mean, and nothing of clocks", async () => {
		const watching = await start("/objects/tg0", "/objects/*.poll-*", ...often);
		await sleep(1500); // clocks go on
		expect(watching.lines()).toEqual([]);
		await machine.set("/objects/tg0", "limits", { "iops-total": 7 });
		await poll(4);
		for (const pattern of [
			/\/objects\/tg0\.limits\.iops-total: 0 -> 7$/,
			/poll-max-ns: \d+ -> 4$/,
		])
			await expect
				.poll(() => watching.lines(), { timeout: 10_000 })
				.toContainEqual(expect.stringMatching(pattern));
		await watching.stop();
	});

	it.each(["io0.poll-*", "**/io0", "i?0.poll-max-ns"])(
		"sees what %s means, wherever that is",
		async (pattern) => {
			await poll(8);
			const watching = await start(pattern, ...often);
			await poll(9);
			const [line] = await watching.seen(1);
			expect(line).toMatch(/ \/objects\/io0\.poll-max-ns: 8 -> 9$/);
			await watching.stop();
		},
	);

	it("follows what comes to a directory such as by-type, and goes", async () => {
		const watching = await start(
			...["by-type/iothread/*", "--json", "--rate", "5000", ...often],
		);
		const change = async (number: number) =>
			JSON.parse((await watching.seen(number))[number - 1] ?? "");
		await machine.qmp.execute("object-add", {
			"qom-type": "iothread",
			id: "late0",
		});
		const late = { path: "/objects/late0", type: "iothread" };
		expect(await change(1)).toMatchObject({ ...late, change: "added" });
		await machine.qmp.execute("object-del", { id: "late0" });
		expect(await change(2)).toMatchObject({ ...late, change: "removed" });
		await watching.stop();
	});

	it("looks at what --until waits for more often than at all the rest", async () => {
		await poll(10);
		// All of it takes so long that the test would end before the second look.
		const watching = await start(
			...["--until", "io0.poll-max-ns=11", "--rate", "2", ...often],
		);
		await poll(11);
		expect(await watching.ended).toBe(0);
		expect(watching.lines()).toContainEqual(
			expect.stringMatching(/poll-max-ns: 10 -> 11$/),
		);
	});

	it("takes a pattern where QMP_SOCKET names the machine", async () => {
		const watched = (...words: readonly string[]) =>
			tools.run("qomfs", "watch", ...words, "--for", "0.1");
		for (const pattern of ["/objects/io0.poll-*", "io0", "by-id/io0"])
			expect(await watched(pattern)).toMatchObject({
				status: 0,
				stderr: expect.stringMatching(/watching [1-9]/),
			});
		expect((await watched("tcp:localhost:1", "io0")).stderr).toMatch(
			/localhost:1/,
		);
	});

	it.each([
		["nosuch", /Device 'nosuch' not found/],
		["nosuch*", /nosuch\*: no object matches/],
		["/objects/nosuch/", /Device '\/objects\/nosuch' not found/],
		["by-type/iothread", /no object matches; there is/],
		["io0.nosuch", /Property 'iothread.nosuch' not found/],
	])("tells that there is no %s", async (word, message) => {
		expectRefusal(
			await tools.run("qomfs", "watch", "-s", String(tools.socket), word),
			1,
			message,
		);
	});

	it("--json prints what programs read, --csv a table", async () => {
		await poll(5);
		const json = await start("io0.poll-max-ns", "--json", ...often);
		await poll(6);
		const [line = ""] = await json.seen(1);
		await json.stop();
		expect(JSON.parse(line)).toEqual({
			time: expect.stringMatching(/Z$/),
			path: "/objects/io0",
			property: "poll-max-ns",
			before: { value: 5 },
			after: { value: 6 },
		});
		const csv = await start(
			"/objects/sec0",
			"io0.poll-max-ns",
			"--csv",
			...often,
		);
		await poll(7);
		const [head, row] = await csv.seen(2);
		await csv.stop();
		expect(head).toBe("time,kind,path,property,before,after");
		expect(row).toMatch(/Z,value,\/objects\/io0,poll-max-ns,6,7$/);
	});

	it("ends when a value is reached, or after so long", async () => {
		await poll(8);
		const watching = await start(
			"--until",
			"io0.poll-max-ns=0x9",
			"io0.poll-grow",
			...often,
		);
		await poll(9);
		expect(await watching.ended).toBe(0);
		const args = ["-s", String(tools.socket), "io0.poll-max-ns", ...often];
		const late = await tools.run(
			"qomfs",
			...["watch", ...args, "--until", "io0.poll-max-ns=10", "--for", "0.3"],
		);
		expect(late.status).toBe(5);
		expect(late.stderr).toContain("was not reached within 0.3 s");
		const quiet = await tools.run("qomfs", "watch", ...args, "--for", "0.3");
		expect(quiet.status).toBe(0);
	});

	it("sends no more commands than --rate allows, and tells how many", async () => {
		const words = ["/objects", "--every", "0.01", "--rate", "20"];
		const finished = await tools.run(
			"qomfs",
			...["watch", "-s", String(tools.socket), ...words, "--for", "0.5"],
		);
		const [, commands, seconds, perSecond] =
			/with (\d+) QMP commands every ([\d.]+) s, ([\d.]+) a second/.exec(
				finished.stderr,
			) ?? [];
		expect(Number(perSecond)).toBeLessThanOrEqual(20.1);
		expect(Number(seconds)).toBeCloseTo(Number(commands) / 20, 1);
	});

	it("refuses what is not there, and what needs a machine", async () => {
		const { socket = "" } = tools;
		const recorded = new URL(
			"../../tools/recorded-machine.json",
			import.meta.url,
		);
		for (const [args, status, message] of [
			[["-s", socket, "--until", "io0"], 2, /PATH\.PROPERTY=VALUE/],
			[["-s", socket, "--json", "--csv"], 2, /cannot be used with/],
			[["-s", socket, "sec0.data"], 2, /secrets are not watched/],
			[["-s", socket, "--until", "sec0.data=hello"], 2, /are not watched/],
			[["-s", socket, "--rate", "0"], 2, /It must be a number above 0/],
			[["-s", socket, "--vcd", at("x"), "--record", at("x")], 2, /one file/],
			[[recorded.pathname], 3, /needs a running machine/],
			[["-s", socket, "--vcd", at("no/x.vcd")], 1, /cannot write/],
		] as const)
			expectRefusal(
				await tools.run("qomfs", "watch", ...args, "--for", "0.2"),
				status,
				message,
			);
	});

	it("--vcd writes a dump that a waveform viewer's own reader takes", async () => {
		const file = at("dump.vcd");
		await poll(10);
		const watching = await start("/objects", "--vcd", file, ...often);
		await poll(11);
		await watching.seen(1);
		await machine.set("/objects/mem0", "dump", false);
		await watching.seen(2);
		watching.process.kill("SIGINT");
		expect(await watching.ended).toBe("SIGINT");
		const text = await readFile(file, "utf8");
		expect(text).toMatch(
			/^\$date .* \$end\n\$version qomfs \$end\n\$timescale 1 ms/,
		);
		const id = (name: string) =>
			new RegExp(`^\\$var (\\w+) (\\d+) (\\S+) ${name} \\$end$`, "m").exec(
				text,
			);
		const [, type, width, poller = ""] = id("poll-max-ns") ?? [];
		expect([type, width]).toEqual(["wire", "64"]);
		expect(text).toContain(`b1010 ${poller}\n`);
		expect(text).toMatch(
			new RegExp(`#\\d+\\nb1011 ${poller.replace(/\W/g, "\\$&")}\n`),
		);
		const [, bitType, bitWidth, dump = ""] = id("dump") ?? [];
		expect([bitType, bitWidth]).toEqual(["wire", "1"]);
		expect(text).toContain(`\n0${dump}\n`);
		expect(text).toMatch(/#\d+\n$/);
		const reader = await run("vcd2fst", [file, at("dump.fst")]);
		expect([reader.status, reader.stderr]).toEqual([0, ""]);
		const back = await run("fst2vcd", [at("dump.fst")]);
		expect(back.stdout).toMatch(/poll-max-ns/);
		expect(back.stdout).toContain(
			"b0000000000000000000000000000000000000000000000000000000000001011 ",
		);
	});

	describe("--record and qomfs replay", () => {
		it("play a ramp back at its pace or faster, and put the old value back", async () => {
			const file = at("ramp.jsonl");
			await poll(100);
			const watching = await start(
				"io0.poll-max-ns",
				"--record",
				file,
				...often,
			);
			for (const [index, value] of [101, 102, 103].entries()) {
				await poll(value);
				await watching.seen(index + 1);
			}
			await sleep(500); // the last value is to stay for a while
			watching.process.kill("SIGTERM");
			await watching.ended;
			await poll(7);
			const seen = await start("io0.poll-max-ns", ...often, "--every", "0.02");
			const replay = ["replay", file, String(machine.vm.socket)];
			expect(
				await tools.run("qomfs", ...replay, "--speed", "0.5", "--restore"),
			).toEqual({
				status: 0,
				stdout: "",
				stderr: "",
			});
			const lines = await seen.seen(5);
			await seen.stop();
			expect(lines.map((line) => line.replace(/^.*: /, ""))).toEqual([
				"7 -> 100",
				"100 -> 101",
				"101 -> 102",
				"102 -> 103",
				"103 -> 7",
			]);
		});

		it("takes what was written by hand, and tells what is refused", async () => {
			const file = at("script.jsonl");
			const line = (at: number, property: string, value: unknown) =>
				JSON.stringify({ at, path: "/objects/io0", property, value });
			await writeFile(
				file,
				[
					line(0, "poll-grow", 3),
					line(0.1, "poll-max-ns", 200),
					line(0.05, "poll-max-ns", 199),
					line(0.1, "type", "x"),
					line(0.1, "nosuch", 1),
					'{"at": 0.1, "path": "/objects/io0", "property": "poll-max-ns", "value": 99999999999999999999}',
				].join("\n"),
			);
			const { socket = "" } = tools;
			const finished = await tools.run("qomfs", "replay", file, socket);
			expect(finished.status).toBe(1);
			expect(finished.stderr).toMatch(/type.*not writable/);
			expect(finished.stderr).toMatch(/nosuch.*not found/);
			expect(finished.stderr).toMatch(
				/^qomfs: \/objects\/io0\.poll-max-ns: 9{20}: does not fit into 64 bits$/m,
			);
			expect(await machine.get("/objects/io0", "poll-max-ns")).toBe(200);
			expect(await machine.get("/objects/io0", "poll-grow")).toBe(3);
		});

		it("tells what it cannot put back where QEMU has stopped", async () => {
			const file = at("long.jsonl");
			const line = (at: number, property: string, value: number) =>
				JSON.stringify({ at, path: "/objects/io0", property, value });
			const lines = [
				line(0, "poll-max-ns", 41),
				line(0, "poll-grow", 3),
				line(1.5, "poll-grow", 4),
			];
			await writeFile(file, lines.join("\n"));
			const vm = await startTestMachine();
			const qmp = await RawQmp.connect(vm.secondSocket);
			const io0 = { path: "/objects/io0", property: "poll-max-ns" };
			try {
				await qmp.execute("qom-set", { ...io0, value: 40 });
				const replay = ["replay", file, vm.socket];
				const running = tools.start(
					...(["qomfs", ...replay] as const),
					...["--restore", "--timeout", "1"],
				);
				await expect.poll(() => qmp.execute("qom-get", io0)).toBe(41);
				vm.process.kill("SIGSTOP");
				expect(await running.ended).toBe(5);
				expect(running.stderr()).toBe(
					[
						"qomfs: /objects/io0.poll-max-ns: not put back to 40: QEMU gave no answer in time",
						"qomfs: /objects/io0.poll-grow: not put back to 0: QEMU gave no answer in time",
						"qomfs: some values were not put back, see above\n",
					].join("\n"),
				);
			} finally {
				vm.process.kill("SIGCONT");
				qmp.close();
				await vm.stop();
			}
		});

		it("tell in plain words of files that cannot be read or written", async () => {
			const { socket = "" } = tools;
			expectRefusal(
				await tools.run("qomfs", "replay", directory, socket),
				1,
				/: a directory, and no recording/,
			);
			for (const option of ["--vcd", "--record"])
				for (const [path, reason] of [
					["/nosuch/x", "no such directory"],
					[directory, "it is no regular file"],
				] as const)
					expectRefusal(
						await tools.run("qomfs", "watch", socket, option, path),
						1,
						new RegExp(`: cannot write ${path}: ${reason}\n$`),
					);
		});

		it.each<[string, string, RegExp]>([
			["is not there", "", /nothing changes in it/],
			["is something else", "hello", /line 1: not a JSON object/],
			["is of another kind", '{"format":"x"}', /line 1: no recording/],
			[
				"is newer",
				'{"format":"qomfs-recording","version":2}',
				/recording of version 2/,
			],
			[
				"has no time",
				'\n{"path":"/","property":"x","value":1}',
				/line 2: 'at'/,
			],
		])("refuses a file that %s", async (_what, text, message) => {
			await writeFile(at("bad.jsonl"), text);
			expectRefusal(
				await tools.run(
					"qomfs",
					"replay",
					at("bad.jsonl"),
					String(tools.socket),
				),
				1,
				message,
			);
		});
	});

	it("wakes up who watches a file of a mount, unless it shall not", async (context) => {
		context.skip(lacksMount, "nothing can be mounted");
		const mounted = await mountQomfs(machine.vm.socket);
		const woken: string[] = [];
		const watcher = watch(
			join(mounted.path, "objects/io0/poll-max-ns"),
			(kind) => woken.push(kind),
		);
		const given = tools.socket;
		tools.socket = machine.vm.socket;
		try {
			await poll(300);
			const silent = await start("io0.poll-max-ns", "--no-notify", ...often);
			await poll(301);
			await silent.seen(1);
			await silent.stop();
			expect(woken).toEqual([]);
			const watching = await start("io0.poll-max-ns", ...often);
			await poll(302);
			await expect.poll(() => woken, { timeout: 5000 }).toContain("change");
			await watching.stop();
		} finally {
			tools.socket = given;
			watcher.close();
			await mounted.unmount();
		}
	});

	it("a recorded ramp heats the sensor of an ARM board", async (context) => {
		const qemu = otherProgram("qemu-system-arm");
		if (!qemu) return context.skip("its QEMU is not installed");
		const sensor = "tmp105,id=inlet,bus=aspeed.i2c.bus.3,address=0x48";
		const vm = await startTestMachine(
			["-M", "ast2600-evb", "-device", sensor, "-S"],
			qemu,
		);
		const qmp = await RawQmp.connect(vm.secondSocket);
		const arm = await Tools.create(vm.socket);
		try {
			const file = at("fan.jsonl");
			const lines = [20, 40, 60].map((degrees, index) =>
				JSON.stringify({
					...{ at: index / 5, path: "/machine/peripheral/inlet" },
					...{ property: "temperature", value: degrees * 1000 },
				}),
			);
			await writeFile(file, lines.join("\n"));
			await arm.output("qomfs", "replay", file, vm.socket);
			const path = "/machine/peripheral/inlet";
			const value = await qmp.execute("qom-get", {
				...{ path, property: "temperature" },
			});
			expect(Math.abs(Number(value) - 60_000)).toBeLessThan(100);
		} finally {
			qmp.close();
			await arm.remove();
			await vm.stop();
		}
		return undefined;
	});
});
