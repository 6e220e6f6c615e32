/** What commands print: data, and how it looks on a terminal. */
import { styleText } from "node:util";
import { QomError } from "../errors.ts";
import { formatValue } from "../qom/codec.ts";
import { redacted, type ShownValue } from "../qom/contents.ts";
import { printable } from "./message.ts";

export function print(line: string): void {
	process.stdout.write(`${line}\n`);
}

/** No escape sequence of a guest's or a peer's making reaches the terminal; others get it as it is. */
export function forTerminal(text: string): string {
	return process.stdout.isTTY
		? text.replace(/(?![\r\n\t])\p{Cc}|[\u202a-\u202e\u2066-\u2069]/gu, "?")
		: text;
}

/** Colours only where somebody sees them; NO_COLOR is honoured. Node 22.12 does not ask by itself. */
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
	return printable(
		value instanceof QomError ? `<${value.desc}>` : formatValue(value),
	);
}
