/** What commands print on stdout. */
import { styleText } from "node:util";
import { QomError } from "../errors.ts";
import { formatValue } from "../qom/codec.ts";
import { redacted, type ShownValue } from "../qom/contents.ts";
import { onLines, onOneLine } from "./text.ts";

/**
 * Prints text on stdout: made safe if that is a terminal, and as it is elsewhere.
 *
 * @param end behind the text, a newline if nothing else is said
 */
export function print(text: string, end = "\n"): void {
	process.stdout.write(forTerminal(text) + end);
}

/** Prints a line whose parts are safe already, such as those of {@link styled}. */
export function printStyled(line: string): void {
	process.stdout.write(`${line}\n`);
}

/** The text as stdout may show it: made safe for a terminal, and unchanged for anything else. */
function forTerminal(text: string): string {
	return process.stdout.isTTY ? onLines(text) : text;
}

/** The text in colour, if stdout shows colours. Node 22.12 does not ask by itself. */
export function styled(
	format: Parameters<typeof styleText>[0],
	text: string,
): string {
	const { stdout } = process;
	return stdout.isTTY && stdout.hasColors()
		? styleText(format, forTerminal(text), { validateStream: false })
		: forTerminal(text);
}

/** A value, or why there is none, in one line of a listing. */
export function oneLineValue(value: ShownValue): string {
	if (value === redacted) return "<redacted>";
	return onOneLine(
		value instanceof QomError ? `<${value.desc}>` : formatValue(value),
	);
}
