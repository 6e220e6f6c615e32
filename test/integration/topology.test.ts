/** `qomfs topology` against what QEMU's monitors tell. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { instance } from "@viz-js/viz";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { otherProgram } from "../../tools/virtualMachine.ts";
import {
	lacksQemu,
	run,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";
import {
	monitorText,
	pciDevices,
	placedMachine,
	typesOfObjects,
} from "../support/placedMachine.ts";
import { RawQmp } from "../support/rawQmp.ts";
import { expectRefusal, Tools } from "../support/tools.ts";

interface Bus {
	readonly path: string;
	readonly kind: string;
	readonly devices: readonly Device[];
}

interface Device {
	readonly path: string;
	readonly type: string;
	readonly id: string | null;
	readonly address: string | null;
	readonly buses: readonly Bus[];
}

interface Region {
	readonly path: string;
	readonly start: number | bigint;
	readonly size: number | bigint;
	readonly regions: readonly Region[];
}

const devicesIn = (buses: readonly Bus[]): Device[] =>
	buses.flatMap(({ devices }) =>
		devices.flatMap((each) => [each, ...devicesIn(each.buses)]),
	);

const busesIn = (buses: readonly Bus[]): Bus[] =>
	buses.flatMap((bus) => [
		bus,
		...bus.devices.flatMap((device) => busesIn(device.buses)),
	]);

/** `START-END NAME` of every region of an address space in `info mtree` that is no alias. */
function toldRegions(text: string, space: string): string[] {
	const begin = text.indexOf(`address-space: ${space}\r\n`);
	const lines = text.slice(begin).split("\r\n");
	const end = lines.indexOf("");
	return lines
		.slice(1, end)
		.filter((line) => !/: alias /.test(line))
		.map((line) =>
			line.replace(/^ *(\w+-\w+) \(.*?\): (.*?)( \[disabled\])?$/, "$1 $2"),
		);
}

