/** Errors as one line for people. */
import { QomfsError } from "../errors.ts";
import { onOneLine } from "./terminalText.ts";

/** What a user reads of an error. Only ours explain themselves. */
export function oneLine(error: unknown): string {
	if (error instanceof QomfsError) return onOneLine(error.message);
	const { message, syscall } = error as NodeJS.ErrnoException;
	if (syscall === "uv_cwd")
		return "the current directory is gone; change to another one";
	return onOneLine(
		`internal error: ${message ?? error}; DEBUG=qomfs:* shows where`,
	);
}
