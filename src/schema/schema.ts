/**
 * The schema of a QEMU: its commands with their arguments, and its events. It is the reply of
 * `query-qmp-schema` (qapi/introspect.json), where types have numbers as names. Types can contain
 * one another, so they are looked up only when they are used.
 */
import { ProtocolError } from "../errors.ts";
import { isObject, type Json, type JsonObject } from "../json.ts";
import type { ObjectType, SchemaType, SimpleType } from "./types.ts";

/** What a QEMU tells about its own protocol. */
export interface QmpSchema {
	/** In QEMU's order. */
	readonly commandNames: readonly string[];
	readonly eventNames: readonly string[];
	/** The arguments of a command; undefined if there is no such command. */
	argumentsOf(command: string): ObjectType | undefined;
}

/**
 * Reads the reply of `query-qmp-schema`.
 *
 * @throws ProtocolError the reply is not a schema
 */
export function readSchema(reply: Json): QmpSchema {
	if (!Array.isArray(reply)) throw notSchema("it is not an array");
	const entities = reply.filter(isObject);
	const named = (metaType: string) =>
		new Map(
			entities
				.filter((entity) => entity["meta-type"] === metaType)
				.map((entity) => [String(entity.name), entity]),
		);
	const commands = named("command");
	const types = new TypeTable(entities);
	return {
		commandNames: [...commands.keys()],
		eventNames: [...named("event").keys()],
		argumentsOf(command) {
			const entity = commands.get(command);
			if (!entity) return undefined;
			const type = types.object(String(entity["arg-type"]));
			return { ...type, isOpen: takesAnything(command, type) };
		},
	};
}

/**
 * For these commands the schema lists only the arguments that all devices share, and does not say
 * that there are more.
 */
function takesAnything(command: string, { tag }: ObjectType): boolean {
	return (
		command === "device_add" || (command === "netdev_add" && tag === undefined) // before QEMU 5.0
	);
}

/** Types by their names in the reply. */
class TypeTable {
	readonly #entities: ReadonlyMap<string, JsonObject>;
	readonly #types = new Map<string, SchemaType>();

	constructor(entities: readonly JsonObject[]) {
		this.#entities = new Map(
			entities
				.filter(
					({ "meta-type": meta }) => meta !== "command" && meta !== "event",
				)
				.map((entity) => [String(entity.name), entity]),
		);
	}

	/** @throws ProtocolError there is no such type, or it is not an object */
	object(name: string): ObjectType {
		const type = this.#type(name);
		if (type.kind !== "object")
			throw notSchema(`type ${name} is not an object`);
		return type;
	}

	#type(name: string): SchemaType {
		const known = this.#types.get(name);
		if (known) return known;
		const entity = this.#entities.get(name);
		if (!entity) throw notSchema(`no type ${name}`);
		const type = this.#read(entity);
		this.#types.set(name, type);
		return type;
	}

	#read(entity: JsonObject): SchemaType {
		const typeNamed = (name: Json | undefined) => this.#type(String(name));
		switch (entity["meta-type"]) {
			case "builtin":
				return { kind: builtinKind(entity["json-type"]) };
			case "enum":
				return { kind: "enum", values: stringsOf(entity.values) };
			case "array":
				return {
					kind: "array",
					get element() {
						return typeNamed(entity["element-type"]);
					},
				};
			case "alternate": {
				const members = objectsOf(entity.members);
				return {
					kind: "alternate",
					get alternatives() {
						return members.map(({ type }) => typeNamed(type));
					},
				};
			}
			case "object":
				return this.#readObject(entity);
			default:
				throw notSchema(`meta-type ${entity["meta-type"]}`);
		}
	}

	#readObject(entity: JsonObject): ObjectType {
		const typeNamed = (name: Json | undefined) => this.#type(String(name));
		return {
			kind: "object",
			members: objectsOf(entity.members).map((member) => ({
				name: String(member.name),
				isOptional: "default" in member,
				get type() {
					return typeNamed(member.type);
				},
			})),
			tag: typeof entity.tag === "string" ? entity.tag : undefined,
			variants: new Map(
				objectsOf(entity.variants).map((variant) => [
					String(variant.case),
					() => this.object(String(variant.type)),
				]),
			),
			isOpen: false,
		};
	}
}

function builtinKind(jsonType: Json | undefined): SimpleType["kind"] {
	switch (jsonType) {
		case "string":
		case "number":
		case "boolean":
		case "null":
			return jsonType;
		case "int":
			return "integer";
		default:
			return "any";
	}
}

function objectsOf(list: Json | undefined): readonly JsonObject[] {
	return Array.isArray(list) ? list.filter(isObject) : [];
}

function stringsOf(list: Json | undefined): readonly string[] {
	return Array.isArray(list) ? list.map(String) : [];
}

function notSchema(what: string): ProtocolError {
	return new ProtocolError(`the schema that QEMU sent cannot be read: ${what}`);
}
