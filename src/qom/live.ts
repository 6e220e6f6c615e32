/** The object tree of a running machine, over QMP. Source: qapi/qom.json. */
import { CommandError, QomError } from "../errors.ts";
import type { Json } from "../json.ts";
import { isOwnMonitor } from "../qmp/ownMonitor.ts";
import type {
	QmpExecutor,
	RequestQueue,
	Urgency,
} from "../qmp/requestQueue.ts";
import { DeadlyObjects } from "./deadlyObjects.ts";
import { askTypes, Describer } from "./describer.ts";
import {
	deadlyReadReason,
	isEverDeadly,
	isSecret,
	mayBeSecret,
} from "./guard.ts";
import { inOrder } from "./inOrder.ts";
import type { QomPath } from "./path.ts";
import { refusalOf } from "./refusal.ts";
import { readContents, readProperties } from "./replies.ts";
import type {
	ObjectContents,
	PropertyInfo,
	QomSource,
	TypeDescription,
	TypeInfo,
} from "./source.ts";

/** Who describes types without asking the machine. */
export interface Introspector {
	/** Undefined where it cannot. */
	describe(type: string): Promise<TypeDescription | undefined>;
}

export interface LiveOptions {
	/** Whether to read even what is known to end QEMU. */
	readonly unsafeReads?: boolean;
	/** Asked first. */
	readonly introspector?: Introspector;
}

export class LiveSource implements QomSource {
	readonly isWritable = true;
	readonly #queue: RequestQueue;
	readonly #unsafeReads: boolean;
	#givesValues = false;
	readonly #describer: Describer;
	readonly #introspector: Introspector | undefined;
	readonly #deadlyObjects = new DeadlyObjects((path) =>
		typeOf(this.#queue, path),
	);

	constructor(queue: RequestQueue, options: LiveOptions = {}) {
		this.#queue = queue;
		this.#unsafeReads = options.unsafeReads ?? false;
		this.#introspector = options.introspector;
		this.#describer = new Describer(queue);
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
		this.#describer.forget();
		this.#deadlyObjects.forget();
		try {
			await qmp.execute("qom-list-get", { paths: [] });
			this.#givesValues = true;
		} catch (error) {
			if (!(error instanceof CommandError)) throw error;
			this.#givesValues = false;
		}
	}

	/** Type of the machine, where somebody has asked for it: `pc-q35-7.2-machine`. */
	get machineType(): string | undefined {
		return this.#deadlyObjects.machineType;
	}

	/**
	 * Asks for the type of the machine, before anybody else does.
	 *
	 * @param qmp the session that is asked
	 */
	async askMachineType(qmp: QmpExecutor): Promise<void> {
		await this.#deadlyObjects.askMachineType((path) => typeOf(qmp, path));
	}

	async list(path: QomPath): Promise<readonly PropertyInfo[]> {
		const reply = await this.#execute("qom-list", { path }, "bulk");
		return withoutOwnMonitors(path, readProperties(reply));
	}

	async contents(
		paths: readonly QomPath[],
	): Promise<ReadonlyMap<QomPath, ObjectContents | QomError>> {
		if (!this.givesValues) return this.#listings(paths);
		// `qom-list-get` calls every getter of an object, those that end QEMU among them.
		const deadly = this.#unsafeReads
			? new Set()
			: await this.#deadlyObjects.among(paths);
		const harmless = paths.filter((path) => !deadly.has(path));
		const found = new Map([
			...(await this.#bulkContents(harmless)),
			...(await this.#listings(paths.filter((path) => deadly.has(path)))),
		]);
		this.#deadlyObjects.note(found);
		return found;
	}

	/** Without values. */
	async #listings(
		paths: readonly QomPath[],
	): Promise<ReadonlyMap<QomPath, ObjectContents | QomError>> {
		// Others who list have their turn in between.
		const { bulkUnderWay } = this.#queue.pace;
		const listings = inOrder(paths, bulkUnderWay, (path) =>
			this.list(path).catch(asResult),
		);
		const found = new Map<QomPath, ObjectContents | QomError>();
		for await (const result of listings)
			found.set(
				paths[found.size] as QomPath,
				result instanceof QomError
					? result
					: { properties: result, values: new Map() },
			);
		return found;
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
		const secret = paths.some(mayBeSecret);
		const reply = await this.#queue.execute(
			"qom-list-get",
			{ paths },
			{ secret, urgency: "bulk" },
		);
		return readContents(reply, paths.length).map(
			({ properties, values }, index) => ({
				properties: withoutOwnMonitors(paths[index] ?? "", properties),
				values,
			}),
		);
	}

	async get(path: QomPath, property: string): Promise<Json> {
		if (isEverDeadly(property) && !this.#unsafeReads) {
			const reason = deadlyReadReason(
				(await typeOf(this.#queue, path)) ?? "",
				property,
			);
			if (reason)
				throw new QomError(
					"guarded",
					{ path, property },
					{
						desc: `never read: ${reason}; only a mount with -o unsafe_reads reads it`,
					},
				);
		}
		return this.#execute("qom-get", { path, property });
	}

	async set(path: QomPath, property: string, value: Json): Promise<void> {
		await this.#execute("qom-set", { path, property, value });
	}

	async describe(type: string): Promise<TypeDescription> {
		return (
			(await this.#introspector?.describe(type)) ??
			this.#describer.describeSafely(type, !this.givesValues)
		);
	}

	async types(base?: string): Promise<readonly TypeInfo[]> {
		return askTypes(this.#queue, base);
	}

	async qtree(): Promise<string> {
		try {
			const text = await this.#queue.execute(
				"human-monitor-command",
				{ "command-line": "info qtree" },
				{ urgency: "bulk" },
			);
			return typeof text === "string" ? text : "";
		} catch (error) {
			if (error instanceof CommandError) return ""; // a shared monitor may be for reading alone
			throw error;
		}
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

/** What qomfs has added for itself is no part of the machine. */
function withoutOwnMonitors(
	path: QomPath,
	properties: readonly PropertyInfo[],
): readonly PropertyInfo[] {
	return /^\/*(objects|chardevs)\/*$/.test(path)
		? properties.filter(({ name }) => !isOwnMonitor(name))
		: properties;
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
