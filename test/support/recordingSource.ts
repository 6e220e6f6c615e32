/** A source of a few objects that keeps what it is asked, and refuses what a test says. */
import { CommandError, QomError, type Refusal } from "../../src/errors.ts";
import { formatJson, type Json } from "../../src/json.ts";
import type {
	ObjectContents,
	PropertyInfo,
	QomSource,
	TypeDescription,
	TypeInfo,
} from "../../src/qom/source.ts";

/** Path of an object -> its properties, `[name, type, value]`; without a value it cannot be read. */
export type RecordedTree = Readonly<
	Record<
		string,
		readonly (readonly [name: string, type: string, value?: Json])[]
	>
>;

export class RecordingSource implements QomSource {
	readonly isWritable = true;
	readonly givesValues: boolean;
	/** `get /a.b`, `set /a.b 5`, `list /a`, `contents /a /b`, `describe T`, oldest first. */
	readonly asked: string[] = [];
	/** What is thrown in the place of an answer. */
	refuses: (request: string) => unknown = () => undefined;
	/** What an answer has to wait for. */
	held: Promise<unknown> = Promise.resolve();
	readonly #tree: RecordedTree;
	readonly #values = new Map<string, Json>();

	constructor(tree: RecordedTree, { givesValues = false } = {}) {
		this.#tree = tree;
		this.givesValues = givesValues;
		for (const [path, properties] of Object.entries(tree))
			for (const [name, , value] of properties)
				if (value !== undefined) this.#values.set(`${path}.${name}`, value);
	}

	/** What was asked since this was called last. */
	takeAsked(): string[] {
		return this.asked.splice(0);
	}

	/** Changes a value, as the machine does by itself. */
	change(path: string, property: string, value: Json): void {
		this.#values.set(`${path}.${property}`, value);
	}

	async list(path: string): Promise<readonly PropertyInfo[]> {
		await this.#ask(`list ${path}`);
		return this.#properties(path);
	}

	async contents(
		paths: readonly string[],
	): Promise<ReadonlyMap<string, ObjectContents | QomError>> {
		await this.#ask(`contents ${paths.join(" ")}`);
		return new Map(
			paths.map((path) => {
				const properties = this.#properties(path);
				const values = new Map<string, Json>();
				for (const { name } of this.givesValues ? properties : []) {
					const value = this.#values.get(`${path}.${name}`);
					if (value !== undefined) values.set(name, value);
				}
				return [path, { properties, values }];
			}),
		);
	}

	async get(path: string, property: string): Promise<Json> {
		await this.#ask(`get ${path}.${property}`);
		const value = this.#values.get(`${path}.${property}`);
		if (value !== undefined) return value;
		throw refused("no value", path, property, "No crash occurred");
	}

	async set(path: string, property: string, value: Json): Promise<void> {
		await this.#ask(`set ${path}.${property} ${formatJson(value)}`);
		this.#values.set(`${path}.${property}`, value);
	}

	async describe(type: string): Promise<TypeDescription> {
		await this.#ask(`describe ${type}`);
		return {
			properties: new Map([
				["count", { type: "int", description: "how many", defaultValue: 3 }],
				[
					"name",
					{ type: "string", description: undefined, defaultValue: undefined },
				],
			]),
		};
	}

	async qtree(): Promise<string> {
		return "";
	}

	async types(): Promise<readonly TypeInfo[]> {
		return [];
	}

	async #ask(request: string): Promise<void> {
		this.asked.push(request);
		await this.held;
		const refusal = this.refuses(request);
		if (refusal !== undefined) throw refusal;
	}

	#properties(path: string): readonly PropertyInfo[] {
		const properties = this.#tree[path];
		if (!properties)
			throw refused(
				"no such object",
				path,
				undefined,
				`Device '${path}' not found`,
			);
		return properties.map(([name, type]) => ({ name, type }));
	}
}

/** A refusal in QEMU's words. */
export function refused(
	refusal: Refusal,
	path: string,
	property: string | undefined,
	desc: string,
	expected?: string,
): QomError {
	const errorClass =
		refusal === "no such object" ? "DeviceNotFound" : "GenericError";
	return new QomError(
		refusal,
		{ path, property },
		{
			...{ desc, class: errorClass, expected },
			cause: new CommandError("qom-set", errorClass, desc),
		},
	);
}
