/** The object tree of a running machine, over QMP. Source: qapi/qom.json. */
import { CommandError, ProtocolError } from "../errors.ts";
import { isObject, type Json, type JsonObject } from "../json.ts";
import { isSecret } from "./guard.ts";
import type { QomPath } from "./path.ts";
import { refusalOf } from "./refusal.ts";
import type { Description, PropertyInfo, QomSource } from "./source.ts";

/** What the source needs of a QMP session. */
export interface QmpExecutor {
	execute(
		command: string,
		args?: JsonObject,
		options?: { secret?: boolean },
	): Promise<Json>;
}

/** Describing these aborts QEMU: 7.2 on x86, 11.1 on riscv64. */
const deadlyTypes: ReadonlySet<string> = new Set([
	"microvm-machine",
	"x-remote-object",
	"qio-net-listener",
	"colo-compare",
	"virtio-gpu-gl-pci",
	"virtio-vga-gl",
	"max32-riscv-cpu",
	"sifive-e34-riscv-cpu",
]);

export class LiveSource implements QomSource {
	readonly #qmp: QmpExecutor;

	constructor(qmp: QmpExecutor) {
		this.#qmp = qmp;
	}

	async list(path: QomPath): Promise<readonly PropertyInfo[]> {
		const reply = await this.#execute("qom-list", { path });
		if (!Array.isArray(reply)) throw malformed("qom-list");
		return reply.map(propertyInfo);
	}

	get(path: QomPath, property: string): Promise<Json> {
		return this.#execute("qom-get", { path, property });
	}

	peek(path: QomPath, property: string): Promise<Json> {
		return this.get(path, property);
	}

	async set(path: QomPath, property: string, value: Json): Promise<void> {
		await this.#execute("qom-set", { path, property, value });
	}

	async describe(
		type: string,
		isDevice: boolean,
	): Promise<ReadonlyMap<string, Description>> {
		if (deadlyTypes.has(type)) return new Map();
		const command = isDevice ? "device-list-properties" : "qom-list-properties";
		const reply = await this.#qmp.execute(command, { typename: type });
		if (!Array.isArray(reply)) throw malformed(command);
		return new Map(
			reply
				.filter(isObject)
				.map((entry) => [String(entry.name), describe(entry)]),
		);
	}

	async #execute(
		command: string,
		args: { path: QomPath; property?: string; value?: Json },
	): Promise<Json> {
		const { path, property } = args;
		const secret = property !== undefined && isSecret(undefined, property);
		try {
			return await this.#qmp.execute(command, args, { secret });
		} catch (error) {
			throw error instanceof CommandError
				? refusalOf(error, path, property)
				: error;
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

function describe(entry: JsonObject): Description {
	const { description } = entry;
	return {
		description: typeof description === "string" ? description : undefined,
		defaultValue: entry["default-value"],
	};
}

function malformed(command: string): ProtocolError {
	return new ProtocolError(`${command}: QEMU's answer has an unknown form`);
}
