/** `.qomfs/by-id`, `by-type` and `by-bus`: whether the links are there, and lead where QEMU says. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CountingProxy } from "../support/countingProxy.ts";
import {
	lacksMount,
	type Mounted,
	mountQomfs,
	runQomfs,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";
import {
	monitorText,
	pciDevices,
	placedMachine,
	toldByQtree,
	typesOfObjects,
} from "../support/placedMachine.ts";
import { RawQmp } from "../support/rawQmp.ts";

/** Every link below a directory of a mount, by its path in there, and where it leads. */
async function linksIn(
	{ sh }: Mounted,
	directory: string,
): Promise<ReadonlyMap<string, string>> {
	const { stdout, stderr, status } = await sh(
		`cd "$M/${directory}" && find . -mindepth 1 ! -type d -printf '%P\\0%y%l\\0'`,
	);
	expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
	const words = stdout.split("\0").slice(0, -1);
	const links = new Map<string, string>();
	for (let at = 0; at < words.length; at += 2)
		links.set(words[at] ?? "", words[at + 1] ?? "");
	for (const target of links.values()) expect(target).toMatch(/^l\.\.\//);
	return links;
}

/** The objects that these links mean, by following them as text. */
function objectsOf(
	links: ReadonlyMap<string, string>,
	directory: string,
): Record<string, string> {
	return Object.fromEntries(
		[...links].map(([path, target]) => {
			const base = new URL(`file:///${directory}/`);
			const from = path.split("/").slice(0, -1).map(encodeURIComponent);
			const whole = new URL(
				target.slice(1).split("/").map(encodeURIComponent).join("/"),
				new URL(from.map((name) => `${name}/`).join(""), base),
			);
			return [path, decodeURIComponent(whole.pathname)];
		}),
	);
}

/** Whether it is a monitor that qomfs has made for itself. */
const isOwn = (path: string) => /qomfs-monitor-/.test(path);

describe.skipIf(lacksMount)("a mounted machine", () => {
	let directory: string;
	let vm: TestMachine;
	let qmp: RawQmp;
	let mounted: Mounted;

	beforeAll(async () => {
		directory = await mkdtemp(join(tmpdir(), "qomfs-places-"));
		vm = await startTestMachine([...placedMachine, "-S"]);
		qmp = await RawQmp.connect(vm.secondSocket);
		mounted = await mountQomfs(vm.socket, "cache_timeout=0.2");
	});

	afterAll(async () => {
		await mounted?.unmount();
		qmp?.close();
		await vm?.stop();
		await rm(directory, { recursive: true });
	});

	const objectsIn = async (place: string, from: Mounted = mounted) =>
		objectsOf(await linksIn(from, `.qomfs/${place}`), `.qomfs/${place}`);

	it("has every object in by-type, once and under its own type", async () => {
		const expected = Object.fromEntries(
			[...(await typesOfObjects(qmp))]
				.filter(([path]) => !isOwn(path))
				.map(([path, type]) => [
					`${type}/${path.slice(1).replaceAll("/", ":")}`,
					path,
				]),
		);
		expect(await objectsIn("by-type")).toEqual(expected);
	});

	it("has what was given an id in by-id, a device before a backend", async () => {
		const expected: Record<string, string> = {};
		const parents = [
			...["/audiodevs", "/chardevs", "/objects", "/machine/peripheral"],
		];
		for (const path of parents) {
			const { return: members = [] } = await qmp.ask("qom-list", { path });
			for (const { name, type } of members)
				if (/^child</.test(type) && !isOwn(name))
					expected[name] = `${path}/${name}`;
		}
		expect(expected.net0).toBe("/machine/peripheral/net0");
		expect(await objectsIn("by-id")).toEqual(expected);
	});

	it("names PCI devices as query-pci does, and those behind a bridge without a number by its address", async () => {
		const objects = await objectsIn("by-bus");
		const found = Object.entries(objects)
			.filter(([path]) => path.startsWith("pci/"))
			.map(([path, object]) => [path.slice(4), object] as const);
		const behindBridges = {
			...{ "00:07.0-00.0": "net0", "00:08.1-00.0": "net1" },
			...{ "50:00.0-00.0": "rng9" },
		};
		const all = Object.fromEntries(
			found.map(([address, path]) => [
				address,
				/^.machine.peripheral.(.*)$/.exec(path)?.[1] ?? "",
			]),
		);
		// The firmware has not run, so bridges have no numbers, and query-pci does not look behind them.
		const told = Object.fromEntries(await pciDevices(qmp));
		const chained = Object.keys(all).filter((address) => /-/.test(address));
		expect(all).toMatchObject({ ...told, ...behindBridges });
		expect(Object.keys(all).length - chained.length).toBe(
			Object.keys(told).length,
		);
		expect(chained).toHaveLength(4);
		expect(chained.map((address) => all[address])).toContain("e0");
	});

	it("names USB, SCSI, I2C and other devices as info qtree does", async () => {
		const objects = await objectsIn("by-bus");
		const text = await monitorText(qmp, "info qtree");
		const ports = toldByQtree(text, /^ +addr \d+\.\d+, port ([\d.]+), /);
		expect([...ports.keys()].toSorted()).toEqual(["hub", "kbd", "mouse"]);
		for (const [id, port] of ports)
			expect(objects[`usb/xhci.0-${port}`]).toBe(`/machine/peripheral/${id}`);
		expect(objects).toMatchObject({
			"scsi/scsi0.0-0:2:1": "/machine/peripheral/sd0",
			"ide/ide.3-0": "/machine/peripheral/ide0",
			"isa/isa.0-3f8": "/machine/peripheral/com",
			"virtio-serial/vs.0-3": "/machine/peripheral-anon/device[0]",
		});
		const addresses = text.matchAll(/^ +address = \d+ \(0x([0-9a-f]+)\)/gm);
		const i2c = Object.keys(objects).filter((path) => /^i2c/.test(path));
		expect(i2c.toSorted()).toEqual(
			[...addresses].map(([, hex]) => `i2c/i2c-${hex}`).toSorted(),
		);
		expect(i2c.length).toBeGreaterThan(0);
	});

	it("has links that lead to the objects inside the mount, and cannot be written", async () => {
		const { sh } = mounted;
		const line = `cd "$M/.qomfs/by-bus/usb" && cat xhci.0-2.3/type && [ -d xhci.0-1 ] &&
			[ xhci.0-1 -ef "$M/machine/peripheral/kbd" ] && realpath --relative-to="$M" xhci.0-2`;
		expect(await sh(line)).toMatchObject({
			stdout: "usb-mouse\nmachine/peripheral/hub\n",
		});
		const broken = 'find "$M/.qomfs/by-type" "$M/.qomfs/by-bus" -xtype l';
		expect(await sh(broken)).toEqual({ status: 0, stdout: "", stderr: "" });
		for (const act of [
			...["ln -s x new", "mkdir new", "touch new"],
			...["rm xhci.0-1", "mv xhci.0-1 xhci.0-9", "ln -sfn x xhci.0-1"],
		]) {
			const { status, stderr } = await sh(
				`cd "$M/.qomfs/by-bus/usb" && ${act}`,
			);
			expect(status, act).not.toBe(0);
			expect(stderr).toMatch(
				/Permission denied|not permitted|Read-only|not supported|not implemented/,
			);
		}
		const missing = await sh('stat "$M/.qomfs/by-bus/pci/00:19.7"');
		expect(missing.stderr).toMatch(/No such file or directory/);
	});

	it("has what was plugged, and no more what was unplugged", async () => {
		const mouse = { driver: "usb-mouse", id: "late" };
		await qmp.execute("device_add", { ...mouse, bus: "xhci.0" });
		await qmp.execute("device_add", {
			...{ driver: "virtio-rng-pci", id: "plugged", bus: "rp1" },
		});
		const now = async () => {
			const [id, bus, type] = await Promise.all(
				["by-id", "by-bus", "by-type"].map((place) => objectsIn(place)),
			);
			return [
				id?.late,
				Object.values(bus ?? {}).includes("/machine/peripheral/late"),
				type?.["usb-mouse/machine:peripheral:late"],
				bus?.["pci/00:08.0-00.0"],
				type?.["virtio-rng-pci/machine:peripheral:plugged"],
			];
		};
		const late = "/machine/peripheral/late";
		const plugged = "/machine/peripheral/plugged";
		const poll = { timeout: 10_000, interval: 50 };
		await expect.poll(now, poll).toEqual([late, true, late, plugged, plugged]);
		await qmp.execute("device_del", { id: "late" });
		await expect
			.poll(now, poll)
			.toEqual([undefined, false, undefined, plugged, plugged]);
	});

	it("keeps odd names in the tree of links", async () => {
		// QEMU checks ids, but not what a device calls its parts.
		await qmp.execute("chardev-add", {
			...{ id: "a.b_c-d" },
			backend: { type: "null", data: {} },
		});
		const find = async () => (await objectsIn("by-id"))["a.b_c-d"];
		const poll = { timeout: 10_000, interval: 50 };
		await expect.poll(find, poll).toBe("/chardevs/a.b_c-d");
		const types = Object.keys(await objectsIn("by-type"));
		expect(types).toContainEqual(
			expect.stringMatching(/^iothread\/objects:io0$/),
		);
		expect(types).toContainEqual(expect.stringMatching(/usb2 port #1\[0\]$/));
		const line = `cd "$M/.qomfs/by-type"; ls -d */*\\[0\\] | wc -l`;
		expect(Number((await mounted.sh(line)).stdout)).toBe(
			types.filter((name) => name.endsWith("[0]")).length,
		);
	});

	it("has in a mount of its snapshot the same links, and beside another machine, too", async () => {
		const file = join(directory, "vm.json");
		await qmp.execute("stop");
		const saved = await runQomfs("snapshot", vm.socket, "-o", file);
		expect(saved).toMatchObject({ status: 0, stderr: "" });
		const both = await mountQomfs([`live=${vm.socket}`, `old=${file}`]);
		try {
			for (const place of ["by-id", "by-type", "by-bus"]) {
				const [live, old] = await Promise.all(
					["live", "old"].map((name) =>
						linksIn(both, `${name}/.qomfs/${place}`),
					),
				);
				expect(live?.size).toBeGreaterThan(5);
				expect(old).toEqual(live);
			}
			const line = 'cd "$M"; cat */.qomfs/by-bus/pci/00:07.0-00.0/mac';
			expect(await both.sh(line)).toMatchObject({
				stdout: "52:54:00:00:00:01\n".repeat(2),
			});
			const above = await both.sh('ls "$M/.qomfs"');
			expect(above.stdout).not.toMatch(/by-/);
		} finally {
			await both.unmount();
		}
	});

	it("has the same where it is read-only", async () => {
		const other = await mountQomfs(vm.socket, "ro");
		try {
			expect(await objectsIn("by-bus", other)).toEqual(
				await objectsIn("by-bus"),
			);
		} finally {
			await other.unmount();
		}
	});

	it("names all PCI devices as query-pci does when the firmware has run", async () => {
		const running = await startTestMachine(placedMachine);
		const other = await RawQmp.connect(running.secondSocket);
		const booted = await mountQomfs(running.socket, "cache_timeout=0.2");
		try {
			const told = async () =>
				(await pciDevices(other))
					.map(([address, id]) => `${address} ${id}`)
					.toSorted();
			const shown = async () =>
				Object.entries(await objectsIn("by-bus", booted))
					.filter(([path]) => path.startsWith("pci/"))
					.map(([path, object]) => {
						const id = /^.machine.peripheral.(.*)$/.exec(object)?.[1] ?? "";
						return `${path.slice(4)} ${id}`;
					})
					.toSorted();
			const poll = { timeout: 60_000, interval: 200 };
			// The last bridge that the firmware comes to.
			await expect.poll(told, poll).toContain("51:00.0 rng9");
			await expect.poll(shown, poll).toEqual(await told());
			const [mount, machine] = await Promise.all(
				[booted.path, running.socket].map((from) => runQomfs("topology", from)),
			);
			expect(mount).toEqual(machine);
			expect(mount?.stdout).toContain("51:00.0  virtio-rng-pci  rng9");
		} finally {
			await booted.unmount();
			other.close();
			await running.stop();
		}
	});

	it("asks QEMU for no object twice while somebody looks at all of a directory", async () => {
		const other = await startTestMachine([...placedMachine, "-S"]);
		const socket = join(other.directory, "proxy.sock");
		await using proxy = await CountingProxy.listen(socket, other.socket);
		const counted = await mountQomfs(socket);
		try {
			for (const place of ["by-type", "by-bus"]) {
				const requests = await proxy.during(() =>
					Promise.all([
						linksIn(counted, `.qomfs/${place}`),
						linksIn(counted, `.qomfs/${place}`),
					]),
				);
				const asked = requests.flatMap(({ command, args }) =>
					command === "qom-list"
						? [String(args.path)]
						: command === "qom-list-get"
							? (args.paths as string[])
							: [],
				);
				expect(asked.length).toBeGreaterThan(20);
				expect(asked.toSorted()).toEqual([...new Set(asked)].toSorted());
				const types = await typesOfObjects(qmp);
				expect(
					asked.filter((path) => types.get(path) === "memory-region"),
				).toEqual([]);
			}
		} finally {
			await counted.unmount();
			await other.stop();
		}
	});
});
