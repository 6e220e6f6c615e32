/** Words that complete a command line and that only a machine, or a snapshot, knows. */
import { choicesOf } from "../qom/choices.ts";
import { withoutTrailingSlashes } from "../qom/path.ts";
import { isPlace, placeEntries, placeFinders } from "../qom/places.ts";
import { readingsOf } from "../qom/select.ts";
import type { QomSource } from "../qom/source.ts";
import { parseType } from "../qom/types.ts";
import { absolutePath } from "./absolutePath.ts";
import type { Completer } from "./command.ts";

/** Objects. */
export const completeObject: Completer = ({ current, ask }) =>
	ask((source) => objectNames(source, current));

/** `PATH.PROPERTY`. */
export const completeProperty: Completer = ({ current, ask }) =>
	ask((source) => pathsOfProperties(source, current));

/** The properties of the object that the first word names. */
export const completePropertyName: Completer = ({
	words: [object = ""],
	ask,
}) => ask((source) => namesIn(source, object, () => true));

/** The values of a property, where QEMU lists them. */
export const completeValue: Completer = ({ words, ask }) =>
	ask(async (source) => {
		const [first = "", property] = words;
		const readings =
			property === undefined
				? readingsOf(first)
				: [{ object: first, property }];
		for (const reading of readings) {
			const choices = await choicesOf(
				source,
				reading.object,
				reading.property,
			).catch(() => []);
			if (choices.length > 0) return choices;
		}
		return [];
	});

/** Types. */
export const completeType: Completer = ({ ask }) =>
	ask(async (source) => (await source.types()).map(({ name }) => name));

/** Where objects have ids, by which they can be named without a path. */
const idPlaces = ["/machine/peripheral", "/objects", "/chardevs"];

/** Where objects are found by what people know. */
const directories = [...placeFinders.keys()].map((name) => `${name}/`);

/** The objects in the one that is typed so far, each with a slash at its end; else ids. */
async function objectNames(
	source: QomSource,
	current: string,
): Promise<readonly string[]> {
	const parent = current.slice(0, current.lastIndexOf("/") + 1);
	if (isPlace(parent)) {
		const entries = await placeEntries(source, parent);
		if (entries)
			return entries.map(
				({ name, isDirectory }) => `${parent}${name}${isDirectory ? "/" : ""}`,
			);
	}
	const places = parent ? [parent] : idPlaces;
	const names = await Promise.all(
		places.map((place) => namesIn(source, place, isChild)),
	);
	return parent
		? names.flat().map((name) => `${parent}${name}/`)
		: ["/", ...directories, ...names.flat()];
}

/** Behind a dot or a slash the properties of the object that is typed so far, and its children. */
async function pathsOfProperties(
	source: QomSource,
	current: string,
): Promise<readonly string[]> {
	const objects = await objectNames(source, current);
	const separator = Math.max(
		current.lastIndexOf("/"),
		current.lastIndexOf("."),
	);
	if (separator < 0)
		return objects.map((id) => (id.endsWith("/") ? id : `${id}.`));
	const before = current.slice(0, separator + 1);
	const object = before.slice(0, -1) || "/";
	const names = await namesIn(source, object, (type) => !isChild(type));
	return [...objects, ...names.map((name) => before + name)];
}

/** None if there is no such object. */
async function namesIn(
	source: QomSource,
	object: string,
	isWanted: (type: string) => boolean,
): Promise<readonly string[]> {
	try {
		const path = isPlace(object)
			? await absolutePath(source, object)
			: withoutTrailingSlashes(object);
		const entries = await source.list(path);
		return entries.filter(({ type }) => isWanted(type)).map(({ name }) => name);
	} catch {
		return [];
	}
}

function isChild(type: string): boolean {
	return parseType(type).kind === "child";
}
