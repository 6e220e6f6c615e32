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
	/** property -> the object types in which QEMU has refused to write it. */
	readonly #readOnly = new Map<string, Set<string>>();

	/** The machine is gone, and what is true of another has to be learnt anew. */
	clear(): void {
		this.#kinds.clear();
		this.#readOnly.clear();
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
		const types = this.#readOnly.get(property);
		if (types) types.add(objectType);
		else this.#readOnly.set(property, new Set([objectType]));
	}

	isReadOnly(objectType: string | undefined, property: string): boolean {
		if (property === "type") return true;
		return (
			objectType !== undefined &&
			(this.#readOnly.get(property)?.has(objectType) ?? false)
		);
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
