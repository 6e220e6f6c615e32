/**
 * The one path of a user's write: the guard, the kind of value that the property takes, the
 * user's text as such a value, and one correction if QEMU asks for another kind.
 */
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
import { objectTypeOf } from "./contents.ts";
import { guardReason } from "./guard.ts";
import type { QomPath } from "./path.ts";
import type { PropertyInfo, QomSource } from "./source.ts";
import { parseType } from "./types.ts";

/** How an unset link is shown, and how a user clears one. */
export const unsetLink = "(unset)";

export interface WriteRequest {
	readonly object: QomPath;
	readonly info: PropertyInfo;
	/** What the user has written, without a final newline. */
	readonly text: string;
	/** Kind of the current value; without it the name of the type decides. */
	readonly kind?: ValueKind | undefined;
	/** Sets nothing, but refuses what need not be tried to be refused. */
	readonly isDry?: boolean;
	/** Lifts the guard. */
	readonly isUnsafe?: boolean;
	/** What a user does to lift it, for the message: `--unsafe-writes sets it all the same`. */
	readonly unsafeHint?: string;
	/** Type of the object, where it is known; the source is asked where it is not and it matters. */
	readonly objectType?: string | undefined;
}

/**
 * Sets a property from what a user has written: once, and once more if QEMU asks for another
 * JSON kind, for a refused kind has changed nothing.
 *
 * @returns what was set; `incomplete` when more text has to come first, and nothing was set
 * @throws QomError "guarded", or QEMU's refusal
 * @throws ValueError the text is no value
 */
export async function write(
	source: QomSource,
	request: WriteRequest,
): Promise<Json | typeof incomplete> {
	const { object, info, text, kind } = request;
	const { name, type } = info;
	if (!request.isUnsafe) await checkGuard(source, request);
	if (parseType(type).kind === "link") {
		const target = text === unsetLink ? "" : text;
		if (!request.isDry) await source.set(object, name, target);
		return target;
	}
	const value = parseValue(text, kind ?? kindOfType(type), type);
	if (value === incomplete || request.isDry) return value;
	try {
		await source.set(object, name, value);
		return value;
	} catch (error) {
		if (!(error instanceof QomError)) throw error;
		const other = asExpected(text, value, error);
		if (other === undefined) throw error;
		if (other !== incomplete) await source.set(object, name, other);
		return other;
	}
}

async function checkGuard(
	source: QomSource,
	{ object, info: { name, type }, objectType, unsafeHint }: WriteRequest,
): Promise<void> {
	const reason =
		guardReason(object, undefined, name, type) ??
		guardReason(
			object,
			objectType ?? (await objectTypeOf(source, object)),
			name,
			type,
		);
	if (reason)
		throw new QomError(
			"guarded",
			{ path: object, property: name },
			{
				desc: [`${name} is guarded: ${reason}`, unsafeHint]
					.filter((text) => text !== undefined)
					.join("; "),
			},
		);
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
