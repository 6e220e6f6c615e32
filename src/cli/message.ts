/** Errors as one line for people. */
import { QomfsError } from "../errors.ts";

/** What a user reads of an error. Only ours explain themselves. */
export function oneLine(error: unknown): string {
	if (error instanceof QomfsError) return printable(error.message);
	const { message, syscall } = error as NodeJS.ErrnoException;
	if (syscall === "uv_cwd")
		return "the current directory is gone; change to another one";
	return printable(
		`internal error: ${message ?? error}; DEBUG=qomfs:* shows where`,
	);
}

/** Text on one line: a newline or an escape sequence in a name must not reach the terminal. */
export function printable(text: string): string {
	return text.replace(
		/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu,
		(controls) => (/^\n+$/.test(controls) ? " " : "?"),
	);
}
