/**
 * Wakes up whoever watches files of a mount (inotify): nobody tells the kernel that a machine has changed a
 * value. To set a file's size changes nothing in a mount of ours, but the kernel reports it as a change.
 */
import { constants } from "node:fs";
import { open, utimes } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { AddressError } from "../../errors.ts";
import { log } from "../../log.ts";
import { parseAddress } from "../../qmp/address.ts";
import type { Change } from "../../qom/watcher.ts";
import { canonicalAddress } from "../../share/place.ts";
import { ownMounts } from "../commands/umount.ts";
import type { WatchOutput } from "./output.ts";

/** Where the machine of a source is mounted, by this user's mounts. */
export async function mountsOf(source: string): Promise<readonly string[]> {
	const mounts = ownMounts();
	const place = resolve(source);
	// The directory of one of several machines is a source, too.
	const own = mounts.some(({ mountpoint }) =>
		[place, dirname(place)].includes(mountpoint),
	);
	if (own) return [place];
	const wanted = await canonical(source);
	if (wanted === undefined) return [];
	const found = await Promise.all(
		mounts.map(async ({ mountpoint, source }) =>
			(await canonical(source)) === wanted ? [mountpoint] : [],
		),
	);
	return found.flat();
}

/** Undefined for what is no monitor: a mount may show several, or a snapshot. */
async function canonical(source: string): Promise<string | undefined> {
	try {
		return await canonicalAddress(parseAddress(source));
	} catch (error) {
		if (error instanceof AddressError) return undefined;
		throw error;
	}
}

/** Tells the kernel of changes in all mounts, after each look. */
export class NotifyingOutput implements WatchOutput {
	readonly #mounts: readonly string[];
	#files: string[] = [];

	constructor(mounts: readonly string[]) {
		this.#mounts = mounts;
	}

	change(change: Change): void {
		if (change.kind !== "value" || change.after === undefined) return;
		const { path, property } = change;
		for (const mount of this.#mounts)
			this.#files.push(join(mount, path, property));
	}

	async flush(): Promise<void> {
		const files = this.#files;
		this.#files = [];
		for (const file of files)
			await touch(file).catch((error) => log.cli("nobody is woken: %O", error));
	}
}

/** Opened to be written alone, which asks QEMU nothing. */
async function touch(file: string): Promise<void> {
	try {
		await using handle = await open(file, constants.O_WRONLY);
		await handle.truncate();
	} catch {
		const now = new Date(); // it cannot be written: then its times change
		await utimes(file, now, now);
	}
}
