/** Where devices are, from objects and from what `info qtree` prints. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Device, topologyOf } from "../../src/qom/topology/buses.ts";
import {
	type QtreeBus,
	type QtreeDevice,
	readQtree,
	shortQtree,
} from "../../src/qom/topology/qtree.ts";
import { type FakeDevices, FakeTopology } from "../support/fakeTopology.ts";

describe("what info qtree prints", () => {
	const name = fc.stringMatching(/^[a-z][\w .-]{0,8}$/);
	const address = fc.option(
		fc.constantFrom("00:03.0", "01:1f.7", "ff:00.0", "3", "1.2.4"),
		{ nil: undefined },
	);
	const busOf = (depth: number): fc.Arbitrary<QtreeBus> =>
		fc.record({
			name,
			devices: fc.array(deviceOf(depth - 1), { maxLength: 3 }),
		});
	const deviceOf = (depth: number): fc.Arbitrary<QtreeDevice> =>
		fc.record(
			{
				...{ type: name, id: fc.oneof(fc.constant(""), name), address },
				buses:
					depth === 0
						? fc.constant([])
						: fc.array(busOf(depth), { maxLength: 2 }),
			},
			{ requiredKeys: ["type", "id", "buses"] },
		) as fc.Arbitrary<QtreeDevice>;

	/** As QEMU prints it, with what nobody needs. */
	function printed({ name, devices }: QtreeBus, depth = 0): string {
		const indent = " ".repeat(4 * depth);
		const lines = [`${indent}bus: ${name}`, `${indent}  type PCIE`];
		for (const { type, id, address, buses } of devices) {
			lines.push(`${indent}  dev: ${type}, id "${id}"`);
			lines.push(`${indent}    addr = 03.0`, `${indent}    romfile = "x"`);
			if (address?.includes(":"))
				lines.push(
					`${indent}    class VGA, new controller, addr ${address}, pci id 1234:1111 (sub 1af4:1100)`,
					`${indent}    bar 0: mem at 0xffffffffffffffff [0xfffffe]`,
				);
			else if (address !== undefined)
				lines.push(
					`${indent}    addr 0.0, port ${address}, speed 480, name QEMU, attached`,
				);
			for (const below of buses) lines.push(printed(below, depth + 1));
		}
		return lines.join("\n");
	}

	it("is read as it was meant, and its short form as the whole", () => {
		fc.assert(
			fc.property(fc.array(busOf(3), { maxLength: 3 }), (buses) => {
				const text = buses.map((each) => printed(each)).join("\r\n");
				const read = readQtree(text);
				expect(JSON.parse(JSON.stringify(read))).toEqual(
					JSON.parse(JSON.stringify(buses)),
				);
				const short = shortQtree(text);
				expect(readQtree(short)).toEqual(read);
				expect(shortQtree(short)).toBe(short);
				expect(short).not.toMatch(/VGA|romfile|bar|type/);
			}),
		);
	});

	it("is never too hostile, or cut too early", () => {
		const line = fc
			.tuple(
				fc.nat({ max: 40 }),
				fc.oneof(
					fc.constantFrom("bus: x", 'dev: a, id "b"', "bus: ", 'dev: , id ""'),
					fc.constantFrom(
						"class x, addr 00:01.0, pci",
						"addr 0.0, port 1, x",
						"class , addr , ",
					),
					fc.string({ unit: "binary" }),
				),
			)
			.map(([indent, text]) => " ".repeat(indent) + text);
		fc.assert(
			fc.property(fc.array(line), fc.nat(), (lines, end) => {
				const text = lines.join("\n").slice(0, end % 2000);
				readQtree(text);
				expect(readQtree(shortQtree(text))).toEqual(readQtree(text));
			}),
			{ numRuns: 500 },
		);
	});

	it("is not confused by a value of several lines", () => {
		const lines = [
			...["bus: main", '  dev: a, id "a1"', "    bus: usb"],
			...['      dev: b, id "b1"', '        serial = "', "      bus: x"],
			...[' dev: c, id "c"', '"', "        addr 0.0, port 7, speed 1,"],
		];
		expect(readQtree(lines.join("\n"))).toEqual([
			{
				name: "main",
				devices: [
					{
						...{ type: "a", id: "a1" },
						buses: [
							{
								name: "usb",
								devices: [{ type: "b", id: "b1", address: "7", buses: [] }],
							},
						],
					},
				],
			},
		]);
	});
});

