/** The object tree of a running machine, over QMP. Source: qapi/qom.json. */
import { CommandError, ProtocolError, QomError } from "../errors.ts";
import { isObject, type Json, type JsonObject } from "../json.ts";
import type {
	QmpExecutor,
	RequestQueue,
	Urgency,
} from "../qmp/requestQueue.ts";
import {
	deadlyReadReason,
	hasDeadlyRead,
	isEverDeadly,
	isSecret,
} from "./guard.ts";
import { joinPath, type QomPath } from "./path.ts";
import { refusalOf } from "./refusal.ts";
import type {
	Description,
	ObjectContents,
	PropertyInfo,
	QomSource,
	TypeInfo,
} from "./source.ts";
import { parseType } from "./types.ts";

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
	readonly isWritable = true;
	readonly #queue: RequestQueue;
	#givesValues = false;
	/** Names of all device types; undefined until somebody wants to know. */
	#devices: Promise<ReadonlySet<string>> | undefined;
	/** Undefined while it is not known: there may be no machine yet (`--preconfig`). */
	#machineType: string | undefined;
	/** On a machine that a read can end: the types of the objects that were listed. */
	readonly #childTypes = new Map<QomPath, string>();

	constructor(queue: RequestQueue) {
		this.#queue = queue;
	}

	/** False until {@link probe} has found out. */
	get givesValues(): boolean {
		return this.#givesValues;
	}

	/**
	 * Asks what QEMU can do, once for every session: `qom-list-get` is there from QEMU 10.1 on.
	 *
	 * @param qmp the session that is asked
	 */
	async probe(qmp: QmpExecutor): Promise<void> {
		this.#machineType = undefined;
		this.#devices = undefined;
		this.#childTypes.clear();
		try {
			await qmp.execute("qom-list-get", { paths: [] });
			this.#givesValues = true;
		} catch (error) {
			if (!(error instanceof CommandError)) throw error;
			this.#givesValues = false;
		}
	}

	/** What `machineType` has found out. */
	get knownMachineType(): string | undefined {
		return this.#machineType;
	}

	/**
	 * The type of the machine, `pc-q35-7.2-machine`; undefined where there is none yet.
	 * Asked once.
	 *
	 * @param qmp who is asked
	 */
	async machineType(
		qmp: QmpExecutor = this.#queue,
	): Promise<string | undefined> {
		this.#machineType ??= await typeOf(qmp, "/machine");
		return this.#machineType;
	}

	async list(path: QomPath): Promise<readonly PropertyInfo[]> {
		const reply = await this.#execute("qom-list", { path }, "bulk");
		if (!Array.isArray(reply)) throw malformed("qom-list");
		return reply.map(propertyInfo);
	}

	async contents(
		paths: readonly QomPath[],
	): Promise<ReadonlyMap<QomPath, ObjectContents | QomError>> {
		if (!this.givesValues) return this.#listings(paths);
		// `qom-list-get` calls every getter of an object, those that end QEMU among them.
		const deadly = await this.#deadlyAmong(paths);
		const harmless = paths.filter((path) => !deadly.has(path));
		const found = new Map([
			...(await this.#bulkContents(harmless)),
			...(await this.#listings([...deadly])),
		]);
		if (this.#machineType && hasDeadlyRead(this.#machineType))
			for (const [path, object] of found) this.#noteChildren(path, object);
		return found;
	}

	/** Without values. */
	async #listings(
		paths: readonly QomPath[],
	): Promise<ReadonlyMap<QomPath, ObjectContents | QomError>> {
		const found = new Map<QomPath, ObjectContents | QomError>();
		for (const path of paths) {
			const result = await this.list(path).catch(asResult);
			found.set(
				path,
				result instanceof QomError
					? result
					: { properties: result, values: new Map() },
			);
		}
		return found;
	}

	/**
	 * Objects that must not be read as a whole. On most machines there are none; where there can
	 * be, a path that was not listed as a child may lead to one through a link, and is asked.
	 */
	async #deadlyAmong(paths: readonly QomPath[]): Promise<ReadonlySet<QomPath>> {
		const machineType = await this.machineType();
		if (machineType !== undefined && !hasDeadlyRead(machineType))
			return new Set();
		const types = await Promise.all(
			paths.map(
				async (path) =>
					this.#childTypes.get(path) ?? (await typeOf(this.#queue, path)),
			),
		);
		return new Set(
			paths.filter((_path, index) => hasDeadlyRead(types[index] ?? "")),
		);
	}

	#noteChildren(path: QomPath, object: ObjectContents | QomError): void {
		if (object instanceof QomError) return;
		for (const { name, type } of object.properties) {
			const child = parseType(type);
			if (child.kind === "child")
				this.#childTypes.set(joinPath(path, name), child.type);
		}
	}

	/** One path that is gone fails the whole command, so it is left out and the rest asked again. */
	async #bulkContents(
		paths: readonly QomPath[],
	): Promise<ReadonlyMap<QomPath, ObjectContents | QomError>> {
		const gone = new Map<QomPath, QomError>();
		for (;;) {
			const left = paths.filter((path) => !gone.has(path));
			try {
				const reply = await this.#listGet(left);
				return new Map<QomPath, ObjectContents | QomError>([
					...left.map((path, index) => [path, reply[index]] as const),
					...gone,
				] as [QomPath, ObjectContents | QomError][]);
			} catch (error) {
				if (!(error instanceof CommandError)) throw error;
				const path = left.find((path) => missingIn(error, path));
				if (path === undefined) throw refusalOf(error, left.join(" "));
				gone.set(path, refusalOf(error, path));
			}
		}
	}

	async #listGet(paths: readonly QomPath[]): Promise<ObjectContents[]> {
		if (paths.length === 0) return [];
		// User-made objects stand there, secrets among them.
		const secret = paths.some((path) => path.startsWith("/objects/"));
		const reply = await this.#queue.execute(
			"qom-list-get",
			{ paths },
			{ secret, urgency: "bulk" },
		);
		if (!Array.isArray(reply) || reply.length !== paths.length)
			throw malformed("qom-list-get");
		return reply.map(objectContents);
	}

	async get(path: QomPath, property: string): Promise<Json> {
		if (isEverDeadly(property)) {
			const reason = deadlyReadReason(
				(await typeOf(this.#queue, path)) ?? "",
				property,
			);
			if (reason)
				throw new QomError(
					"guarded",
					{ path, property },
					{ desc: `never read: ${reason}` },
				);
		}
		return this.#execute("qom-get", { path, property });
	}

	async set(path: QomPath, property: string, value: Json): Promise<void> {
		await this.#execute("qom-set", { path, property, value });
	}

	async describe(type: string): Promise<ReadonlyMap<string, Description>> {
		if (deadlyTypes.has(type)) return new Map();
		// Devices have a command of their own, which knows defaults; it refuses all other types.
		const isDevice = (await this.#deviceTypes()).has(type);
		const command = isDevice ? "device-list-properties" : "qom-list-properties";
		const reply = await this.#queue
			.execute(command, { typename: type })
			.catch((error) => {
				throw error instanceof CommandError ? refusalOf(error, type) : error;
			});
		if (!Array.isArray(reply)) throw malformed(command);
		return new Map(
			reply
				.filter(isObject)
				.map((entry) => [String(entry.name), describe(entry)]),
		);
	}

	async types(base?: string): Promise<readonly TypeInfo[]> {
		const reply = await this.#queue.execute("qom-list-types", {
			...(base !== undefined && { implements: base }),
			abstract: true,
		});
		if (!Array.isArray(reply)) throw malformed("qom-list-types");
		return reply.filter(isObject).map((entry) => ({
			name: String(entry.name),
			parent: typeof entry.parent === "string" ? entry.parent : undefined,
			isAbstract: entry.abstract === true,
		}));
	}

	#deviceTypes(): Promise<ReadonlySet<string>> {
		const known = this.#devices;
		if (known) return known;
		const devices = this.types("device").then(
			(types) => new Set(types.map(({ name }) => name)),
		);
		this.#devices = devices;
		devices.catch(() => {
			if (this.#devices === devices) this.#devices = undefined;
		});
		return devices;
	}

	async #execute(
		command: string,
		args: { path: QomPath; property?: string; value?: Json },
		urgency: Urgency = "single",
	): Promise<Json> {
		const { path, property } = args;
		const secret = property !== undefined && isSecret(undefined, property);
		try {
			return await this.#queue.execute(command, args, { secret, urgency });
		} catch (error) {
			throw error instanceof CommandError
				? refusalOf(error, path, property)
				: error;
		}
	}
}

