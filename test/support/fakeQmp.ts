/** A QMP server out of thin air, in QEMU's words. It follows no links. */
import { CommandError } from "../../src/errors.ts";
import type { Json, JsonObject } from "../../src/json.ts";
import type { QmpExecutor } from "../../src/qmp/requestQueue.ts";

/** Path of an object -> its properties, `[name, type, value]`. */
export type FakeObjects = Readonly<
	Record<
		string,
		readonly (readonly [name: string, type: string, value: Json])[]
	>
>;

export class FakeQmp implements QmpExecutor {
	readonly #objects: ReadonlyMap<string, Map<string, [string, Json]>>;
	readonly #hasListGet: boolean;

	/** @param hasListGet as QEMU has it from 10.1 on */
	constructor(objects: FakeObjects, hasListGet: boolean) {
		this.#hasListGet = hasListGet;
		this.#objects = new Map(
			Object.entries(objects).map(([path, properties]) => [
				path,
				new Map(properties.map(([name, type, value]) => [name, [type, value]])),
			]),
		);
	}

	async execute(command: string, args: JsonObject = {}): Promise<Json> {
		const path = String(args.path);
		const property = String(args.property);
		switch (command) {
			case "qom-list":
				return this.#list(command, path).map(({ name, type }) => ({
					name,
					type,
				}));
			case "qom-list-get":
				if (!this.#hasListGet) break;
				return (args.paths as readonly string[]).map((path) => ({
					properties: this.#list(command, path),
				}));
			case "qom-get":
				return this.#property(command, path, property)[1];
			case "qom-set":
				return this.#set(path, property, args.value ?? null);
			case "qom-list-types":
				return types.filter(
					({ name, parent }) =>
						args.implements === undefined ||
						[name, parent].includes(String(args.implements)),
				);
			case "device-list-properties":
			case "qom-list-properties":
				return [
					{ name: "max-bytes", type: "uint64", description: "of entropy" },
				];
		}
		throw new CommandError(
			command,
			"CommandNotFound",
			`The command ${command} has not been found`,
		);
	}

	#list(command: string, path: string) {
		return [...this.#object(command, path)].map(([name, [type, value]]) => ({
			name,
			type,
			value,
		}));
	}

	#object(command: string, path: string): Map<string, [string, Json]> {
		const object = this.#objects.get(path);
		if (object) return object;
		throw new CommandError(
			command,
			"DeviceNotFound",
			`Device '${path}' not found`,
		);
	}

	#property(command: string, path: string, name: string): [string, Json] {
		const property = this.#object(command, path).get(name);
		if (property) return property;
		throw refused(command, `Property 'fake.${name}' not found`);
	}

	#set(path: string, name: string, value: Json): Json {
		const property = this.#property("qom-set", path, name);
		if (name === "type")
			throw refused("qom-set", "Property 'fake.type' is not writable");
		if (property[0] === "int" && typeof value !== "number")
			throw refused(
				"qom-set",
				`Invalid parameter type for '${name}', expected: integer`,
			);
		property[1] = value;
		return {};
	}
}

const types = [
	{ name: "object", abstract: true },
	{ name: "device", parent: "object", abstract: true },
	{ name: "virtio-rng-pci", parent: "device" },
	{ name: "iothread", parent: "object" },
];

function refused(command: string, desc: string): CommandError {
	return new CommandError(command, "GenericError", desc);
}
