/** What a mount allows, and what it has learnt about the machine's properties. */

import { FileError } from "../errors.ts";
import type { Json } from "../json.ts";
import { kindOfType, kindOfValue, type ValueKind } from "../qom/codec.ts";
import { guardReason } from "../qom/guard.ts";
import type { QomPath } from "../qom/path.ts";

export interface TreeOptions {
	readonly readOnly: boolean;
	/** Lifts the guard on what can crash the machine or cut the session. */
	readonly unsafeWrites: boolean;
	/** Absolute path of the mount, for symlink targets that begin with it. */
	readonly mountpoint: string;
}

/** Enough for what a user has in hand; what is forgotten is learnt again. */
const maxRemembered = 10_000;

export class TreePolicy {
	readonly options: TreeOptions;
	/** Kinds of the values last seen, by path. */
	readonly #kinds = new Map<QomPath, ValueKind>();
	/** When properties were written through the mount, by path. */
	readonly #writtenMs = new Map<QomPath, number>();
	/** property -> the object types in which QEMU has refused to write it. */
	readonly #readOnly = new Map<string, Set<string>>();
	/** When the machine was connected: QOM knows no times. */
	sinceMs = Date.now();

	constructor(options: TreeOptions) {
		this.options = options;
	}

	/** The machine is gone, and what is true of another has to be learnt anew. */
	forgetMachine(): void {
		this.#kinds.clear();
		this.#readOnly.clear();
		this.#writtenMs.clear();
		this.sinceMs = Date.now();
	}

	/** @throws FileError EPERM */
	checkGuard(
		object: QomPath,
		objectType: string | undefined,
		property: string,
		type: string,
	): void {
		if (this.options.unsafeWrites) return;
		const reason = guardReason(object, objectType, property, type);
		if (reason)
			throw new FileError(
				"EPERM",
				`${property} is guarded: ${reason}; mount with -o unsafe_writes to write it all the same`,
			);
	}

	rememberValue(path: QomPath, value: Json): void {
		const kind = kindOfValue(value);
		if (kind) remember(this.#kinds, path, kind);
	}

	/** The kind that a value for this property most likely has to be. */
	kindOf(path: QomPath, type: string): ValueKind {
		return this.#kinds.get(path) ?? kindOfType(type);
	}

	rememberWrite(path: QomPath): void {
		remember(this.#writtenMs, path, Date.now());
	}

	mtimeMs(path: QomPath): number {
		return this.#writtenMs.get(path) ?? this.sinceMs;
	}

	rememberReadOnly(objectType: string, property: string): void {
		const types = this.#readOnly.get(property);
		if (types) types.add(objectType);
		else this.#readOnly.set(property, new Set([objectType]));
	}

	/** Whether some type is known in which this property cannot be written. */
	isEverReadOnly(property: string): boolean {
		return this.#readOnly.has(property);
	}

	isReadOnly(objectType: string | undefined, property: string): boolean {
		if (property === "type") return true;
		return (
			objectType !== undefined &&
			(this.#readOnly.get(property)?.has(objectType) ?? false)
		);
	}

	/** Permission bits as they show. */
	mode(bits: number): number {
		return this.options.readOnly ? bits & ~0o222 : bits;
	}
}

function remember<Value>(
	map: Map<QomPath, Value>,
	path: QomPath,
	value: Value,
): void {
	map.delete(path);
	map.set(path, value);
	const [oldest] = map.keys();
	if (map.size > maxRemembered && oldest !== undefined) map.delete(oldest);
}
