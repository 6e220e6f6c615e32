/** The objects and properties that a user may have meant by a path that QEMU refused. */
import { type QomError, QomfsError } from "../errors.ts";
import { nearest } from "../nearest.ts";
import { choicesOf } from "../qom/choices.ts";
import {
	joinPath,
	pathNames,
	type QomPath,
	rootPath,
	splitPath,
} from "../qom/path.ts";
import { readingsOf } from "../qom/select.ts";
import type { QomSource } from "../qom/source.ts";
import { parseType } from "../qom/types.ts";
import { pathsWithin } from "../qom/walk.ts";
import { objectsEndingIn } from "./absolutePath.ts";

const mostNamed = 3;

/** The error, with the nearest names if QEMU does not know a name, or with all if it is ambiguous. */
export async function withNearest(
	source: QomSource,
	error: QomError,
): Promise<Error> {
	const { refusal, path, property } = error;
	if (refusal === "invalid" && property !== undefined) {
		const choices = await choicesOf(source, path, property).catch(() => []);
		if (choices.length === 0) return error;
		return new QomfsError(`${error.message}; it takes ${choices.join(", ")}`, {
			cause: error,
		});
	}
	const found = await candidates(source, error).catch(
		(): readonly string[] => [],
	);
	if (found.length === 0) return error;
	// It is there all the same: QEMU takes every slash for the end of a name.
	if (refusal === "no such object" && found.includes(path))
		return new QomfsError(
			`${error.message}; its name holds a slash, so no path leads to it`,
			{ cause: error },
		);
	const names = found.slice(0, mostNamed).join(", ");
	const more = found.length > mostNamed ? ", ..." : "";
	return new QomfsError(`${error.message}; there is ${names}${more}`, {
		cause: error,
	});
}

async function candidates(
	source: QomSource,
	{ refusal, path, property, desc }: QomError,
): Promise<readonly string[]> {
	if (refusal === "no such property" && property !== undefined) {
		const entries = await source.list(path);
		return nearest(
			property,
			entries.map(({ name }) => name),
		);
	}
	if (path === "") return [];
	if (/^Path '.*' is ambiguous$/s.test(desc))
		return objectsEndingIn(source, path);
	if (refusal !== "no such object") return [];
	const known = await propertyNamed(source, path);
	if (known) return [known];
	const siblings = path.startsWith("/") ? await nearSiblings(source, path) : [];
	return siblings.length > 0 ? siblings : nearAnywhere(source, path);
}

/** For `net0.mac` in the place of an object. */
async function propertyNamed(
	source: QomSource,
	path: QomPath,
): Promise<string | undefined> {
	if (!/\../.test(path)) return undefined;
	for (const { object, property } of readingsOf(path)) {
		const entries = await source.list(object).catch(() => []);
		if (entries.some(({ name }) => name === property))
			return `${object} with the property ${property}`;
	}
	return undefined;
}

/** Names like the first missing name of a path, in the object that lacks it. */
async function nearSiblings(
	source: QomSource,
	path: QomPath,
): Promise<readonly QomPath[]> {
	let object = rootPath;
	for (const name of pathNames(path)) {
		const names = (await source.list(object))
			.filter(({ type }) => parseType(type).kind !== "value")
			.map((entry) => entry.name);
		if (!names.includes(name))
			return nearest(name, names).map((near) => joinPath(object, near));
		object = joinPath(object, name);
	}
	return [];
}

/** Objects anywhere whose own name is like the last name of a path. */
async function nearAnywhere(
	source: QomSource,
	path: QomPath,
): Promise<readonly QomPath[]> {
	const objects = await pathsWithin(source, rootPath);
	const names = new Map(
		objects.map((object) => [object, splitPath(object)[1]]),
	);
	const near = new Set(nearest(splitPath(path)[1], [...names.values()]));
	return objects.filter((object) => near.has(names.get(object) as string));
}
