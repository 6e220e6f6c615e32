/** Goes through a tree of objects, as `find` does: an object first, then what is below it. */
import { QomError, QomfsError } from "../errors.ts";
import { objectTypeOf } from "./contents.ts";
import { joinPath, type QomPath } from "./path.ts";
import type { ObjectContents, QomSource } from "./source.ts";
import { parseType } from "./types.ts";

export interface WalkedObject {
	readonly path: QomPath;
	/** 0 where the walk began. */
	readonly depth: number;
	/** Undefined where QEMU does not tell. */
	readonly type: string | undefined;
	readonly contents: ObjectContents;
}

/** An object that has yet to be looked at. */
interface Place {
	readonly path: QomPath;
	readonly depth: number;
	/** As its parent says; unknown where the walk began. */
	readonly type?: string;
}

/** The deepest tree that was seen has 12 levels, the largest 30,000 objects. */
const most = { levels: 1000, objects: 250_000 };

/** QEMU does nothing else while it answers; so many objects take it some 40 ms. */
const maxObjectsAtOnce = 128;

/** With so many commands on their way QEMU need not wait for us; others wait for them. */
const maxCommands = 2;

/**
 * An object and all below it, in QEMU's order. What is unplugged meanwhile is left out.
 *
 * @param maxDepth 0: the object alone
 * @throws QomError the first object is not there; QomfsError the tree has no end
 */
export async function* walk(
	source: QomSource,
	start: QomPath,
	maxDepth = Number.POSITIVE_INFINITY,
): AsyncGenerator<WalkedObject> {
	const ahead = source.givesValues
		? await fetchLevels(source, start, maxDepth)
		: new Map<QomPath, ObjectContents>();
	const waiting: Place[] = [{ path: start, depth: 0 }];
	let count = 0;
	for (let next = waiting.pop(); next; next = waiting.pop()) {
		const { path, depth } = next;
		const contents =
			ahead.get(path) ?? (await source.contents([path])).get(path);
		if (!contents || contents instanceof QomError) {
			if (depth === 0) throw contents;
			continue;
		}
		const type = next.type ?? (await objectTypeOf(source, path, contents));
		checkEnd(next, ++count);
		yield { path, depth, type, contents };
		if (depth < maxDepth)
			for (const child of childrenOf(next, contents).reverse())
				waiting.push(child);
	}
}

/**
 * The paths of an object and of all below it.
 *
 * @throws QomError the first object is not there
 */
export async function pathsWithin(
	source: QomSource,
	start: QomPath,
): Promise<readonly QomPath[]> {
	return (await Array.fromAsync(walk(source, start))).map(({ path }) => path);
}

async function fetchLevels(
	source: QomSource,
	start: QomPath,
	maxDepth: number,
): Promise<Map<QomPath, ObjectContents>> {
	const found = new Map<QomPath, ObjectContents>();
	for await (const { path, contents } of walkLevels(source, start, maxDepth))
		found.set(path, contents);
	return found;
}

/** Objects that QEMU was asked for at once. */
interface Asked {
	readonly places: readonly Place[];
	readonly answers: ReturnType<QomSource["contents"]>;
}

/** An object of a tree of which not everything is known yet. */
export interface FoundObject extends WalkedObject {
	/** How many objects are known to be there so far. */
	readonly known: number;
}

/**
 * An object and all below it, level by level, so that a whole tree takes few commands and little of
 * it is kept. QEMU is asked for the next objects while the caller is busy with these. What is
 * unplugged meanwhile is left out, and so is everything where the first object is not there. The type
 * of the first object is not asked for.
 *
 * @param isEntered whether to look into an object of that type; others are left out
 * @throws QomfsError the tree has no end
 */
export async function* walkLevels(
	source: QomSource,
	start: QomPath,
	maxDepth = Number.POSITIVE_INFINITY,
	isEntered: (type: string) => boolean = () => true,
): AsyncGenerator<FoundObject> {
	const waiting: Place[] = [{ path: start, depth: 0 }];
	/** The oldest first. */
	const asked: Asked[] = [];
	let count = 0;
	/** A command that is not full waits for what is under way, which may fill it. */
	const askNext = () => {
		while (
			asked.length < maxCommands &&
			waiting.length >= (asked.length > 0 ? maxObjectsAtOnce : 1)
		) {
			const places = waiting.splice(0, maxObjectsAtOnce);
			const answers = source.contents(places.map(({ path }) => path));
			answers.catch(() => {}); // it is awaited when the caller comes back
			asked.push({ places, answers });
		}
	};
	askNext();
	for (let next = asked[0]; next; next = asked[0]) {
		const answers = await next.answers;
		const { places } = next;
		asked.shift();
		const found = places.flatMap((place) => {
			const contents = answers.get(place.path);
			return !contents || contents instanceof QomError
				? []
				: [{ ...place, contents }];
		});
		for (const place of found) {
			checkEnd(place, ++count);
			if (place.depth < maxDepth)
				for (const child of childrenOf(place, place.contents))
					if (isEntered(child.type)) waiting.push(child);
		}
		askNext();
		const known = asked.reduce(
			(sum, { places }) => sum + places.length,
			count + waiting.length,
		);
		for (const { path, depth, type, contents } of found)
			yield { path, depth, type, contents, known };
	}
}

/** @throws QomfsError no machine is like that */
function checkEnd({ path, depth }: Place, count: number): void {
	if (depth <= most.levels && count <= most.objects) return;
	const above = path.split("/").slice(0, 4).join("/");
	throw new QomfsError(
		depth > most.levels
			? `${above}: objects in objects, more than ${most.levels} levels deep; this is no QEMU`
			: `more than ${most.objects} objects; this is no QEMU`,
	);
}

function childrenOf(
	{ path, depth }: Place,
	{ properties }: ObjectContents,
): (Place & { readonly type: string })[] {
	return properties.flatMap(({ name, type }) => {
		const child = parseType(type);
		if (child.kind !== "child") return [];
		return [{ path: joinPath(path, name), depth: depth + 1, type: child.type }];
	});
}
