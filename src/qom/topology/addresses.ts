/** How the place of a device on its bus is written. docs/explore.md tells it for users. */
import type { Json } from "../../json.ts";
import { naturally } from "../orderedSource.ts";
import { pathNames, type QomPath, splitPath } from "../path.ts";
import type { SurveyedObject } from "./survey.ts";

/** A bus while it is looked at. */
export interface FoundBus {
	readonly object: SurveyedObject;
	readonly kind: string;
	/** In the order in which they came. */
	readonly devices: readonly FoundDevice[];
	/** The device that it belongs to. */
	readonly owner: QomPath | undefined;
}

export interface FoundDevice {
	readonly object: SurveyedObject;
	/** What tells where it is, by the name of the property. */
	readonly values: ReadonlyMap<string, Json>;
	/** Its address, as `info qtree` tells it. */
	told?: string;
	readonly buses: FoundBus[];
}

/** Properties that tell where a device is, by the kind of its bus. */
export const placeProperties: ReadonlyMap<string, readonly string[]> = new Map([
	["pci", ["addr", "busnr"]],
	["usb", ["port"]],
	["i2c", ["address"]],
	["scsi", ["channel", "scsi-id", "lun"]],
	["ide", ["unit"]],
	["isa", ["iobase"]],
	["ssi", ["cs"]],
	["hda", ["cad"]],
	["virtio-serial", ["nr"]],
	["spapr-vio", ["reg"]],
	["ccw", ["devno"]],
]);

/** The addresses of all devices that have one, each once for all buses of a kind. */
export function addressesOf(
	buses: readonly FoundBus[],
): ReadonlyMap<QomPath, string> {
	const found = new Map<QomPath, string>();
	for (const [kind, group] of Map.groupBy(buses, ({ kind }) => kind)) {
		if (kind === "pci") addPci(group, found);
		else addOthers(group, found);
	}
	return found;
}

/** How one kind of bus writes its addresses. */
const forms: ReadonlyMap<string, (values: Values) => string | undefined> =
	new Map([
		["usb", ({ text, told }) => text("port") || told],
		// Only 7 bits: a controller that is a slave itself has 0xff while it has no address.
		[
			"i2c",
			({ number, hex }) =>
				Number(number("address")) < 0x80 ? hex("address", 2) : undefined,
		],
		[
			"scsi",
			({ number }) => {
				const parts = ["channel", "scsi-id", "lun"].map(number);
				return parts.includes(undefined) ? undefined : parts.join(":");
			},
		],
		["ide", ({ number }) => number("unit")],
		["isa", ({ hex }) => hex("iobase", 3)],
		["ssi", ({ number }) => number("cs")],
		["hda", ({ number }) => number("cad")],
		["virtio-serial", ({ number }) => number("nr")],
		["spapr-vio", ({ hex }) => hex("reg", 4)],
		["ccw", ({ text }) => text("devno")],
	]);

/** Whether addresses of a kind of bus are in order as texts, not as numbers. */
export function hasHexAddresses(kind: string): boolean {
	return /^(pci|isa|i2c|spapr-vio|ccw)$/.test(kind);
}

interface Values {
	/** An integer in decimal. */
	readonly number: (name: string) => string | undefined;
	readonly hex: (name: string, digits: number) => string | undefined;
	readonly text: (name: string) => string | undefined;
	readonly told: string | undefined;
}

function valuesOf({ values, told }: FoundDevice): Values {
	const integer = (name: string) => {
		const value = values.get(name);
		const isInteger = typeof value === "number" || typeof value === "bigint";
		// A number that nobody chose is the largest one, or -1.
		return isInteger && value >= 0 && value < 2 ** 32 - 1 ? value : undefined;
	};
	return {
		number: (name) => integer(name)?.toString(),
		hex: (name, digits) => integer(name)?.toString(16).padStart(digits, "0"),
		text: (name) => {
			const value = values.get(name);
			return typeof value === "string" ? value : undefined;
		},
		told,
	};
}

/** `BUS-ADDRESS`: the bus by its name, or where several are called alike by its whole path. */
function addOthers(
	buses: readonly FoundBus[],
	found: Map<QomPath, string>,
): void {
	const names = Map.groupBy(buses, ({ object }) => splitPath(object.path)[1]);
	for (const { object, kind, devices } of buses) {
		const form = forms.get(kind);
		if (!form) continue;
		const [, name] = splitPath(object.path);
		const prefix =
			names.get(name)?.length === 1 ? name : pathNames(object.path).join(":");
		for (const device of devices) {
			const address = form(valuesOf(device));
			if (address !== undefined)
				found.set(device.object.path, `${prefix}-${address}`);
		}
	}
}

/**
 * `BUS:SLOT.FUNCTION` in hexadecimal, as lspci(8) writes it, with the domain before it if there are
 * several. A bus that has no number (yet) is named by the address of its bridge: `00:07.0-00.0`.
 */
function addPci(buses: readonly FoundBus[], found: Map<QomPath, string>): void {
	const members = new Set(
		buses.flatMap(({ devices }) => devices.map(({ object }) => object.path)),
	);
	const roots = buses
		.filter(({ owner }) => owner === undefined || !members.has(owner))
		.toSorted((a, b) => naturally(a.object.path, b.object.path));
	const numbers = new Map<number, number>();
	const domains = roots.map((root) => {
		const number = busNumber(root) ?? 0;
		const domain = numbers.get(number) ?? 0;
		numbers.set(number, domain + 1);
		return domain;
	});
	const hasDomains = domains.some((domain) => domain > 0);
	for (const [index, root] of roots.entries()) {
		const domain = hasDomains ? `${hex(domains[index] ?? 0, 4)}:` : "";
		addPciBus(root, domain, hex(busNumber(root) ?? 0, 2), ":", found);
	}
}

function addPciBus(
	bus: FoundBus,
	domain: string,
	name: string,
	separator: string,
	found: Map<QomPath, string>,
): void {
	for (const device of bus.devices) {
		const place = slotAndFunction(device.values.get("addr"));
		if (place === undefined) continue;
		const address =
			separator === ":" ? `${domain}${name}:${place}` : `${name}-${place}`;
		found.set(device.object.path, address);
		for (const below of device.buses) {
			if (below.kind !== "pci") continue;
			const number = busNumber(below);
			// Zero before the firmware has given it another one.
			if (number) addPciBus(below, domain, hex(number, 2), ":", found);
			else addPciBus(below, domain, address, "-", found);
		}
	}
}

/** As any of its devices says; undefined where none does. */
function busNumber({ devices }: FoundBus): number | undefined {
	for (const { values, told } of devices) {
		const number = values.get("busnr");
		if (typeof number === "number") return number;
		const text = /^([0-9a-f]{2}):/.exec(told ?? "")?.[1];
		if (text !== undefined) return Number.parseInt(text, 16);
	}
	return undefined;
}

/** Of QEMU's `devfn`, which holds both. */
function slotAndFunction(value: Json | undefined): string | undefined {
	if (typeof value !== "number" || value < 0 || value > 255) return undefined;
	return `${hex(value >> 3, 2)}.${value & 7}`;
}

function hex(number: number, digits: number): string {
	return number.toString(16).padStart(digits, "0");
}
