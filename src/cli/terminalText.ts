/**
 * Text for a terminal: a name, a value or a message comes from a guest or from whoever answers on
 * the socket, and must neither control the terminal nor change the order of what is read.
 */

/**
 * The C0 and C1 controls and DEL, U+2028 and U+2029, and the controls of the reading direction
 * (Unicode Standard Annex 9, section 2).
 */
const unsafe =
	/[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

const unsafeRuns = new RegExp(`${unsafe.source}+`, "gu");

/** A carriage return alone would write over the line that it ends. */
const unsafeInLines = new RegExp(`(?![\\n\\t]|\\r\\n)${unsafe.source}`, "gu");

/** The text on one line: newlines become one blank, and other unsafe characters one `?`. */
export function onOneLine(text: string): string {
	return text.replace(unsafeRuns, (run) => (/^\n+$/.test(run) ? " " : "?"));
}

/** The text with its lines and tabs; every unsafe character becomes a `?`. */
export function onLines(text: string): string {
	return text.replace(unsafeInLines, "?");
}
