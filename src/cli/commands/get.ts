/** `qom-get`: reads properties, once or repeatedly. */
import { setTimeout as sleep } from "node:timers/promises";
import {
	NoMatchError,
	QomError,
	TimeoutError,
	UsageError,
} from "../../errors.ts";
import { formatJson, isObject, type Json } from "../../json.ts";
import { formatValue } from "../../qom/codec.ts";
import {
	propertyValue,
	redacted,
	type ShownValue,
	shownJson,
	shownValue,
} from "../../qom/contents.ts";
import { matchObjects } from "../../qom/matchObjects.ts";
import { isPattern } from "../../qom/pattern.ts";
import { isPlace, placeEntries, placesOf } from "../../qom/places.ts";
import {
	firstKnown,
	type Reading,
	readingsOf,
	selectProperties,
} from "../../qom/select.ts";
import type { QomSource } from "../../qom/source.ts";
import { isMeant } from "../../qom/write.ts";
import type { CommandDefinition, Completer } from "../command.ts";
import { completeProperty, completePropertyName } from "../completers.ts";
import { lasting, type MachineFlags, withSource } from "../openSource.ts";
import {
	jsonOption,
	machineOptions,
	parseSeconds,
	patternHelp,
} from "../options.ts";
import { oneLineValue, print } from "../output.ts";
import { refusalsOf, throwRefusals } from "../refusals.ts";

interface GetFlags extends MachineFlags {
	readonly json?: true;
	/** In seconds; true for the default. */
	readonly watch?: number | true;
	readonly until?: string;
	readonly time?: true;
}

/** A word is a property with its path, or the name of a property of the first word. */
const completeWord: Completer = async (cursor) => {
	const paths = await completeProperty(cursor);
	const names =
		cursor.words.length > 0 ? await completePropertyName(cursor) : [];
	return [...(paths ?? []), ...(names ?? [])];
};

export const command: CommandDefinition<GetFlags> = {
	arguments: [
		{
			name: "<property...>",
			help: `PATH.PROPERTY..., or PATH PROPERTY...; ${patternHelp}`,
			complete: completeWord,
		},
	],
	options: [
		...machineOptions,
		jsonOption,
		{
			flags: "--watch [sec]",
			help: "print values again when they change, asking every SEC seconds (default: 1)",
			parse: parseSeconds,
		},
		{
			flags: "--time",
			help: "print the time before each value; JSON of --watch has it anyway",
		},
		{ flags: "--until <value>", help: "wait until it has this value" },
	],
	prepare: withSeconds,
	run: (words, flags) =>
		withSource(
			flags,
			({ source }) => {
				if (isFollowed(flags) && !source.isWritable)
					throw new UsageError(
						"a snapshot never changes; --watch and --until need a running machine",
					);
				return readProperties(source, words, flags);
			},
			isFollowed(flags) ? lasting : {},
		),
};

/** A word behind `--watch` that is no number is the first property. */
function withSeconds(words: readonly string[]): readonly string[] {
	return words.map((word, index) =>
		word === "--watch" && !/^[\d.]+$/.test(words[index + 1] ?? "")
			? `--watch=${watchEverySec}`
			: word,
	);
}

/** A property and its value now. A secret is shown if it is named, and not if a pattern finds it. */
interface Seen extends Reading {
	readonly value: ShownValue;
}

function isFollowed({ watch, until }: GetFlags): boolean {
	return watch !== undefined || until !== undefined;
}

async function readProperties(
	source: QomSource,
	words: readonly string[],
	flags: GetFlags,
): Promise<void> {
	const wanted = await readingsWanted(source, words);
	const isOne = wanted.length === 1 && !words.some(isPattern);
	const show = (seen: Seen) => print(shown(seen, isOne, flags));
	const followed: Seen[] = [];
	throwRefusals(
		await refusalsOf(wanted, async (readings) => {
			for (const seen of await see(source, readings)) {
				if (!isFollowed(flags) || flags.watch !== undefined) show(seen);
				if (isFollowed(flags)) followed.push(seen);
			}
		}),
	);
	if (isFollowed(flags)) await follow(source, followed, flags, show);
}

/** How each word can be read, or each property of one object. */
async function readingsWanted(
	source: QomSource,
	words: readonly string[],
): Promise<readonly (readonly Reading[])[]> {
	const [object = "", ...properties] = words;
	const isOneObject =
		properties.length > 0 &&
		!properties.some((property) => property.includes("/")) &&
		(!properties.some((property) => property.includes(".")) ||
			(await isThere(source, object)));
	return isOneObject
		? properties.map((property) => [{ object, property }])
		: words.map(readingsOf);
}

