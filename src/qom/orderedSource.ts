/** A source whose listings are in natural order: `net2` before `net10`, as people read them. */
import type { QomError } from "../errors.ts";
import type { Json } from "../json.ts";
import type { QomPath } from "./path.ts";
import type {
	ObjectContents,
	PropertyInfo,
	QomSource,
	TypeDescription,
	TypeInfo,
} from "./source.ts";

/** Of no country: the same everywhere. */
const collator = new Intl.Collator("en", { numeric: true });

/** Texts that are alike but for their case or accents still have one order. */
export function naturally(a: string, b: string): number {
	return collator.compare(a, b) || (a < b ? -1 : Number(a > b));
}

export class OrderedSource implements QomSource {
	readonly #source: QomSource;

	constructor(source: QomSource) {
		this.#source = source;
	}

	get givesValues(): boolean {
		return this.#source.givesValues;
	}

	get isWritable(): boolean {
		return this.#source.isWritable;
	}

	async list(path: QomPath): Promise<readonly PropertyInfo[]> {
		return ordered(await this.#source.list(path));
	}

	async contents(
		paths: readonly QomPath[],
	): Promise<ReadonlyMap<QomPath, ObjectContents | QomError>> {
		const found = await this.#source.contents(paths);
		return new Map(
			[...found].map(([path, contents]) => [
				path,
				"properties" in contents
					? { ...contents, properties: ordered(contents.properties) }
					: contents,
			]),
		);
	}

	get(path: QomPath, property: string): Promise<Json> {
		return this.#source.get(path, property);
	}

	set(path: QomPath, property: string, value: Json): Promise<void> {
		return this.#source.set(path, property, value);
	}

	describe(type: string): Promise<TypeDescription> {
		return this.#source.describe(type);
	}

	qtree(): Promise<string> {
		return this.#source.qtree();
	}

	types(base?: string): Promise<readonly TypeInfo[]> {
		return this.#source.types(base);
	}
}

function ordered(properties: readonly PropertyInfo[]): PropertyInfo[] {
	return properties.toSorted((a, b) => naturally(a.name, b.name));
}
