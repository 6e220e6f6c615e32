/** `qom-set`: sets properties to values that are written in the natural form. */
import {
	NoMatchError,
	QomError,
	UsageError,
	ValueError,
} from "../../errors.ts";
import type { Json } from "../../json.ts";
import { formatValue, incomplete, kindOfValue } from "../../qom/codec.ts";
import { propertyValue } from "../../qom/contents.ts";
import { isPattern } from "../../qom/pattern.ts";
import { isPlace } from "../../qom/places.ts";
import {
	firstKnown,
	type Reading,
	readingsOf,
	type SelectedProperty,
	selectProperties,
} from "../../qom/select.ts";
import type { QomSource } from "../../qom/source.ts";
import { write } from "../../qom/write.ts";
import type { CommandDefinition, Completer } from "../command.ts";
import {
	completeProperty,
	completePropertyName,
	completeValue,
} from "../completers.ts";
import { type MachineFlags, withSource } from "../openSource.ts";
import { machineOptions, patternHelp, sortOut } from "../options.ts";
import { print } from "../output.ts";
import { refusalsOf, throwRefusals } from "../refusals.ts";
import { onOneLine } from "../text.ts";

interface SetFlags extends MachineFlags {
	readonly dryRun?: true;
	readonly unsafeWrites?: true;
}

/** A value of what the words before name, or the name of a property of that object. */
const completeSecondWord: Completer = async (cursor) => [
	...((await completeValue(cursor)) ?? []),
	...(cursor.words.length > 1
		? []
		: ((await completePropertyName(cursor)) ?? [])),
];

export const command: CommandDefinition<SetFlags> = {
	arguments: [
		{
			name: "<property>",
			help: `PATH.PROPERTY, or PATH PROPERTY; ${patternHelp}`,
			complete: completeProperty,
		},
		{
			name: "<value...>",
			help: "in the natural form: 8K, 0x10, on, text, JSON",
			complete: completeSecondWord,
		},
	],
	usage: "[options] PATH.PROPERTY VALUE | PATH PROPERTY VALUE",
	options: [
		...machineOptions,
		{
			flags: "--unsafe-writes",
			help: "also set what can crash the machine",
		},
		{
			flags: "--dry-run",
			help: "set nothing, but show what would be set",
		},
	],
	prepare: refuseAssignment,
	async run(words, flags) {
		const [readings, text] = readWords(words);
		await withSource(flags, async ({ source }) => {
			const properties = await firstKnown(readings, (reading) =>
				select(source, reading),
			);
			const namesEach =
				properties.length > 1 ||
				flags.dryRun === true ||
				words.slice(0, -1).some(isPattern);
			throwRefusals(
				await refusalsOf(properties, async (property) => {
					const set = formatValue(
						await setProperty(source, property, text, flags),
					);
					const { object, info } = property;
					// For one the reply of QEMU, which its original tool prints.
					print(
						namesEach ? `${object}.${info.name} = ${onOneLine(set)}` : "{}",
					);
				}),
			);
		});
	},
};

/** @throws UsageError for `qom-set net0.bootindex=5` */
function refuseAssignment(words: readonly string[]): readonly string[] {
	const [only = "", ...others] = sortOut(machineOptions, words).others.filter(
		(word) => !word.startsWith("-"),
	);
	const [, property, value] = /^([^=]+)=(.*)$/s.exec(only) ?? [];
	if (property !== undefined && others.length === 0)
		throw new UsageError(
			`write a blank in place of the '=': qom-set ${property} ${value}`,
		);
	return words;
}

/** @throws UsageError */
function readWords(
	words: readonly string[],
): [readings: readonly Reading[], text: string] {
	const [first = "", second = "", third] = words;
	if (words.length > 3)
		throw new UsageError(
			`unexpected argument '${words[3]}'; quote a value that contains spaces`,
		);
	if (third === undefined && !/[./]/.test(first))
		throw new UsageError(
			`the value is missing: qom-set ${first} ${second} VALUE, or qom-set ${first}.PROPERTY VALUE`,
		);
	return third === undefined
		? [readingsOf(first), second]
		: [[{ object: first, property: second }], third];
}

/** If a property that is named in full does not exist, the error is that of QEMU. */
async function select(
	source: QomSource,
	reading: Reading,
): Promise<readonly SelectedProperty[]> {
	try {
		return await selectProperties(source, reading);
	} catch (error) {
		const { object, property } = reading;
		const isCertain =
			!isPattern(object) && !isPattern(property) && !isPlace(object);
		if (!(error instanceof NoMatchError) || !isCertain) throw error;
		await source.get(object, property);
		throw error;
	}
}

async function setProperty(
	source: QomSource,
	{ object, info, contents }: SelectedProperty,
	text: string,
	{ dryRun, unsafeWrites }: SetFlags,
): Promise<Json> {
	// Where it did not come along, it is asked for only if the guard has to know.
	const objectType = contents.values.get("type");
	const current = await propertyValue(source, object, info.name, contents);
	try {
		const set = await write(source, {
			object,
			info,
			text,
			kind: current instanceof QomError ? undefined : kindOfValue(current),
			isDry: dryRun === true,
			isUnsafe: unsafeWrites === true,
			unsafeHint: "--unsafe-writes sets it anyway",
			objectType: typeof objectType === "string" ? objectType : undefined,
		});
		if (set === incomplete) throw new ValueError("the JSON is not complete");
		return set;
	} catch (error) {
		if (!(error instanceof ValueError)) throw error;
		throw new ValueError(`${object}.${info.name}: ${error.message}`);
	}
}
