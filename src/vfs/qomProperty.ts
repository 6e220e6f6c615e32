/** What a property and a link have in common: a place in an object, and one value. */
import { QomError } from "../errors.ts";
import type { Json } from "../json.ts";
import type { incomplete, ValueKind } from "../qom/codec.ts";
import { joinPath, type QomPath } from "../qom/path.ts";
import type { PropertyInfo } from "../qom/source.ts";
import { write } from "../qom/write.ts";
import { type QomObject, type QomTree, unsafeHint } from "./qomTree.ts";
import type { Volume } from "./volume.ts";

export class QomProperty {
	readonly waits = true;
	readonly path: QomPath;
	protected readonly tree: QomTree;
	protected readonly object: QomObject;
	protected readonly info: PropertyInfo;

	constructor(tree: QomTree, object: QomObject, info: PropertyInfo) {
		this.tree = tree;
		this.object = object;
		this.info = info;
		this.path = joinPath(object.path, info.name);
	}

	get volume(): Volume {
		return this.tree.volume;
	}

	/** @throws QomError */
	protected get(): Promise<Json> {
		return this.#learning(this.tree.view.get(this.object.path, this.info.name));
	}

	/** For its size, or where a link leads: it may be as old as a listing. @throws QomError */
	protected peek(): Promise<Json> {
		return this.#learning(
			this.tree.view.peek(this.object.path, this.info.name),
		);
	}

	/** Without asking QEMU; undefined where it is not at hand. */
	protected knownValue(): Json | undefined {
		const value = this.tree.view.known(this.object.path, this.info.name);
		return value instanceof QomError ? undefined : value;
	}

	async #learning(value: Promise<Json>): Promise<Json> {
		try {
			return await value;
		} catch (error) {
			const { type } = this.object;
			if (error instanceof QomError && type && isForEver(error))
				this.volume.learnt.rememberUnreadable(type, this.info.name);
			throw error;
		}
	}

	/**
	 * @param kind of the current value, where it is known
	 * @returns what was set; `incomplete` when more text has to come first
	 * @throws QomError, ValueError
	 */
	protected write(
		text: string,
		kind?: ValueKind,
	): Promise<Json | typeof incomplete> {
		return write(this.tree.view, {
			object: this.object.path,
			info: this.info,
			text,
			kind,
			isUnsafe: this.volume.options.unsafeWrites,
			unsafeHint,
			objectType: this.object.type,
		});
	}
}

/** Whether every object of that type refuses to show it, now and later. */
function isForEver({ refusal }: QomError): boolean {
	return refusal === "not readable" || refusal === "guarded";
}