/** Where the devices of a machine are, by the last names of their paths. */
async function addressesOf(
	devices: FakeDevices,
	qtree = "",
): Promise<Record<string, string>> {
	const { buses } = await topologyOf(new FakeTopology(devices, qtree));
	const found: Record<string, string> = {};
	const look = ({ path, address, buses }: Device): void => {
		if (address !== undefined) found[path.replace(/^.*\//, "")] = address;
		for (const bus of buses) bus.devices.forEach(look);
	};
	for (const bus of buses) bus.devices.forEach(look);
	return found;
}

const here = "/machine/peripheral";

/** A host bridge with a bridge at 07.0, and a card behind that and a second bridge. */
const bridged: FakeDevices = {
	"/machine/host": ["host"],
	"/machine/host/pci.0": ["PCIE", { "child[0]": `${here}/br0` }],
	[`${here}/br0`]: ["bridge", { addr: 7 << 3 }],
	[`${here}/br0/one`]: ["PCI", { "child[0]": `${here}/br1` }],
	[`${here}/br1`]: ["bridge", { addr: (31 << 3) | 2 }],
	[`${here}/br1/two`]: ["PCI", { "child[0]": `${here}/card` }],
	[`${here}/card`]: ["card", { addr: 1 }],
};

describe("the address of a device", () => {
	it("on PCI is a chain as long as the firmware has numbered no bridge", async () => {
		expect(await addressesOf(bridged)).toEqual({
			...{ br0: "00:07.0", br1: "00:07.0-1f.2", card: "00:07.0-1f.2-00.1" },
		});
	});

	it("on PCI has the number that a property tells, or else info qtree", async () => {
		const qtree = [
			...["bus: pci.0", '  dev: bridge, id "br0"'],
			...["    class A, addr 00:07.0, pci id", "    bus: one"],
			...['      dev: bridge, id "br1"', "        class A, addr 04:1f.2, pci"],
			...["        bus: two", '          dev: card, id "card"'],
			"            class A, addr 0a:00.1, pci id",
		].join("\n");
		const withHost = `bus: main-system-bus\n  dev: host, id ""\n${qtree.replace(/^/gm, "    ")}`;
		const numbered = { br0: "00:07.0", br1: "04:1f.2", card: "0a:00.1" };
		const plugged: FakeDevices = {
			"/machine/sysbus": ["System", { "child[0]": "/machine/host" }],
			...bridged,
		};
		expect(await addressesOf(plugged, withHost)).toEqual(numbered);
		const { "/machine/host": _none, ...hostless } = bridged;
		expect(await addressesOf(hostless, qtree)).toEqual(numbered);
		const told: FakeDevices = {
			...bridged,
			[`${here}/br0`]: ["bridge", { addr: 7 << 3, busnr: 0 }],
			[`${here}/br1`]: ["bridge", { addr: (31 << 3) | 2, busnr: 4 }],
			[`${here}/card`]: ["card", { addr: 1, busnr: 0 }],
		};
		expect(await addressesOf(told)).toEqual({
			...{ br0: "00:07.0", br1: "04:1f.2", card: "04:1f.2-00.1" },
		});
	});

	it("on PCI has a domain where two hosts both begin with bus 0", async () => {
		const two: FakeDevices = {
			"/machine/a": ["host"],
			"/machine/a/pci.0": ["PCI", { "child[0]": `${here}/x` }],
			"/machine/b": ["host"],
			"/machine/b/pci.1": ["PCI", { "child[0]": `${here}/y` }],
			[`${here}/x`]: ["card", { addr: 8 }],
			[`${here}/y`]: ["card", { addr: 8 }],
		};
		expect(await addressesOf(two)).toEqual({
			...{ x: "0000:00:01.0", y: "0001:00:01.0" },
		});
		// An expander of the first host has a number of its own, and no domain.
		const expanded: FakeDevices = {
			...two,
			[`${here}/y`]: ["card", { addr: 8, busnr: 0x50 }],
		};
		expect(await addressesOf(expanded)).toEqual({
			...{ x: "00:01.0", y: "50:01.0" },
		});
	});

	it("is none where a machine tells no possible one", async () => {
		for (const addr of [-1, 256, 2 ** 40, "07.0"])
			expect(
				await addressesOf({
					"/machine/pci.0": ["PCI", { "child[0]": `${here}/x` }],
					[`${here}/x`]: ["card", { addr }],
				}),
			).toEqual({});
	});

	const usb: FakeDevices = {
		"/machine/host/usb.0": [
			"usb-bus",
			{ "child[0]": `${here}/kbd`, "child[10]": `${here}/mouse` },
		],
		[`${here}/kbd`]: ["card", { port: "2.1" }],
		[`${here}/mouse`]: ["card", { port: "" }],
	};

	it("on USB is the port that was given, or that QEMU has chosen", async () => {
		expect(await addressesOf(usb)).toEqual({ kbd: "usb.0-2.1" });
		const qtree = [
			...["bus: usb.0", '  dev: card, id "mouse"', "    addr 0.0, port 4, x"],
			...['  dev: card, id "kbd"', "    addr 0.0, port 2.1, x"],
		].join("\n");
		const all = { kbd: "usb.0-2.1", mouse: "usb.0-4" };
		expect(await addressesOf(usb, qtree)).toEqual(all);
	});

	it("is taken from an info qtree that does not fit by the ids alone", async () => {
		const qtree = [
			...["bus: usb.0", '  dev: card, id "new"', "    addr 0.0, port 9, x"],
			...['  dev: card, id ""', "    addr 0.0, port 8, x"],
			...['  dev: card, id "mouse"', "    addr 0.0, port 4, x"],
			...['  dev: card, id "kbd"', "    addr 0.0, port 2.1, x"],
		].join("\n");
		expect(await addressesOf(usb, qtree)).toEqual({
			...{ kbd: "usb.0-2.1", mouse: "usb.0-4" },
		});
		const other = qtree.replaceAll("card", "host");
		expect(await addressesOf(usb, other)).toEqual({ kbd: "usb.0-2.1" });
	});

	it("on other buses is written as their users write it", async () => {
		const other: FakeDevices = {
			"/machine/h/i2c.1": ["i2c-bus", { "child[0]": `${here}/sensor` }],
			[`${here}/sensor`]: ["card", { address: 0x48 }],
			"/machine/h/scsi.0": ["SCSI", { "child[0]": `${here}/disk` }],
			[`${here}/disk`]: ["card", { channel: 0, "scsi-id": 12, lun: 3 }],
			"/machine/h/scsi.1": ["SCSI", { "child[0]": `${here}/unchosen` }],
			[`${here}/unchosen`]: [
				"card",
				{ channel: 0, "scsi-id": 2 ** 32 - 1, lun: -1 },
			],
			"/machine/h/ide.0": ["IDE", { "child[0]": `${here}/cd` }],
			[`${here}/cd`]: ["card", { unit: 1 }],
			"/machine/h/isa.0": ["ISA", { "child[0]": `${here}/rtc` }],
			[`${here}/rtc`]: ["card", { iobase: 0x70 }],
		};
		expect(await addressesOf(other)).toEqual({
			...{ sensor: "i2c.1-48", disk: "scsi.0-0:12:3" },
			...{ cd: "ide.0-1", rtc: "isa.0-070" },
		});
	});

	it("begins with the path of a bus where several are called alike", async () => {
		const bus = (name: string) => ["i2c-bus", { "child[0]": name }] as const;
		expect(
			await addressesOf({
				"/machine/a/i2c": [...bus(`${here}/x`)],
				"/machine/b/i2c": [...bus(`${here}/y`)],
				[`${here}/x`]: ["card", { address: 5 }],
				[`${here}/y`]: ["card", { address: 5 }],
			}),
		).toEqual({ x: "machine:a:i2c-05", y: "machine:b:i2c-05" });
	});

	it("does not matter where a bus holds the device that it belongs to", async () => {
		const round: FakeDevices = {
			[`${here}/x`]: ["card", { addr: 8 }],
			[`${here}/x/bus`]: ["PCI", { "child[0]": `${here}/x` }],
		};
		expect(await addressesOf(round)).toEqual({});
		const rooted: FakeDevices = {
			...round,
			"/machine/z": ["PCI", { "child[0]": `${here}/x` }],
		};
		expect(Object.keys(await addressesOf(rooted))).toEqual(["x"]);
	});
});
