/** The types of arguments in the schema of a QEMU. */

/** A type of arguments or of their members. */
export type SchemaType =
	| SimpleType
	| EnumType
	| ArrayType
	| ObjectType
	| AlternateType;

/** A type without parts; `any` is any JSON value. */
export interface SimpleType {
	readonly kind: "string" | "integer" | "number" | "boolean" | "null" | "any";
}

/** One of some strings. */
export interface EnumType {
	readonly kind: "enum";
	readonly values: readonly string[];
}

/** A list of values of one type. */
export interface ArrayType {
	readonly kind: "array";
	readonly element: SchemaType;
}

/** An object, or the arguments of a command. */
export interface ObjectType {
	readonly kind: "object";
	readonly members: readonly Member[];
	/** The member whose value selects a variant, which adds members. */
	readonly tag: string | undefined;
	/** By the value of the tag. */
	readonly variants: ReadonlyMap<string, () => ObjectType>;
	/** Whether it accepts members that are not in the schema. */
	readonly isOpen: boolean;
}

/** One of several types. The JSON kind of the value tells which. */
export interface AlternateType {
	readonly kind: "alternate";
	readonly alternatives: readonly SchemaType[];
}

/** A member of an object, or an argument of a command. */
export interface Member {
	readonly name: string;
	readonly isOptional: boolean;
	readonly type: SchemaType;
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

/** The object that a value of this type can be; undefined if it cannot be one. */
export function objectIn(type: SchemaType): ObjectType | undefined {
	if (type.kind === "object") return type;
	if (type.kind !== "alternate") return undefined;
	return type.alternatives.map(objectIn).find((object) => object);
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
