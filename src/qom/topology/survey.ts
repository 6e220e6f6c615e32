/** Every object of a machine and its type, for as few listings as can be. */
import { QomError } from "../../errors.ts";
import type { Json } from "../../json.ts";
import { joinPath, type QomPath, rootPath } from "../path.ts";
import type { ObjectContents, QomSource } from "../source.ts";
import { parseType } from "../types.ts";
import { walkLevels } from "../walk.ts";

export interface SurveyedObject {
	readonly path: QomPath;
	readonly type: string;
	/** Undefined for those that were not looked into. */
	readonly contents: ObjectContents | undefined;
}

/** They are more than half of all objects, and none has children: 322 machines of QEMU 11.1, 8 of 7.2. */
const childless = /^(memory-region|irq)$/;

/**
 * A parent comes before its children; the root, which has no type, is left out.
 *
 * @param looksInto whether to look into an object that has no children, too
 */
export async function survey(
	source: QomSource,
	looksInto: (type: string) => boolean = () => false,
): Promise<ReadonlyMap<QomPath, SurveyedObject>> {
	const isEntered = (type: string) => !childless.test(type) || looksInto(type);
	const found = new Map<QomPath, SurveyedObject>();
	for await (const { path, type, contents } of walkLevels(
		source,
		rootPath,
		undefined,
		isEntered,
	)) {
		if (type !== undefined) found.set(path, { path, type, contents });
		for (const property of contents.properties) {
			const child = parseType(property.type);
			if (child.kind !== "child" || isEntered(child.type)) continue;
			const place = joinPath(path, property.name);
			found.set(place, { path: place, type: child.type, contents: undefined });
		}
	}
	return found;
}

/** A value of a surveyed object; undefined where it has no such property, or it cannot be read. */
export async function valueIn(
	source: QomSource,
	{ path, contents }: SurveyedObject,
	name: string,
): Promise<Json | undefined> {
	const known = contents?.values.get(name);
	if (known !== undefined) return known;
	if (contents?.properties.every((property) => property.name !== name))
		return undefined;
	try {
		return await source.get(path, name);
	} catch (error) {
		if (error instanceof QomError) return undefined;
		throw error;
	}
}
