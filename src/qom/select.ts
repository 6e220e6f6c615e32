/**
 * Which properties a user means by `PATH.PROPERTY`, `PATH/PROPERTY` or a pattern. Names hold
 * dots on either side of the one that separates them (`/machine/q35/pcie.0.realized`), so
 * the machine is asked, not the last dot.
 */
import { NoMatchError, QomError, UsageError } from "../errors.ts";
import { contentsOf } from "./contents.ts";
import { matchObjects } from "./matchObjects.ts";
import type { QomPath } from "./path.ts";
import { matchNames } from "./pattern.ts";
import type { ObjectContents, PropertyInfo, QomSource } from "./source.ts";
import { parseType } from "./types.ts";

/** One way to read what a user wrote; both may be patterns. */
export interface Reading {
	readonly object: QomPath;
	readonly property: string;
	/** A slash stands between them, as in a mount. */
	readonly isPath?: true;
}

export interface SelectedProperty {
	readonly object: QomPath;
	readonly info: PropertyInfo;
	/** Of the object, as they were when it was looked at. */
	readonly contents: ObjectContents;
}

/**
 * All ways to read `PATH.PROPERTY`, the likeliest first.
 *
 * @throws UsageError there is none
 */
export function readingsOf(text: string): readonly Reading[] {
	const slash = text.lastIndexOf("/");
	const readings: Reading[] = [];
	for (
		let dot = text.lastIndexOf(".");
		dot > Math.max(slash, 0);
		dot = text.lastIndexOf(".", dot - 1)
	)
		readings.push({
			object: text.slice(0, dot),
			property: text.slice(dot + 1),
		});
	if (slash >= 0)
		readings.push({
			object: text.slice(0, slash) || "/",
			property: text.slice(slash + 1),
			isPath: true,
		});
	const named = readings.filter(
		({ object, property }) => object !== "" && property !== "",
	);
	if (named.length === 0)
		throw new UsageError(
			`'${text}' names no property; write PATH.PROPERTY or PATH PROPERTY`,
		);
	return named;
}

/**
 * The first reading that the machine knows.
 *
 * @param ask throws a QomError "no such object" or "no such property" where it does not
 * @throws QomError, NoMatchError of the likeliest reading, preferably that only the property
 * is missing
 */
export async function firstKnown<Answer>(
	readings: readonly Reading[],
	ask: (reading: Reading) => Promise<Answer>,
): Promise<Answer> {
	let failure: QomError | NoMatchError | undefined;
	for (const reading of readings)
		try {
			return await ask(reading);
		} catch (error) {
			if (!isUnknown(error)) throw error;
			const isBetter =
				failure &&
				!reading.isPath &&
				missesObject(failure) &&
				!missesObject(error);
			if (!failure || isBetter) failure = error;
		}
	throw failure as QomError;
}

function isUnknown(error: unknown): error is QomError | NoMatchError {
	return (
		error instanceof NoMatchError ||
		(error instanceof QomError && error.refusal.startsWith("no such"))
	);
}

function missesObject(error: QomError | NoMatchError): boolean {
	return error instanceof QomError && error.refusal === "no such object";
}

/**
 * All objects that a path or a pattern means; a path is taken as it is.
 *
 * @throws NoMatchError
 */
export async function selectObjects(
	source: QomSource,
	pattern: string,
): Promise<readonly QomPath[]> {
	const objects = await matchObjects(source, pattern);
	if (objects.length === 0)
		throw new NoMatchError(`${pattern}: no object matches`);
	return objects;
}

/**
 * All properties that one reading means; children only where they are named.
 *
 * @throws QomError no such object; NoMatchError
 */
export async function selectProperties(
	source: QomSource,
	{ object, property }: Reading,
): Promise<readonly SelectedProperty[]> {
	const selected: SelectedProperty[] = [];
	for (const path of await selectObjects(source, object)) {
		const contents = await contentsOf(source, path);
		for (const info of matchNames(contents.properties, property))
			if (info.name === property || parseType(info.type).kind !== "child")
				selected.push({ object: path, info, contents });
	}
	if (selected.length === 0)
		throw new NoMatchError(`${object}: no property matches '${property}'`);
	return selected;
}
