/** What commands print: data, and how it looks on a terminal. */
import { styleText } from "node:util";
import { QomError } from "../errors.ts";
import type { Json } from "../json.ts";
import { formatValue } from "../qom/codec.ts";
import { redacted } from "../qom/contents.ts";
import { printable } from "./message.ts";

export function print(line: string): void {
	process.stdout.write(`${line}\n`);
}

/** Colours only where somebody sees them; NO_COLOR is honoured. Node 22.12 does not ask by itself. */
export function styled(
	format: Parameters<typeof styleText>[0],
	text: string,
): string {
	const { stdout } = process;
	return stdout.isTTY && stdout.hasColors()
		? styleText(format, text, { validateStream: false })
		: text;
}

/** A value, or why there is none, in one line of a listing. */
export function oneLineValue(value: Json | QomError | typeof redacted): string {
	if (value === redacted) return "<redacted>";
	return printable(
		value instanceof QomError ? `<${value.desc}>` : formatValue(value),
	);
}
