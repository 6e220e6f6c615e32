/**
 * Reads QEMU's refusals. Its error class separates a missing object from the rest at most,
 * so the text has to be matched; this is the only place that does.
 * Each text is pinned by an integration test.
 */
import { type CommandError, QomError, type Refusal } from "../errors.ts";

/** The first that fits counts, so what is more particular stands first. */
const patterns: readonly (readonly [RegExp, Refusal])[] = [
	[/^Property '.*' not found$/s, "no such property"],
	[/ is not readable$/, "not readable"],
	[/ is not writable$/, "not writable"],
	[/^No crash occurred$/, "no value"],
	[/ after it was realized$/, "fixed"],
	[/ can no longer be set$| cannot be set after /, "fixed"],
	[/^cannot change property| cannot be changed$/, "fixed"],
	[/ may not be set more than once$/, "fixed"],
	[/in use|already been used|is busy|is mapped|in the process of/, "busy"],
	[/ conflicts, and override is not implemented$/, "busy"],
	// The narrow types end in _t, the wide ones do not: those complain of the kind.
	[/ expects u?int\d+_t$/, "out of range"],
	[
		/expects a value between|must be in range|must be within \[/,
		"out of range",
	],
	[/out of range|too big|maximum:|can be at most|greater than/, "out of range"],
	[/^Invalid parameter type for '/, "invalid"],
	[/^Parameter '.*' expects /s, "invalid"],
	[
		/^Parameter '.*' (does not accept value|is unexpected|is missing)/s,
		"invalid",
	],
	[/ doesn't take value /, "invalid"],
	[/ can't find value |^Cannot find device=/, "invalid"],
	[/^(value of property|parameter) .* must (consist|be) /s, "invalid"],
	[/multiple(s)? of|must be /, "invalid"],
];

/** A link names a QOM type here, and an array's element its own kind: neither can be helped. */
const expected =
	/^(?:Invalid parameter type for '[^.[]*', expected: (boolean|integer|number|string|object|array)|Parameter '[^.[]*' expects (u?int\d+|integer|number))$/;

/**
 * The refusal of a command that concerned an object or one of its properties.
 * A missing object other than `path` itself is one that the written value names.
 */
export function refusalOf(
	cause: CommandError,
	path: string,
	property?: string,
): QomError {
	return new QomError(
		classify(cause, path),
		{ path, property },
		{
			desc: cause.desc,
			class: cause.class,
			expected: expectedIn(cause.desc),
			cause,
		},
	);
}

function classify(
	{ class: errorClass, desc }: CommandError,
	path: string,
): Refusal {
	if (errorClass === "DeviceNotFound")
		return desc === `Device '${path}' not found` ? "no such object" : "invalid";
	return patterns.find(([pattern]) => pattern.test(desc))?.[1] ?? "other";
}

function expectedIn(desc: string): string | undefined {
	const match = expected.exec(desc);
	return match?.[1] ?? match?.[2];
}
