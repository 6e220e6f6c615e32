/**
 * Text for people. A name, a value or a message comes from a guest or from whoever answers on the
 * socket, and must neither control the terminal nor change the order of what is read.
 */
import { QomfsError } from "../errors.ts";

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

/** What a user reads of an error, on one line. Only our own errors explain themselves. */
export function errorLine(error: unknown): string {
	if (error instanceof QomfsError) return onOneLine(error.message);
	const { message, syscall, code } = error as NodeJS.ErrnoException;
	if (code === "EMFILE")
		return "too many open files: 'ulimit -n' allows too few; 64 are enough";
	if (syscall === "uv_cwd")
		return "the current directory is gone; change to another one";
	return onOneLine(
		`internal error: ${message ?? error}; DEBUG=qomfs:* shows where`,
	);
}

/** For what a user should know, though nothing has failed. */
export function noteLine(note: string): string {
	return `qomfs: ${onOneLine(note)}\n`;
}
