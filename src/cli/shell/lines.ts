/** What the two languages of the shell, QMP and the human monitor's, have in common. */
import type { Completion } from "../../schema/completion.ts";

/** The result of a line: `leave` ends the shell. */
export type Outcome = "done" | "refused" | "leave";

/** A language of the shell: it runs lines and completes them. */
export interface ShellLines {
	/** Shown before each line. */
	readonly prompt: string;
	/** Whether the next line belongs to the same command. */
	readonly isInside: boolean;
	/**
	 * Executes one line and prints its result.
	 *
	 * @throws UsageError the line is wrong; DisconnectedError QEMU is not connected
	 */
	run(line: string): Promise<Outcome>;
	/** Discards what earlier lines have begun, and tells whether there was something. */
	abandon(): boolean;
	/**
	 * What can follow the text before the cursor.
	 *
	 * @param line the line up to the cursor
	 */
	complete(line: string): Promise<Completion>;
}

/** Where the shell prints. Each text ends without a newline. */
export interface ShellOutput {
	/** A reply or an event. */
	print(text: string): void;
	/** An error reply. */
	printError(text: string): void;
	/** A message of the shell itself. */
	say(text: string): void;
}

/** How a language prints. */
export interface PrintOptions {
	/** Also shows what is sent. */
	readonly isVerbose: boolean;
	/** Indents JSON. */
	readonly isPretty: boolean;
}
