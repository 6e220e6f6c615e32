/** Partial paths: QEMU takes `net0` for the one object whose path ends so. */
import { type QomPath, rootPath } from "../qom/path.ts";
import type { QomSource } from "../qom/source.ts";
import { walk } from "../qom/walk.ts";

/**
 * The whole path of an object, for what is printed has to be of use elsewhere.
 *
 * @returns a partial path as it is where none or several objects fit: QEMU then says so
 */
export async function absolutePath(
	source: QomSource,
	path: string,
): Promise<QomPath> {
	if (path.startsWith("/")) return path.replace(/(?<=.)\/+$/, "");
	const [found, ...others] = await objectsEndingIn(source, path);
	return found !== undefined && others.length === 0 ? found : path;
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
