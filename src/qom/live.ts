/** The object tree of a running machine, over QMP. Source: qapi/qom.json. */
import { CommandError, ProtocolError } from "../errors.ts";
import { isObject, type Json, type JsonObject } from "../json.ts";
import type { QomPath } from "./path.ts";
import { refusalOf } from "./refusal.ts";
import type { PropertyInfo, QomSource } from "./source.ts";

/** What the source needs of a QMP session. */
export interface QmpExecutor {
	execute(command: string, args?: JsonObject): Promise<Json>;
}

export class LiveSource implements QomSource {
	readonly #qmp: QmpExecutor;

	constructor(qmp: QmpExecutor) {
		this.#qmp = qmp;
	}

	async list(path: QomPath): Promise<readonly PropertyInfo[]> {
		const reply = await this.#execute("qom-list", { path }, path);
		if (!Array.isArray(reply)) throw malformed("qom-list");
		return reply.map(propertyInfo);
	}

	get(path: QomPath, property: string): Promise<Json> {
		return this.#execute("qom-get", { path, property }, `${path}.${property}`);
	}

	peek(path: QomPath, property: string): Promise<Json> {
		return this.get(path, property);
	}

	async #execute(
		command: string,
		args: JsonObject,
		subject: string,
	): Promise<Json> {
		try {
			return await this.#qmp.execute(command, args);
		} catch (error) {
			throw error instanceof CommandError ? refusalOf(error, subject) : error;
		}
	}
}

function propertyInfo(entry: Json): PropertyInfo {
	if (!isObject(entry)) throw malformed("qom-list");
	const { name, type } = entry;
	if (typeof name !== "string" || typeof type !== "string")
		throw malformed("qom-list");
	return { name, type };
}

function malformed(command: string): ProtocolError {
	return new ProtocolError(`${command}: QEMU's answer has an unknown form`);
}
