/** Sets a property from what a user has typed. */
import { QomError } from "../errors.ts";
import { formatJson, type Json } from "../json.ts";
import {
	formatValue,
	incomplete,
	kindOfType,
	kindOfValue,
	parseValue,
	type ValueKind,
} from "./codec.ts";

export interface TypedText {
	readonly text: string;
	/** That the value most likely has to be. */
	readonly kind: ValueKind;
	/** Of the property, as QEMU writes it. */
	readonly type: string;
}

/**
 * Sets it once, and once more if QEMU asks for another JSON kind, for a refused kind has
 * changed nothing.
 *
 * @returns what was set; `incomplete` when more text has to come first, and nothing was set
 * @throws FileError the text is no value; whatever `set` throws
 */
export async function setText(
	{ text, kind, type }: TypedText,
	set: (value: Json) => Promise<void>,
): Promise<Json | typeof incomplete> {
	const value = parseValue(text, kind, type);
	if (value === incomplete) return value;
	try {
		await set(value);
		return value;
	} catch (error) {
		if (!(error instanceof QomError)) throw error;
		const other = asExpected(text, value, error);
		if (other === undefined) throw error;
		if (other !== incomplete) await set(other);
		return other;
	}
}

/** Whether a user's text means a value that is there: `on` is true, `8K` is 8192. */
export function isMeant(text: string, value: Json): boolean {
	const kind = kindOfValue(value);
	if (kind === undefined || formatValue(value) === text)
		return formatValue(value) === text;
	const parsed = parseValue(text, kind, kind);
	return parsed !== incomplete && formatJson(parsed) === formatJson(value);
}

/** The same text as the kind that QEMU asked for; undefined where it cannot be that. */
function asExpected(
	text: string,
	refused: Json,
	{ expected }: QomError,
): Json | typeof incomplete | undefined {
	if (expected === undefined) return undefined;
	const kind = kindOfType(expected);
	const value = parseValue(text, kind, expected);
	// The text itself comes back where it cannot be of the kind.
	return value === refused || (value === text && kind !== "string")
		? undefined
		: value;
}
