/** Whether an object is of a type, or of one derived from it. */
import { closest } from "fastest-levenshtein";
import { UsageError } from "../errors.ts";
import { isObject, type Json } from "../json.ts";
import type { QmpSession } from "../qmp/session.ts";
import { isPattern, matcher } from "../qom/pattern.ts";

/**
 * A test for type names: a pattern looks at the name itself, a name also takes all that
 * inherit from it or implement it.
 *
 * @throws UsageError QEMU knows no such type
 */
export async function typeTest(
	session: QmpSession,
	wanted: string,
): Promise<(type: string | undefined) => boolean> {
	if (isPattern(wanted)) {
		const matches = matcher(wanted);
		return (type) => type !== undefined && matches(type);
	}
	const types = await typeNames(session, { implements: wanted });
	if (types.size > 0) return (type) => type !== undefined && types.has(type);
	const nearest = closest(wanted, [...(await typeNames(session, {}))]);
	throw new UsageError(`no type '${wanted}'; did you mean '${nearest}'?`);
}

/** Names of all types, or of those that are of one. Source: qapi/qom.json @qom-list-types. */
export async function typeNames(
	session: QmpSession,
	args: { implements?: string },
): Promise<ReadonlySet<string>> {
	const reply: Json = await session.execute("qom-list-types", {
		...args,
		abstract: true,
	});
	return new Set(
		(Array.isArray(reply) ? reply : [])
			.filter(isObject)
			.map(({ name }) => String(name)),
	);
}
