/** `qomfs diff`: whether it tells what a person would call the change, and little more. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
	defaultQemu,
	type Qemu,
	smallMachine,
} from "../../tools/virtualMachine.ts";
import {
	type Finished,
	lacksQemu,
	qomfsBin,
	run,
	startTestMachine,
} from "../support/mounted.ts";
import { RawQmp } from "../support/rawQmp.ts";
import { expectRefusal } from "../support/tools.ts";

describe.skipIf(lacksQemu)("qomfs diff", () => {
	let directory: string;

	beforeAll(async () => {
		directory = await mkdtemp(join(tmpdir(), "qomfs-diffs-"));
		await save("first");
		await save("again");
	});

	afterAll(() => rm(directory, { recursive: true }));

	const at = (name: string) => join(directory, `${name}.json`);

	const qomfs = (...args: string[]) =>
		run(process.execPath, [qomfsBin, ...args], {
			env: { ...process.env, QMP_SOCKET: "" },
		});

	/** Saves a machine, after something was done to it. */
	async function save(
		name: string,
		args: readonly string[] = smallMachine,
		act: (qmp: RawQmp) => Promise<unknown> = async () => {},
		qemu: Qemu = defaultQemu,
	): Promise<void> {
		const vm = await startTestMachine([...args, "-S"], qemu);
		const qmp = await RawQmp.connect(vm.secondSocket);
		try {
			await act(qmp);
			const options = ["--describe", "-o", at(name)];
			const saved = await qomfs("snapshot", vm.socket, ...options);
			expect(saved).toMatchObject({ status: 0, stderr: "" });
		} finally {
			qmp.close();
			await vm.stop();
		}
	}

	const diff = (...args: string[]): Promise<Finished> => qomfs("diff", ...args);

	/** What is told below the two lines that name the sources. */
	async function told(a: string, b: string, ...args: string[]) {
		const finished = await diff(at(a), at(b), ...args);
		expect(finished).toMatchObject({ status: 1, stderr: "" });
		const lines = finished.stdout.trimEnd().split("\n");
		expect(lines[0]).toMatch(/^--- .*-machine, QEMU \d+\.\d+\.\d+, 2\d{3}-/);
		expect(lines[1]).toMatch(/^\+\+\+ /);
		return lines.slice(2);
	}

	it("tells nothing of one machine, and of another start of the same", async () => {
		for (const [a, b] of [
			["first", "first"],
			["first", "again"],
		] as const)
			expect(await diff(at(a), at(b))).toEqual({
				status: 0,
				stdout: "",
				stderr: "",
			});
	});

	it("tells what changes by itself with --all", async () => {
		const lines = await told("first", "again", "--all");
		expect(lines.join("\n")).toMatch(/ addr\.path: \S+ -> \S+\/vm\.sock/);
	});

	it("tells of a device more in the middle, and of the slots behind it", async () => {
		const index = smallMachine.indexOf("virtio-balloon-pci,id=bal0") - 1;
		await save("middle", [
			...smallMachine.slice(0, index),
			...["-device", "virtio-rng-pci,id=extra"],
			...smallMachine.slice(index),
		]);
		const lines = await told("first", "middle");
		expect(lines.filter((line) => /^\+/.test(line))).toEqual([
			expect.stringMatching(
				/^\+ \/machine\/peripheral\/extra {2}virtio-rng-pci {2}\(with \d+ in it\)$/,
			),
		]);
		const others = lines.filter((line) => !/^\+/.test(line));
		expect(others.length).toBeLessThanOrEqual(14);
		expect(
			others.filter(
				(line) =>
					!/^(~ \/machine\/peripheral\/\w+ | {4}addr: \d+ -> \d+$)/.test(line),
			),
		).toEqual([]);
	});

	it("tells of a device more that moves the numbers of all others as one line", async () => {
		await save(
			"cpu",
			smallMachine.map((arg) => (arg === "2" ? "3" : arg)),
		);
		const lines = await told("first", "cpu");
		expect(lines.filter((line) => /^[+-]/.test(line))).toEqual([
			expect.stringMatching(
				/^\+ \/machine\/unattached\/device\[\d+\] {2}qemu64-x86_64-cpu {2}\(with \d+ in it\)$/,
			),
		]);
		expect(lines.filter((line) => /^>/.test(line))).toEqual([
			expect.stringMatching(
				/^> \/machine\/unattached\/device\[3\.\.\d+\] {2}is now {2}\[4\.\.\d+\]$/,
			),
		]);
		expect(lines).toContain("    smp.cpus: 2 -> 3");
		expect(lines.length).toBeLessThanOrEqual(12);
	});

	it("tells of what was plugged, and back of what was unplugged", async () => {
		await save("plugged", smallMachine, (qmp) =>
			qmp.execute("device_add", {
				...{ driver: "usb-mouse", id: "mouse", bus: "xhci.0" },
			}),
		);
		expect(await told("first", "plugged")).toEqual([
			"+ /machine/peripheral/mouse  usb-mouse",
		]);
		expect(await told("plugged", "first")).toEqual([
			"- /machine/peripheral/mouse  usb-mouse",
		]);
	});

	it.each<[string, readonly (readonly string[])[]]>([
		[
			"network cards by their addresses",
			["01", "02", "03"].map((end) => [
				...["-device", `e1000,mac=52:54:00:00:00:${end}`],
			]),
		],
		[
			"disks by what is behind them",
			["d4", "d5", "d6"].map((name) => [
				...["-blockdev", `null-co,node-name=${name}`],
				...["-device", `virtio-blk-pci,drive=${name}`],
			]),
		],
		[
			"cards by their slots, if nothing else tells",
			["5", "6", "7"].map((slot) => ["-device", `e1000,addr=${slot}`]),
		],
	])(
		"knows which of several like devices was removed: %s",
		async (_what, devices) => {
			const base = ["-M", "q35", "-m", "64"];
			await save("three", [...base, ...devices.flat()]);
			await save("two", [...base, ...devices.toSpliced(1, 1).flat()]);
			const lines = await told("three", "two");
			expect(lines.filter((line) => /^[-+]/.test(line))).toEqual([
				expect.stringMatching(/^- \/machine\/peripheral-anon\/device\[1\] /),
			]);
			expect(lines).toContain(
				"> /machine/peripheral-anon/device[2]  is now  [1]",
			);
			expect(lines.join("\n")).not.toContain("child[");
		},
	);

	it("tells of a value that was set, and of nothing else", async () => {
		await save("set", smallMachine, (qmp) =>
			qmp.execute("qom-set", {
				...{ path: "/objects/io0", property: "poll-max-ns", value: 4711 },
			}),
		);
		expect(await told("first", "set")).toEqual([
			"~ /objects/io0  iothread",
			"    poll-max-ns: 32768 -> 4711",
		]);
		const [before, after] = await Promise.all([
			diff(at("first"), at("set"), "io0"),
			diff(at("first"), at("set"), "/objects/mem0"),
		]);
		expect([before.status, after.status]).toEqual([1, 0]);
	});

	it("tells of another version of the machine what is different in its devices", async () => {
		const version = process.env.QOMFS_QEMU_ROOT ? "10.0" : "6.2";
		await save(
			"older",
			smallMachine.map((arg) => (arg === "q35" ? `pc-q35-${version}` : arg)),
		);
		const lines = await told("older", "first");
		expect(lines).toContainEqual(
			expect.stringMatching(
				/^~ \/machine {2}pc-q35-[\d.]+-machine -> pc-q35-[\d.]+-machine$/,
			),
		);
		expect(lines.join("\n")).toMatch(
			process.env.QOMFS_QEMU_ROOT
				? /host_tunnel: false -> true/
				: /queue_reset: false -> true/,
		);
		expect(lines.length).toBeLessThanOrEqual(22);
	});

	it("tells of another model of CPU its flags, once for all CPUs", async () => {
		for (const model of ["Skylake-Client", "Skylake-Server"])
			await save(model, [...smallMachine, "-cpu", model]);
		const lines = await told("Skylake-Client", "Skylake-Server");
		expect(lines.filter((line) => !/^ /.test(line))).toEqual(
			[0, 2].map(
				(number) =>
					`~ /machine/unattached/device[${number}]  Skylake-Client-x86_64-cpu -> Skylake-Server-x86_64-cpu`,
			),
		);
		expect(lines).toContain("    clwb: false -> true");
		expect(lines.length).toBeLessThanOrEqual(14);
	});

	it("tells of a booted machine what the firmware has added, not where it has put things", async () => {
		await save("booted", smallMachine, async (qmp) => {
			await qmp.execute("cont");
			const mapped = () =>
				qmp.execute("qom-get", { path: "/machine/q35", property: "MCFG" });
			// The last that the firmware does is to look for something to boot from.
			await expect
				.poll(mapped, { timeout: 60_000, interval: 200 })
				.toBe(0xb0000000);
			await sleep(3000);
			await qmp.execute("stop");
		});
		const lines = await told("first", "booted");
		expect(lines.length).toBeLessThanOrEqual(10);
	});

	it("tells of another QEMU what it has more and less", async () => {
		// The system's own beside the one that is under test.
		if (!process.env.QOMFS_QEMU_ROOT) return;
		await save("other", smallMachine, undefined, {
			command: ["qemu-system-x86_64"],
			root: "",
		});
		const lines = await told("other", "first");
		expect(lines).toContainEqual(expect.stringMatching(/^\+ \/audiodevs /));
		expect(lines).toContainEqual(expect.stringMatching(/ \+ .*guest_tunnel/));
		expect(lines.length).toBeLessThan(150);
		const types = await told("other", "first", "--types");
		expect(types).toContainEqual(expect.stringMatching(/^\+ monitor-qmp /));
		expect(types).toContainEqual("    rombar: 1 (uint32) -> -1 (int32)");
	});

	it("tells of one machine what is no default", async () => {
		const finished = await diff("--defaults", at("first"), "blk0");
		expect(finished).toMatchObject({ status: 1, stderr: "" });
		expect(finished.stdout).toContain("    vectors: ");
		expect(finished.stdout).toMatch(/^--- the defaults of its types$/m);
	});

	it("never calls equal what has nothing to be compared with", async () => {
		expectRefusal(
			await diff("--defaults", at("set"), "io0"),
			2,
			/io0: nothing is compared, because no default is known of iothread; /,
		);
		await qomfs("snapshot", at("first"), "-o", at("plain"));
		const plain = ["--types", at("plain"), at("plain")];
		const ofTypes = /properties and defaults are not compared, because none/;
		expectRefusal(await diff(...plain, "iothread"), 2, ofTypes);
		expectRefusal(await diff(...plain), 0, ofTypes);
		const described = ["--types", at("first"), at("again")];
		expectRefusal(
			await diff(...described, "isa-debugcon"),
			2,
			/are not compared, because not both sides know them of isa-debugcon; /,
		);
		const nothing = { status: 0, stdout: "", stderr: "" };
		expect(await diff(...described, "iothread")).toEqual(nothing);
		expect(await diff(...described, "i*")).toEqual(nothing);
	});

	it("--json has all of it, --stat only the numbers", async () => {
		const { stdout } = await diff(at("first"), at("set"), "--json");
		expect(JSON.parse(stdout)).toMatchObject({
			before: { source: at("first"), qemu: { version: expect.any(String) } },
			after: { source: at("set") },
			objects: [
				{
					change: "changed",
					path: "/objects/io0",
					type: "iothread",
					properties: [
						{
							name: "poll-max-ns",
							before: { type: "int", value: 32768 },
							after: { type: "int", value: 4711 },
						},
					],
				},
			],
		});
		expect(await told("first", "set", "--stat")).toEqual([
			"~ /objects/io0 | 1",
			"0 objects added, 0 removed, 1 changed, 0 renumbered",
		]);
	});

	it("compares a running machine with what it was, named by QMP_SOCKET too", async () => {
		const vm = await startTestMachine();
		const qmp = await RawQmp.connect(vm.secondSocket);
		try {
			expect(await diff(at("first"), vm.socket)).toMatchObject({ status: 0 });
			await qmp.execute("object-add", { "qom-type": "iothread", id: "io9" });
			const finished = await run(
				process.execPath,
				[qomfsBin, "diff", at("first")],
				{ env: { ...process.env, QMP_SOCKET: vm.socket } },
			);
			expect(finished).toMatchObject({ status: 1, stderr: "" });
			expect(finished.stdout).toContain("+ /objects/io9  iothread");
		} finally {
			qmp.close();
			await vm.stop();
		}
	});

	it("calls what has only another number renumbered, in JSON, too", async () => {
		const { stdout } = await diff(at("first"), at("cpu"), "--json");
		const changes = JSON.parse(stdout).objects.map(
			({ change }: { change: string }) => change,
		);
		const count = (wanted: string) =>
			changes.filter((change: string) => change === wanted).length;
		expect(count("renumbered")).toBeGreaterThan(20);
		expect(count("changed")).toBeLessThan(6);
	});

	it("--types compares the types of a name alone", async () => {
		const args = ["--types", at("older"), at("first"), "virtio-*"];
		expect(await diff(...args)).toMatchObject({ stderr: "" });
		expectRefusal(
			await diff("--types", at("older"), at("first"), "nosuch*"),
			2,
			/no type matches/,
		);
	});

	it("ends with 2 if it cannot write", async () => {
		const line = `"$0" "$1" diff --json "$2" "$2" > /dev/full`;
		const finished = await run("sh", [
			...["-c", line, process.execPath, qomfsBin, at("first")],
		]);
		expect(finished.status).toBe(2);
		expect(finished.stderr).toContain("cannot write");
	});

	it("ends with 2 for whatever goes wrong, with one line", async () => {
		for (const [args, message] of [
			[[at("first"), at("nosuch")], /no such file/],
			[[at("first")], /one source is missing/],
			[[at("first"), at("set"), "/nosuch"], /not found/],
			[["--defaults", at("first"), "/", "x"], /unexpected argument 'x'/],
			[[at("first"), qomfsBin], /neither a monitor's socket nor/],
		] as const)
			expectRefusal(await diff(...args), 2, message);
	});
});
