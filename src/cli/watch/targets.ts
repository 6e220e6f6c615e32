/** What a user's words mean to watch: properties, objects with all below them, or patterns for either. */
import { NoMatchError, QomError, UsageError } from "../../errors.ts";
import { objectTypeOf } from "../../qom/contents.ts";
import { isClock } from "../../qom/diff/volatile.ts";
import { isSecret } from "../../qom/guard.ts";
import { matchObjects } from "../../qom/matchObjects.ts";
import {
	type QomPath,
	rootPath,
	splitPath,
	withoutTrailingSlashes,
} from "../../qom/path.ts";
import {
	fixedPart,
	isPattern,
	matcher,
	pathMatcher,
} from "../../qom/pattern.ts";
import { isPlace } from "../../qom/places.ts";
import {
	firstKnown,
	type Reading,
	readingsOf,
	selectObjects,
	selectProperties,
} from "../../qom/select.ts";
import type { QomSource } from "../../qom/source.ts";
import type { PlainTarget, WatchTarget } from "../../qom/watcher.ts";
import { absolutePath } from "../absolutePath.ts";

/**
 * Everything but clocks, if there are no words.
 *
 * @throws QomError, NoMatchError a word means nothing; UsageError
 */
export async function targetsOf(
	source: QomSource,
	words: readonly string[],
): Promise<readonly WatchTarget[]> {
	if (words.length === 0) return [treeOf(rootPath)];
	const targets: WatchTarget[] = [];
	for (const word of words)
		if (isPlace(word) && isPattern(word)) {
			await targetsAt(source, word); // tells if there are none
			const find = () => targetsAt(source, word).catch(asUnknown);
			targets.push({ kind: "places", find: async () => (await find()) ?? [] });
		} else targets.push(await targetOf(source, word));
	return targets;
}

/** Those that a pattern means in a directory such as `by-type`, as they are now. */
async function targetsAt(
	source: QomSource,
	word: string,
): Promise<readonly PlainTarget[]> {
	const objects = await matchObjects(source, word).catch(asUnknown);
	if (objects) return objects.map(treeOf);
	const properties = await firstKnown(readingsOf(word), (reading) =>
		selectProperties(source, reading),
	);
	const words = properties.map(({ object, info }) => `${object}.${info.name}`);
	return Promise.all(words.map((each) => propertyTarget(source, each)));
}

async function targetOf(source: QomSource, word: string): Promise<WatchTarget> {
	if (isPattern(word)) return patternTarget(source, word);
	let unknown: unknown;
	try {
		const object = await absolutePath(source, word);
		await source.list(object);
		return treeOf(object);
	} catch (error) {
		asUnknown(error);
		unknown = error;
	}
	if (!/[./]/.test(word)) throw unknown;
	try {
		return await propertyTarget(source, withoutTrailingSlashes(word));
	} catch (error) {
		// Without a dot, rather an object was meant.
		if (!word.includes(".")) asUnknown(error);
		throw word.includes(".") ? error : unknown;
	}
}

/** The property that `PATH.PROPERTY` names. @throws QomError */
export async function propertyTarget(
	source: QomSource,
	word: string,
): Promise<Extract<PlainTarget, { kind: "property" }>> {
	return firstKnown(readingsOf(word), async ({ object, property }) => {
		const path = await absolutePath(source, object);
		const entries = await source.list(path);
		// QEMU's own words for one that is not there.
		if (!entries.some(({ name }) => name === property))
			await source.get(path, property);
		if (isSecret(await objectTypeOf(source, path), property))
			throw new UsageError(`${path}.${property}: secrets are not watched`);
		return { kind: "property", path, property };
	});
}

/** Objects if there are any, else properties. */
async function patternTarget(
	source: QomSource,
	word: string,
): Promise<WatchTarget> {
	const objects = /[./]/.test(word)
		? await matchObjects(source, word)
		: await selectObjects(source, word); // tells if there are none
	if (objects.length > 0) {
		const matches = pathMatcher(word);
		return {
			...treeOf(fixedPart(word)),
			hasObject: (path) => isWithin(path, matches),
		};
	}
	return firstKnown(readingsOf(word), async (reading: Reading) => {
		await selectProperties(source, reading); // tells if there are none
		const object = isPattern(reading.object)
			? reading.object
			: await absolutePath(source, reading.object);
		return {
			kind: "tree",
			start: fixedPart(object),
			isWhole: false,
			hasObject: pathMatcher(object),
			hasProperty: matcher(reading.property),
		};
	});
}

function treeOf(start: QomPath): Extract<PlainTarget, { kind: "tree" }> {
	return {
		...{ kind: "tree", start, isWhole: true },
		hasObject: () => true,
		hasProperty: (name) => !isClock(name),
	};
}

/** Whether an object fits, or is below one that does. */
function isWithin(path: QomPath, matches: (path: QomPath) => boolean): boolean {
	if (matches(path)) return true;
	return path !== rootPath && isWithin(splitPath(path)[0], matches);
}

function asUnknown(error: unknown): undefined {
	if (error instanceof QomError || error instanceof NoMatchError)
		return undefined;
	throw error;
}
