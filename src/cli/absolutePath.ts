/** Partial paths: QEMU takes `net0` for the one object whose path ends so. */
import { type QomPath, rootPath } from "../qom/path.ts";
import { isPattern } from "../qom/pattern.ts";
import { selectObjects } from "../qom/select.ts";
import type { QomSource } from "../qom/source.ts";
import { walk } from "../qom/walk.ts";

/**
 * The whole path of an object, for what is printed has to be of use elsewhere.
 *
 * @throws QomError none or several objects fit a partial path
 */
export async function absolutePath(
	source: QomSource,
	path: string,
): Promise<QomPath> {
	if (path.startsWith("/")) return path.replace(/(?<=.)\/+$/, "");
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
	const objects = await allObjects(source);
	return objects.filter((object) => object.endsWith(`/${path}`));
}

export async function allObjects(
	source: QomSource,
): Promise<readonly QomPath[]> {
	const found = await Array.fromAsync(walk(source, rootPath));
	return found.map(({ path }) => path);
}
