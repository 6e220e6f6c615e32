/** Partial paths: for QEMU, `net0` is the one object whose path ends with it. */
import { type QomPath, rootPath, withoutTrailingSlashes } from "../qom/path.ts";
import { isPattern } from "../qom/pattern.ts";
import { isPlace, placesOf } from "../qom/places.ts";
import { selectObjects } from "../qom/select.ts";
import type { QomSource } from "../qom/source.ts";
import { pathsWithin } from "../qom/walk.ts";

/**
 * The absolute path of an object, so that printed paths are useful elsewhere.
 *
 * @throws QomError none or several objects fit a partial path; NoMatchError
 */
export async function absolutePath(
	source: QomSource,
	path: string,
): Promise<QomPath> {
	if (path.startsWith("/")) return withoutTrailingSlashes(path);
	if (isPlace(path)) {
		const [place] = await placesOf(source, path);
		if (place !== undefined) return place;
	}
	const [found, ...others] =
		path === "" ? [] : await objectsEndingIn(source, path);
	if (found === undefined || others.length > 0) await source.list(path); // throws QEMU's reason
	return found ?? path;
}

/**
 * The objects where a command begins: those of a pattern, or that of a path.
 *
 * @throws NoMatchError no object matches; QomError
 */
export async function startPaths(
	source: QomSource,
	path: string,
): Promise<readonly QomPath[]> {
	return isPattern(path)
		? selectObjects(source, path)
		: [await absolutePath(source, path)];
}

/** All objects whose path ends with a partial path. */
export async function objectsEndingIn(
	source: QomSource,
	path: string,
): Promise<readonly QomPath[]> {
	const objects = await pathsWithin(source, rootPath);
	return objects.filter((object) => object.endsWith(`/${path}`));
}
