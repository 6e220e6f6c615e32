/** The sources that a difference is between, as they are now. */
import { NoMatchError, QomError } from "../errors.ts";
import { describeTypes, type KnownTypes } from "../qom/diff/defaults.ts";
import type { ObjectDocument } from "../qom/objectDocument.ts";
import { type QomPath, rootPath } from "../qom/path.ts";
import { matcher } from "../qom/pattern.ts";
import type { SnapshotOrigin } from "../qom/snapshot/snapshot.ts";
import {
	originOf,
	type SnapshotProgress,
	savedObjects,
} from "../qom/snapshot/take.ts";
import type { QomSource, TypeInfo } from "../qom/source.ts";
import { startPaths } from "./absolutePath.ts";
import { lookTogether } from "./lookTogether.ts";
import { withSource } from "./openSource.ts";

/** What is wanted of a source. */
export interface SideRequest {
	readonly timeout?: number;
	/** Whether the defaults of the types in use matter. */
	readonly defaults?: true;
	/** Whether types are compared, and not objects. */
	readonly types?: true;
}

/** A source as it is now. */
export interface Side extends KnownTypes {
	readonly name: string;
	readonly origin: SnapshotOrigin;
	readonly objects: readonly ObjectDocument[];
	/** Where to look, or why there is nothing. */
	readonly starts: readonly QomPath[] | Error;
}

/** Looks at all sources at the same time. */
export function lookAt(
	names: readonly string[],
	path: string,
	flags: SideRequest,
): Promise<readonly Side[]> {
	return lookTogether(names, (name, onProgress) =>
		look(name, path, flags, onProgress),
	);
}

async function look(
	name: string,
	path: string,
	{ timeout, defaults, types }: SideRequest,
	onProgress: (progress: SnapshotProgress) => void,
): Promise<Side> {
	let side: Side | undefined;
	await withSource(
		{ socket: name, ...(timeout !== undefined && { timeout }) },
		async ({ source, qemu, time }) => {
			const objects = await Array.fromAsync(
				savedObjects(source, { onProgress }),
			);
			const needsTypes = defaults || types;
			const known = types ? await source.types() : [];
			side = {
				...{ name, objects },
				origin: await originOf(source, { qemu, time }),
				starts: types
					? typesNamed(known, path)
					: await startsOf(source, path).catch(asMissing),
				types: known,
				described: needsTypes
					? await describeTypes(source, objects)
					: new Map(),
			};
		},
	);
	return side as Side;
}

/** The names of types that a pattern means; all for the path of everything. */
function typesNamed(
	types: readonly TypeInfo[],
	pattern: string,
): readonly string[] | Error {
	if (pattern === rootPath) return [rootPath];
	const matches = matcher(pattern);
	const names = types.map(({ name }) => name).filter(matches);
	return names.length > 0
		? names
		: new NoMatchError(`${pattern}: no type matches`);
}

/** @throws QomError, NoMatchError there is no such object */
async function startsOf(
	source: QomSource,
	path: string,
): Promise<readonly QomPath[]> {
	const starts = await startPaths(source, path);
	for (const start of starts) await source.list(start);
	return starts;
}

function asMissing(error: unknown): Error {
	if (error instanceof QomError || error instanceof NoMatchError) return error;
	throw error;
}

/**
 * Where to look in any of them.
 *
 * @throws QomfsError none has the path
 */
export function startsIn(
	sides: readonly (Side | undefined)[],
): readonly QomPath[] {
	const all = sides.flatMap((side) => (side ? [side.starts] : []));
	const starts = all.flatMap((each) => (each instanceof Error ? [] : each));
	if (starts.length === 0) throw all.at(-1);
	return starts;
}
