/**
 * The schema of a QEMU: its commands with their arguments, and its events. It is the reply of
 * `query-qmp-schema` (qapi/introspect.json), where types have numbers as names. Types can contain
 * one another, so they are looked up only when they are used.
 */
import { ProtocolError } from "../errors.ts";
import { isObject, type Json, type JsonObject } from "../json.ts";

export type SchemaType =
	| SimpleType
	| EnumType
	| ArrayType
	| ObjectType
	| AlternateType;

export interface SimpleType {
	readonly kind: "string" | "integer" | "number" | "boolean" | "null" | "any";
}

export interface EnumType {
	readonly kind: "enum";
	readonly values: readonly string[];
}

export interface ArrayType {
	readonly kind: "array";
	readonly element: SchemaType;
}

export interface ObjectType {
	readonly kind: "object";
	readonly members: readonly Member[];
	/** The member whose value selects a variant, which adds members. */
	readonly tag: string | undefined;
	/** By the value of the tag. */
	readonly variants: ReadonlyMap<string, Lazy<ObjectType>>;
	/** Whether it accepts members that are not in the schema. */
	readonly isOpen: boolean;
}

/** One of several types. The JSON kind of the value tells which. */
export interface AlternateType {
	readonly kind: "alternate";
	readonly alternatives: readonly SchemaType[];
}

export interface Member {
	readonly name: string;
	readonly isOptional: boolean;
	readonly type: SchemaType;
}

export interface QmpSchema {
	/** In QEMU's order. */
	readonly commandNames: readonly string[];
	readonly eventNames: readonly string[];
	/** The arguments of a command; undefined if there is no such command. */
	argumentsOf(command: string): ObjectType | undefined;
}

type Lazy<Value> = () => Value;

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

/**
 * The members of an object, including those of the variant that the value of the tag selects.
 *
 * @param tagValue the value of a tag, if it is known
 */
export function membersOf(
	{ members, tag, variants }: ObjectType,
	tagValue: (tag: string) => string | undefined,
): readonly Member[] {
	const value = tag === undefined ? undefined : tagValue(tag);
	const variant = value === undefined ? undefined : variants.get(value);
	return variant ? [...members, ...membersOf(variant(), tagValue)] : members;
}

/**
 * The member of that name. If there is none, `_` also stands for `-`, as in QEMU's original qmp.
 */
export function memberNamed(
	members: readonly Member[],
	name: string,
): Member | undefined {
	const asHyphens = name.replaceAll("_", "-");
	return (
		members.find((member) => member.name === name) ??
		members.find((member) => member.name.replaceAll("_", "-") === asHyphens)
	);
}

/** A type in words: `string`, `on|off`, `array of integer`, `object {a, b?}`, `string or null`. */
export function describeType(type: SchemaType): string {
	switch (type.kind) {
		case "enum":
			return type.values.join("|");
		case "array":
			return `array of ${describeType(type.element)}`;
		case "object": {
			const names = type.members.map(
				({ name, isOptional }) => `${name}${isOptional ? "?" : ""}`,
			);
			if (type.variants.size > 0) names.push("...");
			return `object {${names.join(", ")}}`;
		}
		case "alternate":
			return type.alternatives.map(describeType).join(" or ");
		default:
			return type.kind;
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
