/** The objects that a pattern means. */
import {
	joinPath,
	type QomPath,
	rootPath,
	withoutTrailingSlashes,
} from "./path.ts";
import { isPattern, matchNames } from "./pattern.ts";
import { isPlace, placesOf } from "./places.ts";
import type { QomSource } from "./source.ts";
import { parseType } from "./types.ts";
import { pathsWithin } from "./walk.ts";

/**
 * The objects that a pattern means, in QEMU's order. Names behind a wildcard may be links,
 * which QEMU follows; a wildcard itself means children alone, or there would be no end.
 * What does not begin at the root may be anywhere, or in a directory such as `by-id`.
 *
 * @returns the pattern itself where it has no wildcard, whether that exists or not
 * @throws NoMatchError there is no such name in such a directory
 */
export async function matchObjects(
	source: QomSource,
	pattern: string,
): Promise<readonly QomPath[]> {
	if (isPlace(pattern)) {
		const found = await placesOf(source, pattern);
		const objects = found.map((path) => matchObjects(source, path));
		return (await Promise.all(objects)).flat();
	}
	if (!isPattern(pattern)) return [withoutTrailingSlashes(pattern)];
	const names = pattern.split("/").filter((name) => name !== "");
	if (!pattern.startsWith("/")) names.unshift("**");
	let found: readonly QomPath[] = [rootPath];
	let isCertain = true;
	for (const name of names) {
		if (isCertain && !isPattern(name)) {
			found = found.map((object) => joinPath(object, name));
			continue;
		}
		isCertain = false;
		const next: QomPath[] = [];
		for (const object of found)
			next.push(
				...(name === "**"
					? await pathsWithin(source, object)
					: await entriesOf(source, object, name)),
			);
		found = [...new Set(next)];
	}
	return found;
}

async function entriesOf(
	source: QomSource,
	object: QomPath,
	name: string,
): Promise<QomPath[]> {
	const wanted = isPattern(name) ? ["child"] : ["child", "link"];
	return matchNames(await source.list(object), name)
		.filter(({ type }) => wanted.includes(parseType(type).kind))
		.map((entry) => joinPath(object, entry.name));
}