/** The same of what `--memory` prints below its first line of that name. */
function shownRegions(text: string, name: string): string[] {
	const lines = text.split("\n");
	const begin = lines.findIndex((line) =>
		new RegExp(`^\\w.*/${name}\\[0\\]( |$)`).test(line),
	);
	const length = lines
		.slice(begin + 1)
		.findIndex((line) => /^\w|^$/.test(line));
	return lines
		.slice(begin, begin + 1 + length)
		.map((line) =>
			line.replace(
				/^ *(\w+-\w+) +\d+ \w+ {2}.*?([^/]*)\[\d+\]( {2}\(.*)?$/,
				"$1 $2",
			),
		);
}

describe.skipIf(lacksQemu)("qomfs topology", () => {
	let directory: string;
	let vm: TestMachine;
	let qmp: RawQmp;
	let tools: Tools;
	// biome-ignore lint/suspicious/noExplicitAny: a test looks into the document as it likes
	let document: any;

	const topology = (...args: string[]) =>
		tools.output("qomfs", "topology", ...args);

	beforeAll(async () => {
		directory = await mkdtemp(join(tmpdir(), "qomfs-topology-"));
		vm = await startTestMachine([...placedMachine, "-S"]);
		qmp = await RawQmp.connect(vm.secondSocket);
		tools = await Tools.create(vm.socket);
		document = JSON.parse(await topology("--json"));
	});

	afterAll(async () => {
		await tools?.remove();
		qmp?.close();
		await vm?.stop();
		await rm(directory, { recursive: true });
	});

	it("shows every PCI device with its address, and what is on other buses", async () => {
		const lines = (await topology()).split("\n");
		const told = await pciDevices(qmp);
		expect(told.length).toBeGreaterThan(10);
		for (const [address, id] of told)
			expect(
				lines.filter((line) =>
					new RegExp(` ${address} {2}\\S+ {2}(${id || "/.*"})$`).test(line),
				),
				address,
			).toHaveLength(1);
		for (const shown of [
			...["00:07.0-00.0  virtio-net-pci  net0", "xhci.0-2.3  usb-mouse  mouse"],
			...["scsi0.0-0:2:1  scsi-hd  sd0", "ide.3-0  ide-hd  ide0"],
			...["isa.0-3f8  isa-serial  com", "i2c-50  smbus-eeprom  /machine/"],
		])
			expect(lines.join("\n")).toContain(`─ ${shown}`);
	});

	it("--json has each device once, where the links of QEMU say", async () => {
		const types = await typesOfObjects(qmp);
		const devices = devicesIn(document.buses);
		const paths = [...devices, ...document.loose].map(({ path }) => path);
		expect(new Set(paths).size).toBe(paths.length);
		for (const { path, type } of devices) expect(types.get(path)).toBe(type);
		const derived = (await qmp.execute("qom-list-types", {
			implements: "device",
		})) as { name: string }[];
		const names = new Set(derived.map(({ name }) => name));
		expect(paths.toSorted()).toEqual(
			[...types]
				.filter(([, type]) => names.has(type))
				.map(([path]) => path)
				.toSorted(),
		);
		for (const bus of busesIn(document.buses)) {
			for (const device of bus.devices)
				expect(
					await qmp.execute("qom-get", {
						...{ path: device.path, property: "parent_bus" },
					}),
				).toBe(bus.path);
			const properties = await qmp.execute("qom-list", { path: bus.path });
			expect(bus.devices).toHaveLength(
				properties.filter(({ name }: { name: string }) =>
					/^child\[\d+\]$/.test(name),
				).length,
			);
		}
		const ids = devices.filter(({ id }) => id !== null);
		for (const { path, id } of ids)
			expect(path).toBe(`/machine/peripheral/${id}`);
		expect(ids.map(({ id }) => id)).toContain("net0");
	});

	it("--json has all interrupts, which --interrupts shows too", async () => {
		const lines = (await topology("--interrupts")).trimEnd().split("\n");
		expect(lines).toHaveLength(document.interrupts.length);
		expect(lines.length).toBeGreaterThan(20);
		for (const { from, output, to, input } of document.interrupts) {
			expect(lines).toContain(`${from}.${output}  ->  ${to}/${input}`);
			const told = { path: from, property: output };
			expect(await qmp.execute("qom-get", told)).toBe(`${to}/${input}`);
		}
	});

	it.each(["memory", "I/O"])(
		"--memory has all of info mtree's %s",
		async (space) => {
			const told = toldRegions(await monitorText(qmp, "info mtree"), space);
			const name = space === "memory" ? "system" : "io";
			const shown = shownRegions(await topology("--memory"), name);
			expect(told.length).toBeGreaterThan(5);
			expect(shown).toEqual(expect.arrayContaining(told));
			// What is shown besides are aliases, and regions that are switched off.
			const whole = (regions: readonly Region[]): string[] =>
				regions.flatMap((each) => [each.path, ...whole(each.regions)]);
			const root = document.memory.find(({ path }: Region) =>
				path.endsWith(`/${name}[0]`),
			);
			expect(whole([root])).toHaveLength(shown.length);
		},
	);

	it("--json tells addresses and sizes exactly, up to that of everything", async () => {
		const text = await topology("--json");
		expect(text).toMatch(
			/"path":"[^"]*\/system\[0\]","start":0,"size":18446744073709551616,/,
		);
	});

	it("--dot is a graph of all devices, and --svg its picture", async () => {
		const dot = await topology("--dot");
		const viz = await instance();
		expect(viz.render(dot)).toMatchObject({ status: "success", errors: [] });
		const { objects = [] } = viz.renderJSON(dot) as { objects?: object[] };
		const buses = busesIn(document.buses);
		const count =
			buses.length + devicesIn(document.buses).length + document.loose.length;
		expect(objects).toHaveLength(count);
		const svg = await topology("--svg");
		expect(svg).toMatch(/^<\?xml.*<svg .*<\/svg>\s*$/s);
		expect(svg.match(/class="node"/g)).toHaveLength(count);
		expect(svg).not.toMatch(/<script|<image|href="(?!#)/);
	});

	it.each([
		[["--memory", "--json"], /'--memory' cannot be used with option '--json'/],
		[["--dot", "--svg"], /cannot be used with/],
		[["--interrupts", "--memory"], /cannot be used with/],
		[["--nosuch"], /unknown option '--nosuch'/],
		[["a", "b"], /too many arguments/],
		[["a", "-s", "b"], /two sources: a and -s b/],
	])("%j are refused", async (args, message) => {
		expectRefusal(await tools.run("qomfs", "topology", ...args), 2, message);
	});

	it("tells of a snapshot the same as of the machine, as SOURCE and with -s", async () => {
		const file = join(directory, "vm.json.gz");
		await tools.output("qomfs", "snapshot", "-o", file);
		for (const form of [
			...[[], ["--memory"], ["--interrupts"], ["--json"], ["--dot"], ["--svg"]],
		]) {
			const live = await topology(...form);
			expect(await topology(file, ...form)).toBe(live);
			expect(await topology("-s", file, ...form)).toBe(live);
		}
	});

	it("has the numbers of buses when the firmware has given them", async () => {
		const running = await startTestMachine(placedMachine);
		const other = await RawQmp.connect(running.secondSocket);
		try {
			const address = async () =>
				Object.fromEntries(
					(await pciDevices(other)).map(([address, id]) => [id, address]),
				);
			const poll = { timeout: 60_000, interval: 200 };
			await expect
				.poll(async () => (await address()).rng9, poll)
				.toMatch(/^51:00\.0$/);
			const told = await pciDevices(other);
			const { buses } = JSON.parse(await topology(running.socket, "--json"));
			const pci = busesIn(buses)
				.filter(({ kind }) => kind === "pci")
				.flatMap(({ devices }) => devices)
				.map(({ address, id }) => [address, id ?? ""]);
			expect(pci.toSorted()).toEqual(told.map((each) => [...each]).toSorted());
			expect(pci.length).toBeGreaterThan(13);
		} finally {
			other.close();
			await running.stop();
		}
	});

	it("shows the I2C buses of an ARM board", async (context) => {
		const qemu = otherProgram("qemu-system-arm");
		if (!qemu) return context.skip("its QEMU is not installed");
		const bus = "aspeed.i2c.bus.3";
		const board = await startTestMachine(
			[
				...["-M", "ast2600-evb", "-S"],
				...["-device", `tmp105,id=inlet,bus=${bus},address=0x48`],
				...["-device", `pca9552,id=leds,bus=${bus},address=0x60`],
			],
			qemu,
		);
		const arm = await Tools.create(board.socket);
		try {
			const text = await arm.output("qomfs", "topology");
			expect(text).toContain(`─ ${bus}-48  tmp105  inlet\n`);
			expect(text).toContain(`─ ${bus}-60  pca9552  leds\n`);
			const path = `by-bus/i2c/${bus}-48`;
			expect(await arm.output("qom-get", `${path}.type`)).toBe("tmp105\n");
			const dot = join(directory, "board.svg");
			await arm.sh(`qomfs topology --svg > ${dot}`);
			const { stdout } = await run("grep", ["-c", 'class="node"', dot]);
			expect(Number(stdout)).toBeGreaterThan(100);
		} finally {
			await arm.remove();
			await board.stop();
		}
		return undefined;
	});
});
