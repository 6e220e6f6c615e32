/** Options that several commands take, and the texts that their helps share. */
import { InvalidArgumentError } from "commander";
import type { CommandOption } from "./command.ts";

/** How a monitor is named. */
export const monitorHelp =
	"/path/to/qmp.sock, unix:PATH, HOST:PORT, tcp:HOST:PORT, ssh://HOST/path, qemu:///system?domain=NAME, or where it is mounted";

/** How what has objects is named. */
export const sourceHelp = `${monitorHelp}; or a snapshot`;

/** How patterns are written. */
export const patternHelp = "* and ? match within a name, ** any depth";

/** The monitor. */
export const socketOption: CommandOption = {
	flags: "-s, --socket <socket>",
	help: monitorHelp,
	env: "QMP_SOCKET",
};

/** The machine or the snapshot. */
export const sourceOption: CommandOption = {
	...socketOption,
	help: sourceHelp,
};

/** How long QEMU may take. */
export const timeoutOption: CommandOption = {
	flags: "--timeout <sec>",
	help: "how long QEMU may take for one command (default: 10)",
	parse: parseSeconds,
};

/** For every command that asks a machine about its objects. */
export const machineOptions: readonly CommandOption[] = [
	sourceOption,
	timeoutOption,
	{
		flags: "--unsorted",
		help: "in QEMU's own order, not in that of names and numbers",
	},
];

/**
 * Some options, each with its value, wherever they stand, and the other words.
 *
 * @param takesNext whether the word behind another belongs to it
 */
export function sortOut(
	wanted: readonly CommandOption[],
	words: readonly string[],
	takesNext: (word: string) => boolean = () => false,
): { readonly options: readonly string[]; readonly others: readonly string[] } {
	const options: string[] = [];
	const others: string[] = [];
	const rest = words[Symbol.iterator]();
	for (const word of rest) {
		const [name] = word.split("=");
		const option = wanted.find(({ flags }) =>
			flags.split(/,? /).includes(name ?? ""),
		);
		const list = option ? options : others;
		list.push(word);
		const isFollowed = option
			? option.flags.includes("<") && name === word
			: takesNext(word);
		const next = isFollowed ? rest.next().value : undefined;
		if (next !== undefined) list.push(next);
	}
	return { options, others };
}

/** Where to write what otherwise goes to stdout. */
export const outputOption: CommandOption = {
	flags: "-o, --output <file>",
	help: "write it there, compressed if the name ends in .gz (default: on stdout)",
	parse(text) {
		if (text === "") throw new InvalidArgumentError("A file has a name.");
		return text;
	},
};

/** JSON in place of text. */
export const jsonOption: CommandOption = { flags: "--json", help: "as JSON" };

const maxSeconds = 86_400;

/**
 * More than zero, and a day at most.
 *
 * @throws InvalidArgumentError
 */
export function parseSeconds(text: string): number {
	const seconds = /^\d*\.?\d+$/.test(text) ? Number(text) : 0;
	if (!(seconds > 0 && seconds <= maxSeconds))
		throw new InvalidArgumentError("It must be a number of seconds.");
	return seconds;
}

/**
 * Any number above zero.
 *
 * @throws InvalidArgumentError
 */
export function parsePositive(text: string): number {
	const number = /^\d*\.?\d+$/.test(text) ? Number(text) : 0;
	if (!(number > 0 && number <= 1e6))
		throw new InvalidArgumentError("It must be a number above 0.");
	return number;
}

/** @throws InvalidArgumentError */
export function parseCount(text: string): number {
	if (!/^\d{1,9}$/.test(text))
		throw new InvalidArgumentError("It must be a whole number.");
	return Number(text);
}

/** For an option that may be given several times: all its values. */
export function collect(text: string, earlier: unknown): readonly unknown[] {
	return Array.isArray(earlier) ? [...earlier, text] : [text];
}
