/**
 * A command as data: what it takes, what completes that, and what it does. commander, --help,
 * completion and the manual are made from it.
 */
import type { Command } from "commander";
import type { Machine } from "../machine/machine.ts";
import type { QomSource } from "../qom/source.ts";
import type { ExitStatus } from "./exitStatus.ts";

/** @typeParam Flags the options by commander's names: `--unsafe-writes` is `unsafeWrites` */
export interface CommandDefinition<Flags = unknown> {
	readonly arguments: readonly CommandArgument[];
	readonly options: readonly CommandOption[];
	/** How it is called, if the arguments alone do not say it. */
	readonly usage?: string;
	/** What --help shows below the options. */
	readonly lists?: readonly HelpList[];
	/** Whether options are read only before the first other word, and unknown ones are words. */
	readonly takesAnyWords?: true;
	/** Whether it has a `--help` of its own among its options. */
	readonly hasOwnHelp?: true;
	/** Changes the command line before commander reads it. */
	prepare?(words: readonly string[]): readonly string[];
	/** @throws QomfsError */
	run(
		words: readonly string[],
		flags: Flags,
		invocation: Invocation,
	): Promise<void>;
}

/** An argument that is no option. */
export interface CommandArgument {
	/** `<needed>`, `[optional]`, `<several...>`. */
	readonly name: string;
	readonly help?: string;
	readonly default?: string;
	readonly complete?: Completer;
}

/** An option, with its value if it has one. */
export interface CommandOption {
	/** `-t, --type <type>`. */
	readonly flags: string;
	/** Without it, --help does not show the option. */
	readonly help?: string;
	/** The environment variable that is its default. */
	readonly env?: string;
	/** Options that exclude it, by commander's names. */
	readonly conflicts?: readonly string[];
	/**
	 * The value that a text stands for.
	 *
	 * @param earlier the value so far, if the option was given before
	 * @throws InvalidArgumentError
	 */
	parse?(text: string, earlier: unknown): unknown;
	/** Of its value. */
	readonly complete?: Completer;
}

/** Terms and what they mean, below a title. */
export interface HelpList {
	readonly title: string;
	readonly entries: readonly HelpEntry[];
}

/** A line of a {@link HelpList}. */
export interface HelpEntry {
	readonly term: string;
	readonly meaning: string;
}

/**
 * The words that may stand at the cursor; those that do not begin with what is typed are left out
 * later. Undefined: the shell completes file names.
 */
export type Completer = (
	cursor: Cursor,
) => Promise<readonly string[] | undefined> | readonly string[] | undefined;

/** Where the cursor is on a command line. */
export interface Cursor {
	/** The word at the cursor, as far as it is typed. */
	readonly current: string;
	/** The words before it that are no options. */
	readonly words: readonly string[];
	/** Asks the machine or the snapshot of the command line; the answer is empty if there is none. */
	ask(
		question: (source: QomSource) => Promise<readonly string[]>,
	): Promise<readonly string[]>;
	/** The same of a machine alone. */
	askMachine(
		question: (machine: Machine) => Promise<readonly string[]>,
	): Promise<readonly string[]>;
}

/** What a command may know of how it was called. */
export interface Invocation {
	/** `qom-get`, or `qomfs get`. */
	readonly name: string;
	/** The text of --help. */
	helpText(): string;
	/** Whether an option is on the command line itself, by commander's name. */
	isTyped(option: string): boolean;
	/** Sets the exit status of a command that has not failed. */
	readonly endWith: (status: ExitStatus) => void;
	/** The program of any launcher, to complete its command lines. */
	readonly programOf: (
		launcher: string,
		words: readonly string[],
	) => Promise<Program>;
}

/** What commander parses, and the data that it was made from. */
export interface Program {
	readonly command: Command;
	/** Undefined for `qomfs` itself, and for a subcommand that was not loaded. */
	readonly definition: CommandDefinition | undefined;
	readonly subcommands: readonly Program[];
	/** The one that is meant if none is named. */
	readonly defaultSubcommand?: Program | undefined;
}
