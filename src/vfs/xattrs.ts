/** Extended attributes from functions that find them out. */
import type { Xattrs } from "./node.ts";

type Reader = () => Promise<string | undefined>;

/**
 * Those that have a value exist. A Map, because the names come from outside, and a plain object
 * knows some of its own.
 */
export function xattrs(
	readers: readonly (readonly [name: string, read: Reader])[],
): Xattrs {
	const byName = new Map(readers);
	const get = async (name: string) => byName.get(name)?.();
	return {
		get,
		names: async () => {
			const names = [...byName.keys()];
			const values = await Promise.all(names.map(get));
			return names.filter((_name, index) => values[index] !== undefined);
		},
	};
}
