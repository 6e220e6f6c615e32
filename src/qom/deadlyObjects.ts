/**
 * Finds the objects that must not be read as a whole, because one of their getters ends QEMU
 * (the table is in `guard.ts`). Only some machines have any, so the type of the machine is asked
 * first, and for all others nothing else is.
 */
import { QomError } from "../errors.ts";
import { hasDeadlyRead } from "./guard.ts";
import { joinPath, type QomPath } from "./path.ts";
import type { ObjectContents } from "./source.ts";
import { parseType } from "./types.ts";

/** Gives the type of an object; undefined for one that is not there. */
type TypeOf = (path: QomPath) => Promise<string | undefined>;

export class DeadlyObjects {
	readonly #typeOf: TypeOf;
	/** Undefined while it is not known: there may be no machine yet (`--preconfig`). */
	#machineType: string | undefined;
	/** On a machine that a read can end: the types of the objects that were listed. */
	readonly #childTypes = new Map<QomPath, string>();

	constructor(typeOf: TypeOf) {
		this.#typeOf = typeOf;
	}

	get machineType(): string | undefined {
		return this.#machineType;
	}

	async askMachineType(typeOf: TypeOf): Promise<void> {
		this.#machineType ??= await typeOf("/machine");
	}

	/** Another QEMU may have come. */
	forget(): void {
		this.#machineType = undefined;
		this.#childTypes.clear();
	}

	/** A path that was not listed as a child may lead there through a link: its type is asked. */
	async among(paths: readonly QomPath[]): Promise<ReadonlySet<QomPath>> {
		await this.askMachineType(this.#typeOf);
		if (this.#machineType !== undefined && !hasDeadlyRead(this.#machineType))
			return new Set();
		const types = await Promise.all(
			paths.map((path) => this.#childTypes.get(path) ?? this.#typeOf(path)),
		);
		return new Set(
			paths.filter((_path, index) => hasDeadlyRead(types[index] ?? "")),
		);
	}

	/** These were listed: the types of their children are known from now on. */
	note(listed: ReadonlyMap<QomPath, ObjectContents | QomError>): void {
		if (!this.#machineType || !hasDeadlyRead(this.#machineType)) return;
		for (const [path, object] of listed) {
			if (object instanceof QomError) continue;
			for (const { name, type } of object.properties) {
				const child = parseType(type);
				if (child.kind === "child")
					this.#childTypes.set(joinPath(path, name), child.type);
			}
		}
	}
}
