/** Partial paths: QEMU takes `net0` for the one object whose path ends so. */
import { type QomPath, rootPath, withoutTrailingSlashes } from "../qom/path.ts";
import { isPattern } from "../qom/pattern.ts";
import { selectObjects } from "../qom/select.ts";
import type { QomSource } from "../qom/source.ts";
import { pathsWithin } from "../qom/walk.ts";

/**
 * The whole path of an object, for what is printed has to be of use elsewhere.
 *
 * @throws QomError none or several objects fit a partial path
 */
export async function absolutePath(
	source: QomSource,
	path: string,
): Promise<QomPath> {
	if (path.startsWith("/")) return withoutTrailingSlashes(path);
	const [found, ...others] =
		path === "" ? [] : await objectsEndingIn(source, path);
	if (found === undefined || others.length > 0) await source.list(path); // QEMU says why not
	return found ?? path;
}

/**
 * Where a pattern or a path begins.
 *
 * @throws NoMatchError, QomError
 */
export async function startPaths(
	source: QomSource,
	path: string,
): Promise<readonly QomPath[]> {
	return isPattern(path)
		? selectObjects(source, path)
		: [await absolutePath(source, path)];
}

export async function objectsEndingIn(
	source: QomSource,
	path: string,
): Promise<readonly QomPath[]> {
	const objects = await pathsWithin(source, rootPath);
	return objects.filter((object) => object.endsWith(`/${path}`));
}
