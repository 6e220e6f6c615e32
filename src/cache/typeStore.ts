/** What a source says of types, asked for once: a type does not change while the machine runs. */
import type { QomSource, TypeDescription, TypeInfo } from "../qom/source.ts";

export class TypeStore {
	readonly #source: QomSource;
	readonly #descriptions = new Map<string, Promise<TypeDescription>>();
	#types: Promise<readonly TypeInfo[]> | undefined;

	constructor(source: QomSource) {
		this.#source = source;
	}

	/** There may be more of them later, but those of a module that nobody has loaded yet are there already. */
	types(): Promise<readonly TypeInfo[]> {
		const kept = this.#types;
		if (kept) return kept;
		const types = this.#source.types();
		this.#types = types;
		types.catch(() => {
			if (this.#types === types) this.#types = undefined;
		});
		return types;
	}

	describe(type: string): Promise<TypeDescription> {
		const kept = this.#descriptions.get(type);
		if (kept) return kept;
		const description = this.#source.describe(type);
		this.#descriptions.set(type, description);
		description.catch(() => this.#descriptions.delete(type));
		return description;
	}

	clear(): void {
		this.#descriptions.clear();
		this.#types = undefined;
	}
}
