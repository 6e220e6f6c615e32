/** The buses of a machine, what sits on them, and where. */
import type { Json } from "../../json.ts";
import { naturally } from "../orderedSource.ts";
import { type QomPath, splitPath } from "../path.ts";
import type { QomSource } from "../source.ts";
import { TypeTree } from "../typeTree.ts";
import {
	addressesOf,
	type FoundBus,
	type FoundDevice,
	hasHexAddresses,
	placeProperties,
} from "./addresses.ts";
import { type QtreeBus, type QtreeDevice, readQtree } from "./qtree.ts";
import { type SurveyedObject, survey, valueIn } from "./survey.ts";

export interface Bus {
	readonly path: QomPath;
	readonly name: string;
	readonly type: string;
	/** `pci`, `usb`, `i2c`... */
	readonly kind: string;
	/** In the order of their addresses. */
	readonly devices: readonly Device[];
}

export interface Device {
	readonly path: QomPath;
	readonly type: string;
	/** That its user gave it. */
	readonly id: string | undefined;
	/** Where it is on its bus; of a PCI device `00:03.0`. Undefined where that bus has no addresses. */
	readonly address: string | undefined;
	readonly buses: readonly Bus[];
}

export interface Topology {
	/** Buses that belong to no device of another bus. */
	readonly buses: readonly Bus[];
	/** Devices that sit on no bus: CPUs, memory. */
	readonly loose: readonly Device[];
}

/** What a bus is called by those who use it, by the type that its own comes from. */
const kinds: readonly (readonly [type: string, kind: string])[] = [
	["PCI", "pci"],
	["usb-bus", "usb"],
	["i2c-bus", "i2c"],
	["SCSI", "scsi"],
	["IDE", "ide"],
	["ISA", "isa"],
	["SSI", "ssi"],
	["HDA", "hda"],
	["virtio-serial-bus", "virtio-serial"],
	["spapr-vio-bus", "spapr-vio"],
	["virtual-css-bus", "ccw"],
	["sd-bus", "sd"],
	["virtio-bus", "virtio"],
	["System", "system"],
];

/** @param objects of the source, where they were surveyed already */
export async function topologyOf(
	source: QomSource,
	objects?: ReadonlyMap<QomPath, SurveyedObject>,
): Promise<Topology> {
	const types = new TypeTree(await source.types());
	const surveyed = objects ?? (await survey(source));
	const found = new BusFinder(source, types, surveyed);
	await found.look();
	found.learnFrom(readQtree(await source.qtree()));
	return found.topology();
}

class BusFinder {
	readonly #source: QomSource;
	readonly #types: TypeTree;
	readonly #objects: ReadonlyMap<QomPath, SurveyedObject>;
	readonly #buses: FoundBus[] = [];
	readonly #devices = new Map<QomPath, FoundDevice>();

	constructor(
		source: QomSource,
		types: TypeTree,
		objects: ReadonlyMap<QomPath, SurveyedObject>,
	) {
		this.#source = source;
		this.#types = types;
		this.#objects = objects;
	}

