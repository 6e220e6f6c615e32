/**
 * The seam of qomfs: where an object tree comes from. A live machine, a cache round it
 * and the fakes in tests are all a QomSource.
 */
import type { Json } from "../json.ts";
import type { QomPath } from "./path.ts";

export interface PropertyInfo {
	readonly name: string;
	/** As QEMU writes it; see `parseType`. */
	readonly type: string;
}

export interface QomSource {
	/**
	 * The properties of an object, children and links included, in QEMU's order.
	 *
	 * @throws QomError "no such object"
	 */
	list(path: QomPath): Promise<readonly PropertyInfo[]>;

	/**
	 * The value of a property, asked anew. That of a link is its target's path, or `""`.
	 *
	 * @throws QomError
	 */
	get(path: QomPath, property: string): Promise<Json>;

	/**
	 * Like `get`, for a caller that only wants to know about the value (its size) and will
	 * not show it: a `get` that follows at once may be answered with the same value.
	 *
	 * @throws QomError
	 */
	peek(path: QomPath, property: string): Promise<Json>;
}
