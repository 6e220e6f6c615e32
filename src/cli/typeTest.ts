/** Whether an object is of a type, or of one derived from it. */
import { UsageError } from "../errors.ts";
import { didYouMean } from "../nearest.ts";
import { isPattern, matcher } from "../qom/pattern.ts";
import type { QomSource } from "../qom/source.ts";

/**
 * A test for type names: a pattern looks at the name itself, a name also takes all that
 * inherit from it or implement it.
 *
 * @throws UsageError QEMU knows no such type
 */
export async function typeTest(
	source: QomSource,
	wanted: string,
): Promise<(type: string | undefined) => boolean> {
	if (isPattern(wanted)) {
		const matches = matcher(wanted);
		return (type) => type !== undefined && matches(type);
	}
	const names = async (base?: string) =>
		(await source.types(base)).map(({ name }) => name);
	const types = new Set(await names(wanted));
	if (types.size > 0) return (type) => type !== undefined && types.has(type);
	const hint =
		didYouMean(wanted, await names()) ?? "'qmp qom-list-types' lists them";
	throw new UsageError(`no type '${wanted}'; ${hint}`);
}