/** Of an object; undefined for one that is not there. */
async function typeOf(
	qmp: QmpExecutor,
	path: QomPath,
): Promise<string | undefined> {
	try {
		const type = await qmp.execute("qom-get", { path, property: "type" });
		return typeof type === "string" ? type : undefined;
	} catch (error) {
		if (error instanceof CommandError) return undefined;
		throw error;
	}
}

function asResult(error: unknown): QomError {
	if (error instanceof QomError) return error;
	throw error;
}

function missingIn({ class: errorClass, desc }: CommandError, path: QomPath) {
	return (
		errorClass === "DeviceNotFound" && desc === `Device '${path}' not found`
	);
}

function objectContents(object: Json): ObjectContents {
	const entries = isObject(object) ? object.properties : undefined;
	if (!Array.isArray(entries)) throw malformed("qom-list-get");
	const values = new Map<string, Json>();
	const properties = entries.map((entry: Json) => {
		const info = propertyInfo(entry);
		const { value } = entry as JsonObject;
		if (value !== undefined) values.set(info.name, value);
		return info;
	});
	return { properties, values };
}

function propertyInfo(entry: Json): PropertyInfo {
	if (!isObject(entry)) throw malformed("qom-list");
	const { name, type } = entry;
	if (typeof name !== "string" || typeof type !== "string")
		throw malformed("qom-list");
	return { name, type: shared(type) };
}

/** A machine has some hundred types, and a hundred thousand properties of them. */
const sharedTypes = new Map<string, string>();

function shared(type: string): string {
	const known = sharedTypes.get(type);
	if (known !== undefined) return known;
	if (sharedTypes.size < 10_000) sharedTypes.set(type, type);
	return type;
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
