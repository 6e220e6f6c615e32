/** `qom-set`: sets properties from what a user would naturally write. */
import { FileError, QomError, QomfsError, UsageError } from "../errors.ts";
import { incomplete, kindOfType, kindOfValue } from "../qom/codec.ts";
import { propertyValue } from "../qom/contents.ts";
import { guardReason } from "../qom/guard.ts";
import { isPattern } from "../qom/pattern.ts";
import {
	firstKnown,
	NoMatchError,
	type Reading,
	readingsOf,
	type SelectedProperty,
	selectProperties,
} from "../qom/select.ts";
import { setText } from "../qom/setText.ts";
import type { QomSource } from "../qom/source.ts";
import { parseType } from "../qom/types.ts";
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
	return withMachine(flags, async ({ qom }) => {
		for (const property of await firstKnown(readings, (reading) =>
			select(qom, reading),
		)) {
			await setProperty(qom, property, text, flags);
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
	const { name, type } = info;
	const subject = `${object}.${name}`;
	const objectType = contents.values.get("type");
	const reason = guardReason(
		object,
		typeof objectType === "string" ? objectType : undefined,
		name,
		type,
	);
	if (reason && !unsafeWrites)
		throw new QomfsError(
			`${subject} is guarded: ${reason}; --unsafe-writes sets it all the same`,
		);
	const current = await propertyValue(source, object, name, contents);
	const kind =
		(current instanceof QomError ? undefined : kindOfValue(current)) ??
		kindOfType(type);
	const isCleared = parseType(type).kind === "link" && text === unsetLink;
	try {
		const set = await setText(
			{ text: isCleared ? "" : text, kind, type },
			(value) => source.set(object, name, value),
		);
		if (set === incomplete)
			throw new FileError("EINVAL", "the JSON is not complete");
	} catch (error) {
		if (!(error instanceof FileError)) throw error;
		throw new QomfsError(`${subject}: ${error.message}`, { cause: error });
	}
}

/** An unset link, as the mount shows it. */
const unsetLink = "(unset)";
