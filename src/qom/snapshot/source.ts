/** A saved machine as a source. It resolves paths as QEMU does: through links, and partial ones too. */
import { QomError, QomfsError, type Refusal } from "../../errors.ts";
import type { Json } from "../../json.ts";
import type { ObjectDocument, PropertyDocument } from "../objectDocument.ts";
import { joinPath, pathNames, type QomPath, rootPath } from "../path.ts";
import type {
	ObjectContents,
	PropertyInfo,
	QomSource,
	TypeDescription,
	TypeInfo,
} from "../source.ts";
import { parseType } from "../types.ts";
import { type Snapshot, typesBelow } from "./snapshot.ts";

export class SnapshotSource implements QomSource {
	readonly givesValues = true;
	readonly isWritable = false;
	readonly #snapshot: Snapshot;

	constructor(snapshot: Snapshot) {
		this.#snapshot = snapshot;
	}

	async list(path: QomPath): Promise<readonly PropertyInfo[]> {
		return this.#contents(path).properties;
	}

	async contents(
		paths: readonly QomPath[],
	): Promise<ReadonlyMap<QomPath, ObjectContents | QomError>> {
		const found = new Map<QomPath, ObjectContents | QomError>();
		for (const path of paths)
			try {
				found.set(path, this.#contents(path));
			} catch (error) {
				if (!(error instanceof QomError)) throw error;
				found.set(path, error);
			}
		return found;
	}

	async get(path: QomPath, property: string): Promise<Json> {
		const { type, properties } = this.#object(path);
		const known = propertyIn(properties, property);
		if (!known)
			throw refused(
				"no such property",
				{ path, property },
				`Property '${type}.${property}' not found`,
			);
		if (known.redacted)
			throw refused(
				"not readable",
				{ path, property },
				"the snapshot was saved without secrets",
			);
		if (known.value !== undefined) return known.value;
		const { refusal = "other", error = "it could not be read" } = known;
		throw refused(refusal, { path, property }, error);
	}

	async set(path: QomPath, property: string): Promise<void> {
		throw refused(
			"not writable",
			{ path, property },
			"a snapshot cannot be changed",
		);
	}

	async describe(type: string): Promise<TypeDescription> {
		const { descriptions } = this.#snapshot;
		const properties = descriptions?.get(type);
		if (properties) return { properties };
		return {
			properties: new Map(),
			refusal: descriptions
				? "the snapshot describes the types that were in use"
				: "the snapshot was saved without --describe",
		};
	}

	async types(base?: string): Promise<readonly TypeInfo[]> {
		const { types, interfaces } = this.#snapshot;
		if (base === undefined) return types;
		const isInterface = typesBelow("interface", types).has(base);
		if (isInterface && !interfaces)
			throw new QomfsError(
				`the snapshot was saved without --describe, so it does not tell what implements the interface ${base}`,
			);
		const names = isInterface
			? new Set(interfaces?.get(base))
			: typesBelow(base, types);
		return types.filter(({ name }) => names.has(name));
	}

	async qtree(): Promise<string> {
		return this.#snapshot.qtree;
	}

	/** @throws QomError "no such object" */
	#contents(path: QomPath): ObjectContents {
		const { path: canonical, properties } = this.#object(path);
		const entries = Object.entries(properties).filter(
			// A child that was unplugged before its turn came.
			([name, { type }]) =>
				parseType(type).kind !== "child" ||
				this.#snapshot.objects.has(joinPath(canonical, name)),
		);
		return {
			properties: entries.map(([name, { type }]) => ({ name, type })),
			values: new Map(
				entries.flatMap(([name, { value, redacted }]) =>
					value === undefined || redacted ? [] : [[name, value] as const],
				),
			),
		};
	}

	/** @throws QomError "no such object", also for a partial path that several objects fit */
	#object(path: QomPath): ObjectDocument {
		const found =
			this.#snapshot.objects.get(path) ??
			(path.startsWith("/")
				? this.#below(rootPath, pathNames(path))
				: this.#anywhere(path));
		if (found) return found;
		throw refused("no such object", { path }, `Device '${path}' not found`);
	}

	/** As `object_resolve_abs_path` of QEMU's qom/object.c: a name is that of a child or of a link. */
	#below(start: QomPath, names: readonly string[]): ObjectDocument | undefined {
		let object = this.#snapshot.objects.get(start);
		for (const name of names) {
			const member = object && propertyIn(object.properties, name);
			if (!object || !member) return undefined;
			const { kind } = parseType(member.type);
			if (kind === "value") return undefined;
			object = this.#snapshot.objects.get(
				kind === "child" ? joinPath(object.path, name) : String(member.value),
			);
		}
		return object;
	}

	/** @throws QomError "no such object", because it is ambiguous */
	#anywhere(path: QomPath): ObjectDocument | undefined {
		const names = pathNames(path);
		const found = [...this.#snapshot.objects.keys()].flatMap(
			(start) => this.#below(start, names) ?? [],
		);
		if (found.length > 1)
			throw refused("no such object", { path }, `Path '${path}' is ambiguous`);
		return found[0];
	}
}

/** Its own: a property may have the name of what every object of JavaScript has. */
function propertyIn(
	properties: ObjectDocument["properties"],
	name: string,
): PropertyDocument | undefined {
	return Object.hasOwn(properties, name) ? properties[name] : undefined;
}

function refused(
	refusal: Refusal,
	subject: { readonly path: QomPath; readonly property?: string },
	desc: string,
): QomError {
	return new QomError(refusal, subject, { desc });
}
