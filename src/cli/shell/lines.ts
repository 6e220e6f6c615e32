/** What the two languages of the shell have in common: QMP, and the human monitor's. */
import type { Completion } from "../../schema/completion.ts";

/** What has come of a line: `leave` ends the shell. */
export type Outcome = "done" | "refused" | "leave";

export interface ShellLines {
	/** Before each line. */
	readonly prompt: string;
	/**
	 * Executes one line and prints what comes of it.
	 *
	 * @throws UsageError the line is wrong; DisconnectedError QEMU is not there
	 */
	run(line: string): Promise<Outcome>;
	/** Gives up what earlier lines have begun; tells whether there was something. */
	abandon(): boolean;
	/** @param line as far as the cursor */
	complete(line: string): Promise<Completion>;
}

/** Where the shell prints. Each text ends without a newline. */
export interface ShellOutput {
	/** Data. */
	print(text: string): void;
	/** Data too, but nothing to be glad of. */
	printError(text: string): void;
	/** Talk. */
	say(text: string): void;
}

export interface PrintOptions {
	/** Shows what is sent, too. */
	readonly isVerbose: boolean;
	/** Indents JSON. */
	readonly isPretty: boolean;
}
