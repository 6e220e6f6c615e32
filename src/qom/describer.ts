/** Asks a QEMU about its types. Source: qapi/qom.json. */
import { CommandError } from "../errors.ts";
import type { QmpExecutor } from "../qmp/requestQueue.ts";
import { undescribedReason } from "./guard.ts";
import { readDescriptions, readTypes } from "./replies.ts";
import type { TypeDescription, TypeInfo } from "./source.ts";

/** All types, or those that are derived from one or implement it. */
export async function askTypes(
	qmp: QmpExecutor,
	base?: string,
): Promise<readonly TypeInfo[]> {
	const reply = await qmp.execute("qom-list-types", {
		...(base !== undefined && { implements: base }),
		abstract: true,
	});
	return readTypes(reply);
}

export class Describer {
	readonly #qmp: QmpExecutor;
	/** Names of the types that are devices and can be made; undefined until somebody wants to know. */
	#devices: Promise<ReadonlySet<string>> | undefined;

	constructor(qmp: QmpExecutor) {
		this.#qmp = qmp;
	}

	/** There is another QEMU. */
	forget(): void {
		this.#devices = undefined;
	}

	/**
	 * Like {@link describe}, of a QEMU that must not come to harm.
	 *
	 * @param isOld whether it is one before 10.1
	 */
	async describeSafely(type: string, isOld: boolean): Promise<TypeDescription> {
		const reason = undescribedReason(type, isOld);
		return reason === undefined
			? this.describe(type)
			: { properties: new Map(), refusal: `never described: ${reason}` };
	}

	/** QEMU makes an instance of the type to answer, which can end it. */
	async describe(type: string): Promise<TypeDescription> {
		// Devices have a command of their own, which knows defaults; it refuses all other types.
		const isDevice = (await this.#deviceTypes()).has(type);
		const command = isDevice ? "device-list-properties" : "qom-list-properties";
		try {
			const reply = await this.#qmp.execute(command, { typename: type });
			return { properties: readDescriptions(reply, command) };
		} catch (error) {
			if (!(error instanceof CommandError)) throw error;
			return { properties: new Map(), refusal: error.desc };
		}
	}

	#deviceTypes(): Promise<ReadonlySet<string>> {
		const known = this.#devices;
		if (known) return known;
		const devices = askTypes(this.#qmp, "device").then(
			(types) =>
				new Set(
					types.filter(({ isAbstract }) => !isAbstract).map(({ name }) => name),
				),
		);
		this.#devices = devices;
		devices.catch(() => {
			if (this.#devices === devices) this.#devices = undefined;
		});
		return devices;
	}
}
