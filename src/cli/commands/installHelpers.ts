/** `qomfs install-helpers`: what mount(8) and fstab(5) need, outside of the package. */
import {
	lstat,
	readFile,
	readlink,
	realpath,
	rm,
	stat,
	symlink,
	writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { QomfsError, UsageError } from "../../errors.ts";
import type { CommandDefinition } from "../command.ts";
import { mountHelpers } from "../launchers.ts";
import { print } from "../output.ts";
import { noteLine } from "../text.ts";

interface InstallFlags {
	readonly dryRun?: true;
	readonly remove?: true;
	readonly directory?: string;
}

/** Where mount(8) looks for them. */
const defaultDirectory = "/sbin";

export const command: CommandDefinition<InstallFlags> = {
	arguments: [],
	options: [
		{ flags: "--dry-run", help: "only print what would be done" },
		{ flags: "--remove", help: "remove them again" },
		{
			flags: "--directory <directory>",
			help: `where to (default: ${defaultDirectory}, where mount(8) looks)`,
		},
	],
	async run(_words, { dryRun, remove, directory = defaultDirectory }) {
		if (directory === "")
			throw new UsageError("the directory is empty; name one, or none");
		const acts = remove
			? await removals(directory)
			: await installations(directory);
		if (acts.length === 0)
			process.stderr.write(noteLine(`nothing to remove in ${directory}`));
		for (const { what, act } of acts) {
			if (!dryRun) await act().catch(refused);
			print(dryRun ? `would ${what}` : what);
		}
	},
};

interface Act {
	/** For people: `write FILE`. */
	readonly what: string;
	readonly act: () => Promise<void>;
}

const [helper, ...links] = mountHelpers;

const mark =
	"# Made by 'qomfs install-helpers'; 'qomfs install-helpers --remove' removes it.";

/** mount(8) may run it with an empty PATH, so it names Node and qomfs by their places. */
function script(node: string, qomfs: string): string {
	return [
		"#!/bin/sh",
		mark,
		`exec ${quoted(node)} ${quoted(qomfs)} "\${0##*/}" "$@"`,
		"",
	].join("\n");
}

function quoted(word: string): string {
	return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** @throws QomfsError something else has one of the names */
async function installations(directory: string): Promise<readonly Act[]> {
	const launcher = process.argv[1];
	if (!launcher) throw new UsageError("it has to be run as a program");
	const [node, qomfs] = [process.execPath, await realpath(launcher)];
	for (const path of [node, qomfs]) await warnOf(path);
	const path = join(directory, helper);
	for (const name of mountHelpers)
		if ((await standing(join(directory, name))) === "other")
			throw new QomfsError(
				`${join(directory, name)} is not of qomfs; move it away first`,
			);
	return [
		{
			what: `write ${path}, which runs ${node} ${qomfs}`,
			async act() {
				await rm(path, { force: true });
				await writeFile(path, script(node, qomfs), { mode: 0o755 });
			},
		},
		...links.map((name) => ({
			what: `link ${join(directory, name)} to ${helper}`,
			async act() {
				await rm(join(directory, name), { force: true });
				await symlink(helper, join(directory, name));
			},
		})),
	];
}

async function removals(directory: string): Promise<readonly Act[]> {
	const acts: Act[] = [];
	// The links first: they are known by what they lead to.
	for (const name of mountHelpers.toReversed()) {
		const path = join(directory, name);
		if ((await standing(path)) === "ours")
			acts.push({ what: `remove ${path}`, act: () => rm(path) });
	}
	return acts;
}

async function standing(path: string): Promise<"ours" | "other" | undefined> {
	const stats = await lstat(path).catch(() => undefined);
	if (!stats) return undefined;
	if (stats.isSymbolicLink())
		return (await readlink(path)) === helper ? "ours" : "other";
	const text = await readFile(path, "utf8").catch(() => "");
	return text.includes(mark) ? "ours" : "other";
}

/** Root will run it, and ordinary users whom fstab(5) allows to mount. */
async function warnOf(path: string): Promise<void> {
	for (let part = path; part !== "/"; part = dirname(part)) {
		const { uid, mode } = await stat(part);
		const isSticky = (mode & 0o1000) !== 0;
		if (uid !== 0 || ((mode & 0o022) !== 0 && !isSticky))
			return warn(`not only root may change ${part}, and root will run it`);
		if ((mode & 0o001) === 0)
			return warn(`only root can mount: others may not enter ${part}`);
	}
}

function warn(text: string): void {
	process.stderr.write(noteLine(text));
}

function refused(cause: NodeJS.ErrnoException): never {
	if (cause.code === "EACCES")
		throw new QomfsError(
			`${dirname(cause.path ?? "")}: permission denied; run as root ('sudo qomfs install-helpers')`,
			{ cause },
		);
	if (cause.code === "ENOENT" || cause.code === "ENOTDIR")
		throw new QomfsError(`${dirname(cause.path ?? "")}: no such directory`, {
			cause,
		});
	throw new QomfsError(cause.message, { cause });
}
