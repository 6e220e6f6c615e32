/** The values that a property takes, where QEMU lists them. */
import { objectTypeOf } from "./contents.ts";
import type { QomPath } from "./path.ts";
import type { QomSource } from "./source.ts";
import { choicesIn } from "./types.ts";

/** @throws QomError */
export async function choicesOf(
	source: QomSource,
	object: QomPath,
	property: string,
): Promise<readonly string[]> {
	const entries = await source.list(object);
	const info = entries.find(({ name }) => name === property);
	const type = await objectTypeOf(source, object);
	if (!info || type === undefined) return [];
	const { properties } = await source.describe(type);
	return choicesIn(info.type, properties.get(property)?.description);
}
