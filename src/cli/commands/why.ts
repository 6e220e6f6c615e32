/** `qomfs why`: the last failure of a file in a mount, in words. */
import { lstatSync } from "node:fs";
import { readFile, realpath } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { MountError } from "../../errors.ts";
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
	const file = await canonical(path);
	const mountpoint = mountOf(file);
	if (mountpoint === undefined)
		throw new MountError(`${path}: not in a qomfs mount`);
	const log = await readFile(join(mountpoint, ".qomfs/errors"), "utf8");
	const failures = log
		.trimEnd()
		.split("\n")
		.filter((line) => line !== "")
		.map((line) => JSON.parse(line) as Failure);
	const failure =
		failures.findLast(({ path }) => join(mountpoint, path) === file) ??
		// GNU ln writes a link under another name in the same directory first.
		failures.findLast(
			({ operation, path }) =>
				operation === "symlink" &&
				dirname(join(mountpoint, path)) === dirname(file) &&
				lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink(),
		) ??
		// If its directory could not be looked up, that is what failed.
		failures.findLast(({ path }) =>
			file.startsWith(`${join(mountpoint, path)}/`),
		);
	if (!failure)
		throw new MountError(`${path}: nothing has failed here recently`);
	print(onOneLine(explain(failure)));
}

function explain({ time, operation, errno, desc, ...rest }: Failure): string {
	const reason = desc ?? "the reason may hold a secret and is not kept";
	const by = rest.class === null ? "" : ` (QEMU: ${rest.class})`;
	return `${new Date(time).toTimeString().slice(0, 8)} ${operation}: ${errno}: ${reason}${by}`;
}

/** The innermost mount of qomfs that holds a path. */
function mountOf(file: string): string | undefined {
	return ownMountpoints()
		.filter((mountpoint) => file.startsWith(`${mountpoint}/`))
		.sort((a, b) => b.length - a.length)[0];
}

/**
 * The path without links, but for its last name, which may be a link of QEMU's that leads nowhere.
 * Without a machine nothing can be looked up; the path stays as it is then.
 */
async function canonical(path: string): Promise<string> {
	const absolute = resolve(path);
	try {
		return join(await realpath(dirname(absolute)), basename(absolute));
	} catch {
		return absolute;
	}
}