async function isThere(source: QomSource, object: string): Promise<boolean> {
	if (isPattern(object) || isPlace(object))
		return matchObjects(source, object).then(
			(objects) => objects.length > 0,
			(error) => {
				if (error instanceof NoMatchError) return false;
				throw error;
			},
		);
	return source.list(object).then(
		() => true,
		(error) => {
			if (error instanceof QomError) return false;
			throw error;
		},
	);
}

/** The properties that one word means, with their values. */
function see(
	source: QomSource,
	readings: readonly Reading[],
): Promise<readonly Seen[]> {
	const known = firstKnown(readings, async ({ object, property }) => {
		if (!isPattern(object) && !isPattern(property)) {
			const [path = object] = await matchObjects(source, object);
			const value = await source.get(path, property);
			return [{ object: path, property, value }];
		}
		const seen: Seen[] = [];
		for (const selected of await selectProperties(source, {
			object,
			property,
		})) {
			const { object: path, info, contents } = selected;
			seen.push({
				object: path,
				property: info.name,
				value: await shownValue(source, path, info.name, contents),
			});
		}
		return seen;
	});
	return known.catch(async (error) => {
		throw (await placeWithoutProperty(source, readings)) ?? error;
	});
}

/** An address has dots, so what stands behind the last one was taken for a property. */
async function placeWithoutProperty(
	source: QomSource,
	readings: readonly Reading[],
): Promise<UsageError | undefined> {
	const { object, property } = readings.at(-1) ?? { object: "", property: "" };
	const word = `${object}/${property}`;
	if (!isPlace(word) || isPattern(word)) return undefined;
	if (await placeEntries(source, word))
		return new UsageError(
			`${word} is a directory of objects; write ${word}/NAME.PROPERTY, or ${word}/*.PROPERTY for all`,
		);
	const objects = await placesOf(source, word).catch(() => []);
	return objects.length > 0
		? new UsageError(
				`${word} is an object; write ${word}.PROPERTY, or 'qom-list ${word}' for all of it`,
			)
		: undefined;
}

const watchEverySec = 1;
const waitEverySec = 0.1;

/** @throws TimeoutError it did not reach the value in time */
async function follow(
	source: QomSource,
	followed: Seen[],
	flags: GetFlags,
	show: (seen: Seen) => void,
): Promise<void> {
	const { until, watch = waitEverySec, timeout } = flags;
	const everyMs = (watch === true ? watchEverySec : watch) * 1000;
	const endMs =
		until === undefined || timeout === undefined
			? Number.POSITIVE_INFINITY
			: performance.now() + timeout * 1000;
	for (;;) {
		if (until !== undefined && followed.every((seen) => isValue(seen, until)))
			break;
		if (performance.now() >= endMs)
			throw new TimeoutError(
				`${followed.map(label).join(", ")} did not become ${until} within ${timeout} s`,
			);
		await sleep(everyMs);
		for (const [index, before] of followed.entries()) {
			const { object, property } = before;
			if (before.value === redacted) continue;
			const value = await propertyValue(source, object, property);
			const now = { object, property, value };
			followed[index] = now;
			if (flags.watch !== undefined && text(now) !== text(before)) show(now);
		}
	}
	if (flags.watch === undefined) for (const seen of followed) show(seen);
}

function isValue({ value }: Seen, wanted: string): boolean {
	return (
		value !== redacted && !(value instanceof QomError) && isMeant(wanted, value)
	);
}

function label({ object, property }: Reading): string {
	return `${object}.${property}`;
}

function text({ value }: Seen): string {
	return formatJson(shownJson(value));
}

function shown(seen: Seen, isOne: boolean, flags: GetFlags): string {
	const { object, property, value } = seen;
	const { json, time, watch } = flags;
	const now = new Date().toISOString();
	const isBare = isOne && value !== redacted && !(value instanceof QomError);
	if (json)
		return formatJson(
			isBare && watch === undefined
				? value
				: {
						...(watch !== undefined && { time: now }),
						...{ path: object, property },
						...shownJson(value),
					},
		);
	if (isBare && !time) return linesOf(value);
	return [
		...(time ? [`${now} `] : []),
		...(isBare ? [] : [`${label(seen)}:`]),
		oneLineValue(value),
	].join(" ");
}

/** As QEMU's original tool prints it: a struct member by member. */
function linesOf(value: Json): string {
	if (!isObject(value)) return formatValue(value);
	return Object.entries(value)
		.map(([key, member]) => `${key}: ${formatValue(member)}`)
		.join("\n");
}
