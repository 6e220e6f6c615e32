/** `qom-set`: sets properties from what a user would naturally write. */
import {
	NoMatchError,
	QomError,
	QomfsError,
	UsageError,
	ValueError,
} from "../errors.ts";
import { incomplete, kindOfValue } from "../qom/codec.ts";
import { objectTypeOf, propertyValue } from "../qom/contents.ts";
import { isPattern } from "../qom/pattern.ts";
import {
	firstKnown,
	type Reading,
	readingsOf,
	type SelectedProperty,
	selectProperties,
} from "../qom/select.ts";
import type { QomSource } from "../qom/source.ts";
import { write } from "../qom/write.ts";
import { type MachineFlags, withMachine } from "./openMachine.ts";
import { print } from "./output.ts";

export interface SetFlags extends MachineFlags {
	readonly unsafeWrites?: true;
}

/**
 * @param words `PATH.PROPERTY VALUE` or `PATH PROPERTY VALUE`
 * @throws QomfsError
 */
export function runSet(
	words: readonly string[],
	flags: SetFlags,
): Promise<void> {
	const [readings, text] = readWords(words);
	return withMachine(flags, async ({ source }) => {
		for (const property of await firstKnown(readings, (reading) =>
			select(source, reading),
		)) {
			await setProperty(source, property, text, flags);
			print("{}"); // what QEMU returns, and its own tool prints
		}
	});
}

function readWords(
	words: readonly string[],
): [readings: readonly Reading[], text: string] {
	const [first = "", second = "", third] = words;
	if (words.length > 3)
		throw new UsageError(
			`'${words[3]}' is one word too many; quote a value that has blanks`,
		);
	return third === undefined
		? [readingsOf(first), second]
		: [[{ object: first, property: second }], third];
}

/** QEMU itself says that there is no such property, where it was named in full. */
async function select(
	source: QomSource,
	reading: Reading,
): Promise<readonly SelectedProperty[]> {
	try {
		return await selectProperties(source, reading);
	} catch (error) {
		const { object, property } = reading;
		const isCertain = !isPattern(object) && !isPattern(property);
		if (!(error instanceof NoMatchError) || !isCertain) throw error;
		await source.get(object, property);
		throw error;
	}
}

async function setProperty(
	source: QomSource,
	{ object, info, contents }: SelectedProperty,
	text: string,
	{ unsafeWrites }: SetFlags,
): Promise<void> {
	const current = await propertyValue(source, object, info.name, contents);
	try {
		const set = await write(source, {
			object,
			info,
			text,
			kind: current instanceof QomError ? undefined : kindOfValue(current),
			isUnsafe: unsafeWrites === true,
			unsafeHint: "--unsafe-writes sets it all the same",
			objectType: await objectTypeOf(source, object, contents),
		});
		if (set === incomplete) throw new ValueError("the JSON is not complete");
	} catch (error) {
		if (!(error instanceof ValueError)) throw error;
		throw new QomfsError(`${object}.${info.name}: ${error.message}`, {
			cause: error,
		});
	}
}
