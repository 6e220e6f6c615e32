/** What a volume has learnt about its machine's properties, for QOM tells neither modes nor times. */
import type { Json } from "../json.ts";
import { kindOfValue, type ValueKind } from "../qom/codec.ts";
import type { QomPath } from "../qom/path.ts";

/** Enough for what a user has in hand; what is forgotten is learnt again. */
const maxRemembered = 10_000;

export class Learnt {
	/** Kinds of the values last seen, by path. */
	readonly #kinds = new Map<QomPath, ValueKind>();
	/** When properties were written through the mount, by path. */
	readonly #writtenMs = new Map<QomPath, number>();
	/** What QEMU has refused to write. */
	readonly #readOnly = new TypedProperties();
	/** What it has refused to read, whatever the value. */
	readonly #unreadable = new TypedProperties();

	/** The machine is gone, and what is true of another has to be learnt anew. */
	clear(): void {
		this.#kinds.clear();
		this.#readOnly.clear();
		this.#unreadable.clear();
		this.#writtenMs.clear();
	}

	rememberValue(path: QomPath, value: Json): void {
		const kind = kindOfValue(value);
		if (kind) remember(this.#kinds, path, kind);
	}

	/** The kind of the value last seen. */
	kindOf(path: QomPath): ValueKind | undefined {
		return this.#kinds.get(path);
	}

	rememberWrite(path: QomPath): void {
		remember(this.#writtenMs, path, Date.now());
	}

	/** When it was written last; undefined where it was not. */
	writtenMs(path: QomPath): number | undefined {
		return this.#writtenMs.get(path);
	}

	rememberReadOnly(objectType: string, property: string): void {
		this.#readOnly.add(objectType, property);
	}

	isReadOnly(objectType: string | undefined, property: string): boolean {
		return property === "type" || this.#readOnly.has(objectType, property);
	}

	rememberUnreadable(objectType: string, property: string): void {
		this.#unreadable.add(objectType, property);
	}

	isUnreadable(objectType: string | undefined, property: string): boolean {
		return this.#unreadable.has(objectType, property);
	}
}

/** Properties by the type of their object. */
class TypedProperties {
	/** property -> types */
	readonly #types = new Map<string, Set<string>>();

	add(objectType: string, property: string): void {
		const types = this.#types.get(property);
		if (types) types.add(objectType);
		else this.#types.set(property, new Set([objectType]));
	}

	has(objectType: string | undefined, property: string): boolean {
		return (
			objectType !== undefined &&
			(this.#types.get(property)?.has(objectType) ?? false)
		);
	}

	clear(): void {
		this.#types.clear();
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