	async look(): Promise<void> {
		for (const object of this.#objects.values()) {
			const ancestry = this.#types.ancestryOf(object.type);
			if (!ancestry.includes("bus")) continue;
			const kind =
				kinds.find(([type]) => ancestry.includes(type))?.[1] ??
				object.type.toLowerCase();
			const bus = {
				...{ object, kind, devices: [] as FoundDevice[] },
				owner: this.#ownerOf(object.path),
			};
			for (const path of await this.#members(object)) {
				const device = this.#objects.get(path);
				if (!device) continue;
				const found = await this.#lookAtDevice(device, kind);
				bus.devices.push(found);
				this.#devices.set(path, found);
			}
			this.#buses.push(bus);
		}
		for (const bus of this.#buses)
			this.#devices.get(bus.owner ?? "")?.buses.push(bus);
	}

	/** The nearest device above. */
	#ownerOf(path: QomPath): QomPath | undefined {
		for (
			let [above] = splitPath(path);
			above !== "/";
			[above] = splitPath(above)
		) {
			const type = this.#objects.get(above)?.type;
			if (type !== undefined && this.#types.isDerived(type, "device"))
				return above;
		}
		return undefined;
	}

	/** The devices of a bus, in the order in which they came. */
	async #members(bus: SurveyedObject): Promise<readonly QomPath[]> {
		const links = (bus.contents?.properties ?? [])
			.filter(
				({ name, type }) =>
					/^child\[\d+\]$/.test(name) && type.startsWith("link<"),
			)
			.map(({ name }) => name)
			.toSorted(naturally);
		const paths: QomPath[] = [];
		for (const name of links) {
			const target = await valueIn(this.#source, bus, name);
			if (typeof target === "string") paths.push(target);
		}
		return paths;
	}

	async #lookAtDevice(
		object: SurveyedObject,
		kind: string,
	): Promise<FoundDevice> {
		const values = new Map<string, Json>();
		for (const name of placeProperties.get(kind) ?? []) {
			const value = await valueIn(this.#source, object, name);
			if (value !== undefined) values.set(name, value);
		}
		return { object, values, buses: [] };
	}

	learnFrom(roots: readonly QtreeBus[]): void {
		const owned = this.#buses.filter(({ owner }) => owner === undefined);
		for (const root of roots) {
			// The first bus of all is an object of another name.
			const bus = owned.find(
				({ object, kind }) =>
					splitPath(object.path)[1] === root.name ||
					(root.name === "main-system-bus" && kind === "system"),
			);
			if (bus) this.#learn(bus, root);
		}
	}

	#learn(bus: FoundBus, told: QtreeBus): void {
		const newest = bus.devices.toReversed();
		const isSame =
			newest.length === told.devices.length &&
			newest.every(
				({ object }, index) => told.devices[index]?.type === object.type,
			);
		for (const [index, device] of newest.entries()) {
			// A device may have come or gone between the two questions.
			const other: QtreeDevice | undefined = isSame
				? told.devices[index]
				: told.devices.find(
						({ type, id }) =>
							id !== "" &&
							id === idOf(device.object.path) &&
							type === device.object.type,
					);
			if (!other) continue;
			if (other.address !== undefined) device.told = other.address;
			for (const below of device.buses) {
				const name = splitPath(below.object.path)[1];
				const toldBelow = other.buses.find((each) => each.name === name);
				if (toldBelow) this.#learn(below, toldBelow);
			}
		}
	}

	topology(): Topology {
		const addresses = addressesOf(this.#buses);
		const isOnBus = (path: QomPath) => this.#devices.has(path);
		const finishedDevice = ({ object, buses }: FoundDevice): Device => ({
			path: object.path,
			type: object.type,
			id: idOf(object.path),
			address: addresses.get(object.path),
			buses: buses.map(finishedBus),
		});
		const finishedBus = ({ object, kind, devices }: FoundBus): Bus => ({
			path: object.path,
			name: splitPath(object.path)[1],
			type: object.type,
			kind,
			devices: devices.map(finishedDevice).sort(orderOn(kind)),
		});
		const loose = [...this.#objects.values()].filter(
			({ path, type }) =>
				!isOnBus(path) && this.#types.isDerived(type, "device"),
		);
		return {
			buses: this.#buses
				.filter(({ owner }) => !isOnBus(owner ?? ""))
				.map(finishedBus),
			loose: loose.map((object) =>
				finishedDevice({ object, values: new Map(), buses: [] }),
			),
		};
	}
}

/** What has no address comes first. */
function orderOn(kind: string): (a: Device, b: Device) => number {
	const compare = hasHexAddresses(kind)
		? (a: string, b: string) => (a < b ? -1 : Number(a > b))
		: naturally;
	return (a, b) =>
		compare(a.address ?? "", b.address ?? "") || naturally(a.path, b.path);
}

/** The id of a device; undefined where its user gave it none. */
function idOf(path: QomPath): string | undefined {
	return /^\/machine\/peripheral\/([^/]+)$/.exec(path)?.[1];
}
