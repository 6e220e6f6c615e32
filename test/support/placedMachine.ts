/** A machine with something on every kind of bus, and what its own monitor tells of where that is. */
import type { RawQmp, RawReply } from "./rawQmp.ts";
import { childPath } from "./rawQmp.ts";

const behind = (bus: string, ...devices: string[]): string[] =>
	devices.flatMap((device) => ["-device", `${device},bus=${bus}`]);

export const placedMachine: readonly string[] = [
	...["-M", "q35", "-m", "128", "-object", "iothread,id=io0"],
	...["-blockdev", "null-co,node-name=d0", "-blockdev", "null-co,node-name=d1"],
	...behind(
		"pcie.0",
		"pcie-root-port,id=rp0,chassis=1,addr=7",
		"pcie-root-port,id=rp1,chassis=2,addr=8.0,multifunction=on",
		"pcie-root-port,id=rp2,chassis=3,addr=8.1",
		"pci-bridge,id=br0,chassis_nr=7",
		"virtio-scsi-pci,id=scsi0",
		"virtio-serial-pci,id=vs",
		"qemu-xhci,id=xhci",
		"pxb-pcie,id=pxb,bus_nr=80",
	),
	...behind("rp0", "virtio-net-pci,id=net0,mac=52:54:00:00:00:01"),
	...behind("rp2", "virtio-net-pci,id=net1,mac=52:54:00:00:00:02"),
	...behind("br0", "e1000,id=e0,addr=3"),
	...behind("pxb", "pcie-root-port,id=rp9,chassis=9"),
	...behind("rp9", "virtio-rng-pci,id=rng9"),
	...behind("scsi0.0", "scsi-hd,id=sd0,drive=d0,channel=0,scsi-id=2,lun=1"),
	...behind("ide.3", "ide-hd,id=ide0,drive=d1"),
	...behind("vs.0", "virtserialport,nr=3"),
	...behind(
		"xhci.0",
		"usb-kbd,id=kbd",
		"usb-hub,id=hub,port=2",
		"usb-mouse,id=mouse,port=2.3",
	),
	...["-device", "isa-serial,id=com"],
];

export interface PciDevice {
	readonly bus: number;
	readonly slot: number;
	readonly function: number;
	readonly qdev_id: string;
	readonly pci_bridge?: { readonly devices?: readonly PciDevice[] };
}

/** Every device of `query-pci`, those behind bridges, too, as lspci(8) names it. */
export async function pciDevices(
	qmp: RawQmp,
): Promise<readonly (readonly [address: string, id: string])[]> {
	const hex = (number: number) => number.toString(16).padStart(2, "0");
	const flat = (devices: readonly PciDevice[]): [string, string][] =>
		devices.flatMap((each) => [
			[`${hex(each.bus)}:${hex(each.slot)}.${each.function}`, each.qdev_id] as [
				string,
				string,
			],
			...flat(each.pci_bridge?.devices ?? []),
		]);
	const buses = await qmp.execute("query-pci");
	return buses.flatMap(({ devices }: RawReply) => flat(devices));
}

/** What the human monitor prints. */
export function monitorText(qmp: RawQmp, command: string): Promise<string> {
	return qmp.execute("human-monitor-command", { "command-line": command });
}

/** Of devices with an id in `info qtree`: all lines below the id that match, by a form with one group. */
export function toldByQtree(
	text: string,
	form: RegExp,
): ReadonlyMap<string, string> {
	const found = new Map<string, string>();
	let id = "";
	for (const line of text.split("\r\n")) {
		id = /^ +dev: .*, id "(.*)"$/.exec(line)?.[1] ?? id;
		const value = form.exec(line)?.[1];
		if (value !== undefined && id !== "") found.set(id, value);
	}
	return found;
}

/** Path -> type of every object but the root, by recursion: what `/machine/unattached` holds, too. */
export async function typesOfObjects(
	qmp: RawQmp,
	path = "/",
	found = new Map<string, string>(),
): Promise<ReadonlyMap<string, string>> {
	for (const { name, type } of await qmp.execute("qom-list", { path })) {
		const child = /^child<(.*)>$/.exec(type)?.[1];
		if (child === undefined) continue;
		found.set(childPath(path, name), child);
		await typesOfObjects(qmp, childPath(path, name), found);
	}
	return found;
}
