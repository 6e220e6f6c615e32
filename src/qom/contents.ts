/** What an object holds, completed where QEMU gives it piece by piece. */
import { QomError, type Refusal } from "../errors.ts";
import type { Json } from "../json.ts";
import { isSecret } from "./guard.ts";
import { inOrder } from "./inOrder.ts";
import type { QomPath } from "./path.ts";
import type { ObjectContents, PropertyInfo, QomSource } from "./source.ts";
import { parseType } from "./types.ts";

/** @throws QomError "no such object" */
export async function contentsOf(
	source: QomSource,
	path: QomPath,
): Promise<ObjectContents> {
	const contents = (await source.contents([path])).get(path);
	if (!contents || contents instanceof QomError) throw contents;
	return contents;
}

/**
 * The type of an object; undefined where QEMU does not tell.
 *
 * @param contents of the object, where they were just asked for
 */
export async function objectTypeOf(
	source: QomSource,
	path: QomPath,
	contents?: ObjectContents,
): Promise<string | undefined> {
	const type = await propertyValue(source, path, "type", contents);
	return typeof type === "string" ? type : undefined;
}

/**
 * One property's value, or why QEMU refuses it.
 *
 * @param contents of the object, where they were just asked for
 */
export async function propertyValue(
	source: QomSource,
	path: QomPath,
	name: string,
	contents?: ObjectContents,
): Promise<Json | QomError> {
	try {
		return contents?.values.get(name) ?? (await source.get(path, name));
	} catch (error) {
		if (error instanceof QomError) return error;
		throw error;
	}
}

/** Takes the place of a secret. */
export const redacted = Symbol("redacted");

/** A value for others to see, or why QEMU refuses it. */
export type ShownValue = Json | QomError | typeof redacted;

/** A property with its value, for others to see. */
export interface ShownProperty extends PropertyInfo {
	readonly value: ShownValue;
}

/** Like {@link propertyValue}, without secrets. */
export async function shownValue(
	source: QomSource,
	path: QomPath,
	name: string,
	contents: ObjectContents,
): Promise<ShownValue> {
	const hides =
		isSecret(undefined, name) &&
		isSecret(await objectTypeOf(source, path, contents), name);
	return hides ? redacted : propertyValue(source, path, name, contents);
}

/** A value in a document. */
export type ValueDocument = {
	/** Null for a secret; missing where it cannot be read. */
	readonly value?: Json;
	readonly redacted?: true;
	/** In the words of whoever refused to read it. */
	readonly error?: string;
	/** What kind of refusal that is. */
	readonly refusal?: Refusal;
};

/** The members that stand for a value in a document. */
export function shownJson(value: ShownValue): ValueDocument {
	if (value === redacted) return { value: null, redacted: true };
	return value instanceof QomError
		? { error: value.desc, refusal: value.refusal }
		: { value };
}

/** A single value that somebody else wants does not wait for more than these. */
const maxValuesAtOnce = 8;

/**
 * All properties but the children, with their values, in QEMU's order.
 *
 * @param see gives a value, or hides it
 */
export async function* shownProperties(
	source: QomSource,
	path: QomPath,
	contents: ObjectContents,
	see: typeof shownValue = shownValue,
): AsyncGenerator<ShownProperty> {
	const shown = contents.properties.filter(
		({ type }) => parseType(type).kind !== "child",
	);
	yield* inOrder(shown, maxValuesAtOnce, async ({ name, type }) => ({
		...{ name, type },
		value: await see(source, path, name, contents),
	}));
}
