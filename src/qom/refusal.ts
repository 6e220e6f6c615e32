/**
 * Reads QEMU's refusals. Its error class separates a missing object from the rest at most,
 * so the text has to be matched; this is the only place that does.
 * Each text is pinned by an integration test.
 */
import { type CommandError, QomError, type Refusal } from "../errors.ts";

const patterns: readonly (readonly [RegExp, Refusal])[] = [
	[/^Property '.*' not found$/s, "no such property"],
	[/ is not readable$/, "not readable"],
	[/^No crash occurred$/, "no value"],
];

/** The refusal of a command that concerned `subject`, a path or `path.property`. */
export function refusalOf(cause: CommandError, subject: string): QomError {
	return new QomError(classify(cause), subject, cause);
}

function classify({ class: errorClass, desc }: CommandError): Refusal {
	if (errorClass === "DeviceNotFound") return "no such object";
	return patterns.find(([pattern]) => pattern.test(desc))?.[1] ?? "other";
}
