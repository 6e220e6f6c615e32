/**
 * What a QEMU tells of its types, without a risk for its machine: a second instance of the same binary is
 * asked, once for each type, and what it says is kept on disk for that build.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { log } from "../../log.ts";
import { type Address, parseAddress } from "../../qmp/address.ts";
import type { QemuVersion } from "../../qmp/messages.ts";
import type { Introspector } from "../../qom/live.ts";
import type { TypeDescription } from "../../qom/source.ts";
import type { KeptDescriptions } from "./kept.ts";
import type { ThrowAway } from "./throwAway.ts";

/** Where to ask. */
interface Place {
	readonly throwAway: ThrowAway;
	readonly kept: KeptDescriptions;
}

export class Introspection implements Introspector {
	readonly #address: Address;
	readonly #version: () => QemuVersion | undefined;
	#place: Promise<Place | undefined> | undefined;

	/** @param version of the QEMU that runs the machine now */
	constructor(address: Address, version: () => QemuVersion | undefined) {
		this.#address = address;
		this.#version = version;
	}

	/** Undefined where its binary cannot be run here. */
	async describe(type: string): Promise<TypeDescription | undefined> {
		this.#place ??= this.#findPlace();
		const placing = this.#place;
		try {
			const place = await placing;
			if (!place) return undefined;
			const known = await place.kept.read(type);
			if (known) return known;
			const described = await place.throwAway.describe(type);
			await place.kept.write(type, described);
			return described;
		} catch (error) {
			log.cli("types are asked of the machine itself: %O", error);
			// What failed once would cost every type the same time.
			if (this.#place === placing) this.#place = Promise.resolve(undefined);
			return undefined;
		}
	}

	/** The machine is gone, and another may come. */
	forget(): void {
		const place = this.#place;
		this.#place = undefined;
		void place?.then((found) => found?.throwAway.close());
	}

	async #findPlace(): Promise<Place | undefined> {
		const version = this.#version();
		if (!version) return undefined;
		// Most commands never get here.
		const [{ binaryOf }, { ThrowAway }, { keptDescriptions }] =
			await Promise.all([
				import("./binary.ts"),
				import("./throwAway.ts"),
				import("./kept.ts"),
			]);
		const binary = await binaryOf(await monitorOf(this.#address));
		if (!binary) return undefined;
		return {
			throwAway: new ThrowAway(binary, version),
			kept: await keptDescriptions(binary.build, version),
		};
	}
}

/** How long a mount may take to answer. */
const patienceMs = 2000;

/** The monitor itself, where a mount shares it: that is named by its monitor, or by its directory. */
async function monitorOf(address: Address): Promise<Address> {
	if (address.kind !== "unix" || address.named === undefined) return address;
	const named = parseAddress(address.named);
	if (named.kind !== "unix") return named;
	const status = readFile(join(named.path, ".qomfs/status"), "utf8");
	const text = await Promise.race([
		status.catch(() => undefined), // it is no directory
		sleep(patienceMs, undefined, { ref: false }),
	]);
	if (text === undefined) return named;
	const { source } = JSON.parse(text);
	return parseAddress(`${source}`);
}
