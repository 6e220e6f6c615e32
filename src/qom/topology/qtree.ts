/**
 * What `info qtree` of QEMU's human monitor tells of where devices sit. QOM does not hold the numbers
 * that the guest's firmware gives to PCI buses (before QEMU 10), nor the ports that QEMU chooses for USB
 * devices.
 */

export interface QtreeBus {
	readonly name: string;
	/** The newest first. */
	readonly devices: readonly QtreeDevice[];
}

export interface QtreeDevice {
	readonly type: string;
	/** Empty where it has none. */
	readonly id: string;
	/** `01:00.0` of a PCI device, `3.1` of a USB device. */
	readonly address?: string;
	readonly buses: readonly QtreeBus[];
}

const busLine = /^( *)bus: (.*)$/;
const deviceLine = /^( *)dev: (.*), id "(.*)"$/;
const pciLine = /^ *class .*, addr ([0-9a-f]{2}:[0-9a-f]{2}\.[0-7]), /;
const usbLine = /^ *addr \d+\.\d+, port ([\d.]+), /;

/** The lines of `info qtree` that {@link readQtree} needs. */
export function shortQtree(text: string): string {
	return text
		.split(/\r?\n/)
		.filter((line) =>
			[busLine, deviceLine, pciLine, usbLine].some((form) => form.test(line)),
		)
		.map((line) => line.replace(/^( *class ).*(, addr \S+, ).*/, "$1$2"))
		.join("\n");
}

interface OpenBus {
	readonly name: string;
	readonly devices: OpenDevice[];
}

interface OpenDevice {
	readonly type: string;
	readonly id: string;
	address?: string;
	readonly buses: OpenBus[];
}

/** The first buses. What does not look as expected is left out. */
export function readQtree(text: string): readonly QtreeBus[] {
	const top: OpenDevice = { type: "", id: "", buses: [] };
	/** What is open at each depth: a device where that is even, a bus where it is odd. */
	const devices: OpenDevice[] = [top];
	const buses: OpenBus[] = [];
	for (const line of text.split(/\r?\n/)) {
		const [, busIndent, name = ""] = busLine.exec(line) ?? [];
		if (busIndent !== undefined) {
			const depth = busIndent.length / 4;
			// A value of several lines can look like a bus, at any indent.
			if (!Number.isInteger(depth)) continue;
			const bus = { name, devices: [] };
			devices[depth]?.buses.push(bus);
			buses[depth] = bus;
			buses.length = depth + 1;
			devices.length = depth + 1;
			continue;
		}
		const [, deviceIndent, type = "", id = ""] = deviceLine.exec(line) ?? [];
		if (deviceIndent !== undefined) {
			const depth = (deviceIndent.length - 2) / 4;
			if (!Number.isInteger(depth) || depth < 0) continue;
			const device = { type, id, buses: [] };
			buses[depth]?.devices.push(device);
			devices[depth + 1] = device;
			devices.length = depth + 2;
			continue;
		}
		const address = (pciLine.exec(line) ?? usbLine.exec(line))?.[1];
		const device = devices.at(-1);
		if (address !== undefined && device) device.address ??= address;
	}
	return top.buses;
}
