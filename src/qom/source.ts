/**
 * The seam of qomfs: where an object tree comes from. A live machine, a snapshot, a cache round
 * either and the fakes in tests are all a QomSource.
 */
import type { QomError } from "../errors.ts";
import type { Json } from "../json.ts";
import type { QomPath } from "./path.ts";

export interface PropertyInfo {
	readonly name: string;
	/** As QEMU writes it; see `parseType`. */
	readonly type: string;
}

/** An object's properties, children and links included, in QEMU's order, and the values it gave. */
export interface ObjectContents {
	readonly properties: readonly PropertyInfo[];
	/** Without those that QEMU refused to read, and empty where it was not asked for values. */
	readonly values: ReadonlyMap<string, Json>;
}

/** What a type tells of one of its properties. */
export interface Description {
	/** Of its values; undefined where a snapshot was saved without it. */
	readonly type: string | undefined;
	readonly description: string | undefined;
	/** Undefined where QEMU knows none, or the property has none. */
	readonly defaultValue: Json | undefined;
}

export interface TypeDescription {
	/** By name. */
	readonly properties: ReadonlyMap<string, Description>;
	/** Why there are none, where QEMU refuses or ends. */
	readonly refusal?: string;
}

/** A type as QEMU knows it (qapi/qom.json @ObjectTypeInfo). */
export interface TypeInfo {
	readonly name: string;
	/** Undefined for the two that everything comes from. */
	readonly parent: string | undefined;
	readonly isAbstract: boolean;
}

export interface QomSource {
	/** Whether values come with a listing for the price of the listing alone. */
	readonly givesValues: boolean;
	/** Whether anything can be set; what may be set is for the source to refuse. */
	readonly isWritable: boolean;

	/**
	 * The properties of an object.
	 *
	 * @throws QomError "no such object"
	 */
	list(path: QomPath): Promise<readonly PropertyInfo[]>;

	/**
	 * Whole objects, asked anew, with their values if the source gives them; for an object
	 * that is gone its error. With `givesValues` it is one command for all of them, so keep
	 * the list short: QEMU does nothing else while it answers.
	 */
	contents(
		paths: readonly QomPath[],
	): Promise<ReadonlyMap<QomPath, ObjectContents | QomError>>;

	/**
	 * The value of a property, asked anew. That of a link is its target's path, or `""`.
	 *
	 * @throws QomError
	 */
	get(path: QomPath, property: string): Promise<Json>;

	/**
	 * Sets a property, once: never again by itself, whatever happens to the connection.
	 *
	 * @throws QomError
	 */
	set(path: QomPath, property: string, value: Json): Promise<void>;

	/**
	 * What QEMU tells of a type's properties. It makes an instance to answer, so where that is known to do
	 * harm it is not asked.
	 */
	describe(type: string): Promise<TypeDescription>;

	/**
	 * All types, or those that are derived from one or implement it; none where there is no
	 * such type.
	 */
	types(base?: string): Promise<readonly TypeInfo[]>;

	/**
	 * What `info qtree` of the human monitor prints: it knows addresses on buses that no property tells.
	 * Empty where it cannot be asked.
	 */
	qtree(): Promise<string>;
}

/** A source as a file system looks at it: it tells what the look is for. */
export interface QomView extends QomSource {
	/** Like `list`, for a reader of the whole directory that may go on to the next one. */
	sweep(path: QomPath): Promise<readonly PropertyInfo[]>;

	/**
	 * Like `get`, for what may be as old as a listing: the size of a value, or where a link leads.
	 * A `get` that follows at once may be answered with the same value.
	 *
	 * @throws QomError
	 */
	peek(path: QomPath, property: string): Promise<Json>;

	/** What a `peek` would find at hand; undefined where QEMU would have to be asked. */
	known(path: QomPath, property: string): Json | QomError | undefined;
}
