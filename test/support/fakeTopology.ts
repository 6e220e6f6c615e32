/** A machine of buses, out of a short list of objects. */
import type { Json } from "../../src/json.ts";
import { joinPath, splitPath } from "../../src/qom/path.ts";
import type { TypeInfo } from "../../src/qom/source.ts";
import { FakeMachine, type FakeTree } from "./tools.ts";

/** Path -> type, and values by name. A text that begins with a slash is a link. */
export type FakeDevices = Readonly<
	Record<string, readonly [type: string, values?: Record<string, Json>]>
>;

const bases: readonly (readonly [parent: string, ...names: string[]])[] = [
	["object", "device", "bus", "container", "memory-region", "irq"],
	["device", "host", "card", "bridge", "controller"],
	["bus", "System", "PCI", "usb-bus", "i2c-bus", "SCSI", "IDE", "ISA"],
	["PCI", "PCIE"],
];

export class FakeTopology extends FakeMachine {
	readonly #qtree: string;

	constructor(devices: FakeDevices, qtree = "") {
		super(treeOf(devices), true);
		this.#qtree = qtree;
	}

	override async qtree(): Promise<string> {
		return this.#qtree;
	}

	override async types(): Promise<readonly TypeInfo[]> {
		return [
			{ name: "object", parent: undefined, isAbstract: true },
			...bases.flatMap(([parent, ...names]) =>
				names.map((name) => ({ name, parent, isAbstract: false })),
			),
		];
	}
}

function treeOf(devices: FakeDevices): FakeTree {
	const tree: Record<string, (readonly [string, string, Json?])[]> = {
		"/": [["type", "string", "container"]],
	};
	const add = (path: string, type: string): void => {
		if (tree[path]) return;
		const [parent, name] = splitPath(path);
		add(parent, devices[parent]?.[0] ?? "container");
		tree[path] = [["type", "string", type]];
		tree[parent]?.push([name, `child<${type}>`, joinPath(parent, name)]);
	};
	for (const [path, [type, values = {}]] of Object.entries(devices)) {
		add(path, type);
		for (const [name, value] of Object.entries(values))
			tree[path]?.push([name, typeOf(value), value]);
	}
	return tree;
}

function typeOf(value: Json): string {
	if (typeof value !== "string") return "int";
	return value.startsWith("/") ? "link<object>" : "string";
}
