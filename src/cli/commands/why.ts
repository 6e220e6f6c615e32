/** `qomfs why`: the last failure of a file in a mount, in words. */
import { lstatSync } from "node:fs";
import { readdir, readFile, realpath } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { MountError } from "../../errors.ts";
import { nearest } from "../../nearest.ts";
import type { Failure } from "../../vfs/control/errorLog.ts";
import type { CommandDefinition } from "../command.ts";
import { print } from "../output.ts";
import { onOneLine } from "../text.ts";
import { ownMountpoints } from "./umount.ts";

export const command: CommandDefinition = {
	arguments: [{ name: "<file>" }],
	options: [],
	run: ([file = ""]) => explainLast(file),
};

/** @throws MountError the file is in no mount of qomfs, or nothing has failed */
async function explainLast(path: string): Promise<void> {
	const absolute = resolve(path);
	// As it stands first: to look a path up may need QEMU, which may be what has failed.
	const failure =
		failureAt(absolute, (await failuresAround(absolute)) ?? []) ??
		(await failureNear(await canonical(absolute), path));
	print(onOneLine(explain(failure)));
}

function failureAt(file: string, failures: readonly Failed[]) {
	return failures.findLast(({ place }) => place === file);
}

/** @throws MountError */
async function failureNear(file: string, path: string): Promise<Failed> {
	const failures = await failuresAround(file);
	if (!failures) throw new MountError(`${path}: not in a qomfs mount`);
	const failure =
		failureAt(file, failures) ??
		// GNU ln writes a link under another name in the same directory first.
		failures.findLast(
			({ operation, place }) =>
				operation === "symlink" &&
				dirname(place) === dirname(file) &&
				lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink(),
		) ??
		// If its directory could not be looked up, that is what failed.
		failures.findLast(({ place }) => file.startsWith(`${place}/`));
	if (failure) return failure;
	throw new MountError(
		`${path}: ${(await missing(file)) ?? "nothing has failed here recently"}`,
	);
}

/** Names like the one that is missing; what is not there has left no trace. */
async function missing(file: string): Promise<string | undefined> {
	const names = await readdir(dirname(file)).catch(() => undefined);
	const name = basename(file);
	if (!names || names.includes(name)) return undefined;
	const [near] = nearest(name, names);
	const there = near === undefined ? "" : `; there is ${near}`;
	return `no such object or property${there}`;
}

interface Failed extends Failure {
	/** Outside of the mount. */
	readonly place: string;
}

/** In the mount that a file is in, the latest last; undefined where it is in none. */
async function failuresAround(
	file: string,
): Promise<readonly Failed[] | undefined> {
	const mounted = mountOf(file);
	if (mounted === undefined) return undefined;
	const mountpoint = await rootOf(mounted, file);
	const log = await readFile(join(mountpoint, ".qomfs/errors"), "utf8").catch(
		(cause) => {
			throw new MountError(
				cause.code === "EACCES"
					? `${mountpoint} belongs to another user, who may ask`
					: `${mountpoint} does not tell: ${cause.message}`,
				{ cause },
			);
		},
	);
	return log
		.trimEnd()
		.split("\n")
		.filter((line) => line !== "")
		.map((line) => {
			const failure: Failure = JSON.parse(line);
			const { path } = failure;
			const place = path === "/" ? mountpoint : join(mountpoint, path);
			return { ...failure, place };
		});
}

/** Of a mount of several machines, the directory of the one that a file belongs to. */
async function rootOf(mountpoint: string, file: string): Promise<string> {
	const [name = ""] = file.slice(mountpoint.length + 1).split("/");
	const text = await readFile(join(mountpoint, ".qomfs/status"), "utf8").catch(
		() => "{}",
	);
	const { machines = [] }: { machines?: readonly { name: string }[] } =
		JSON.parse(text);
	return machines.some((machine) => machine.name === name)
		? join(mountpoint, name)
		: mountpoint;
}

function explain({ time, operation, errno, desc, ...rest }: Failed): string {
	const reason = desc ?? "the reason may hold a secret and is not kept";
	const by = rest.class === null ? "" : ` (QEMU: ${rest.class})`;
	// As ISO 8601 writes it, but for the time of this place: Swedish does.
	const when = new Date(time).toLocaleString("sv");
	return `${when} ${operation}: ${errno}: ${reason}${by}`;
}

/** The innermost mount of qomfs that holds a path. */
function mountOf(file: string): string | undefined {
	return ownMountpoints()
		.filter(
			(mountpoint) => file === mountpoint || file.startsWith(`${mountpoint}/`),
		)
		.sort((a, b) => b.length - a.length)[0];
}

/**
 * The path without links, but for its last name, which may be a link of QEMU's that leads nowhere.
 * Without a machine nothing can be looked up; the path stays as it is then.
 */
async function canonical(absolute: string): Promise<string> {
	try {
		return join(await realpath(dirname(absolute)), basename(absolute));
	} catch {
		return absolute;
	}
}
