/** `qomfs diff`: what is different between two machines, or between two moments of one. */
import {
	NoMatchError,
	QomError,
	QomfsError,
	UsageError,
} from "../../errors.ts";
import { formatJson, type Json } from "../../json.ts";
import { compare, type ObjectDifference } from "../../qom/diff/compare.ts";
import {
	describeTypes,
	differencesFromDefaults,
	differencesOfTypes,
	isUndescribed,
	type KnownTypes,
} from "../../qom/diff/defaults.ts";
import type { ObjectDocument } from "../../qom/objectDocument.ts";
import { type QomPath, rootPath } from "../../qom/path.ts";
import { matcher } from "../../qom/pattern.ts";
import type { SnapshotOrigin } from "../../qom/snapshot/snapshot.ts";
import {
	originOf,
	type SnapshotProgress,
	savedObjects,
} from "../../qom/snapshot/take.ts";
import type { QomSource, TypeInfo } from "../../qom/source.ts";
import { startPaths } from "../absolutePath.ts";
import type { CommandDefinition } from "../command.ts";
import { diffLines, statLines } from "../diffText.ts";
import { ClassifiedError, type ExitStatus, exitStatus } from "../exitStatus.ts";
import { type MachineFlags, withSource } from "../openSource.ts";
import { jsonOption, sourceHelp, timeoutOption } from "../options.ts";
import { print, printStyled, styled } from "../output.ts";
import { startProgress } from "../progress.ts";
import { errorLine, noteLine, onOneLine } from "../text.ts";

interface DiffFlags extends MachineFlags {
	readonly all?: true;
	readonly stat?: true;
	readonly json?: true;
	readonly defaults?: true;
	readonly types?: true;
}

export const command: CommandDefinition<DiffFlags> = {
	arguments: [
		{ name: "<source>", help: sourceHelp },
		{ name: "[source2]", help: "the same (default: QMP_SOCKET)" },
		{
			name: "[path]",
			help: "only this object, and what is below it; with --types, only types of this name",
		},
	],
	options: [
		{
			flags: "--all",
			help: "also what changes by itself, and what only follows from something else",
		},
		{
			flags: "--stat",
			help: "only how much is different",
			conflicts: ["json"],
		},
		jsonOption,
		{
			flags: "--defaults",
			help: "compare one machine with the defaults of its types",
			conflicts: ["types"],
		},
		{
			flags: "--types",
			help: "compare what the two QEMUs can model, and the defaults of the types in use",
		},
		timeoutOption,
		{ flags: "-s, --socket <socket>", env: "QMP_SOCKET" },
	],
	usage: "[options] SOURCE SOURCE2 [PATH] | --defaults SOURCE [PATH]",
	async run(words, flags, { endWith }) {
		// As with diff(1), 1 means that there is a difference.
		process.stdout.prependListener("error", (error: NodeJS.ErrnoException) => {
			if (error.code === "EPIPE") return;
			process.stderr.write(`qomfs: cannot write: ${error.message}\n`);
			process.exit(exitStatus.usage);
		});
		try {
			endWith(await diff(words, flags));
		} catch (error) {
			throw new ClassifiedError(errorLine(error), exitStatus.usage);
		}
	},
};

/** A source as it is now. */
interface Side extends KnownTypes {
	readonly name: string;
	readonly origin: SnapshotOrigin;
	readonly objects: readonly ObjectDocument[];
	/** Where to look, or why there is nothing. */
	readonly starts: readonly QomPath[] | Error;
}

/** @throws QomfsError */
async function diff(
	words: readonly string[],
	flags: DiffFlags,
): Promise<ExitStatus> {
	const [first = "", ...others] = words;
	if (flags.defaults) {
		const [path = rootPath, unexpected] = others;
		if (unexpected !== undefined)
			throw new UsageError(
				`unexpected argument '${unexpected}': --defaults takes one source`,
			);
		const [side] = await lookAt([first], path, flags);
		const { objects, described } = side as Side;
		if (isUndescribed(described)) throw new QomfsError(undescribed([first]));
		const found = differencesFromDefaults(objects, described);
		return show(found, [undefined, side as Side], flags);
	}
	const [second = flags.socket || undefined, path = rootPath] = others;
	if (second === undefined)
		throw new UsageError(
			"one source is missing; 'qomfs diff --help' shows how, and QMP_SOCKET can name the second",
		);
	const [a, b] = await lookAt([first, second], path, flags);
	const [before, after] = [a as Side, b as Side];
	if (!flags.types)
		return show(compare(before.objects, after.objects), [before, after], flags);
	const names = [before, after]
		.filter(({ described }) => isUndescribed(described))
		.map(({ name }) => name);
	if (names.length > 0) process.stderr.write(noteLine(undescribed(names)));
	return show(differencesOfTypes(before, after), [before, after], flags);
}

function undescribed(names: readonly string[]): string {
	return `properties and defaults are not compared, because none are known of ${names.join(" and ")}; a snapshot has them if it was made with --describe`;
}

/** Looks at all sources at the same time. */
async function lookAt(
	names: readonly string[],
	path: string,
	flags: DiffFlags,
): Promise<readonly Side[]> {
	const bar = startProgress();
	const progress = names.map(() => ({ done: 0, total: 0 }));
	const sum = (member: "done" | "total") =>
		progress.reduce((total, each) => total + each[member], 0);
	try {
		return await Promise.all(
			names.map((name, index) =>
				look(name, path, flags, (each) => {
					progress[index] = each;
					bar.show({ done: sum("done"), total: sum("total") });
				}),
			),
		);
	} finally {
		bar.stop();
	}
}

async function look(
	name: string,
	path: string,
	{ timeout, defaults, types }: DiffFlags,
	onProgress: (progress: SnapshotProgress) => void,
): Promise<Side> {
	let side: Side | undefined;
	await withSource(
		{ socket: name, ...(timeout !== undefined && { timeout }) },
		async ({ source, qemu, time }) => {
			const objects = await Array.fromAsync(
				savedObjects(source, { onProgress }),
			);
			const needsTypes = defaults || types;
			side = {
				...{ name, objects },
				origin: await originOf(source, { qemu, time }),
				starts: types
					? typesNamed(await source.types(), path)
					: await startsOf(source, path).catch(asMissing),
				types: types ? await source.types() : [],
				described: needsTypes
					? await describeTypes(source, objects)
					: new Map(),
			};
		},
	);
	return side as Side;
}

/** The names of types that a pattern means; all for the path of everything. */
function typesNamed(
	types: readonly TypeInfo[],
	pattern: string,
): readonly string[] | Error {
	if (pattern === rootPath) return [rootPath];
	const matches = matcher(pattern);
	const names = types.map(({ name }) => name).filter(matches);
	return names.length > 0
		? names
		: new NoMatchError(`${pattern}: no type matches`);
}

/** @throws QomError, NoMatchError there is no such object */
async function startsOf(
	source: QomSource,
	path: string,
): Promise<readonly QomPath[]> {
	const starts = await startPaths(source, path);
	for (const start of starts) await source.list(start);
	return starts;
}

function asMissing(error: unknown): Error {
	if (error instanceof QomError || error instanceof NoMatchError) return error;
	throw error;
}

/**
 * Prints what is different, and tells whether anything is.
 *
 * @throws QomfsError neither source has the path
 */
function show(
	found: readonly ObjectDifference[],
	sides: readonly [before: Side | undefined, after: Side],
	{ all, stat, json, types }: DiffFlags,
): ExitStatus {
	const starts = startsIn(sides);
	const shown = found
		.filter((each) => isWithin(each, starts))
		.map((each) => (all ? each : withoutNoise(each)))
		.filter((each) => each !== undefined);
	if (json) print(formatJson(documentOf(shown, sides)));
	else if (shown.length > 0) {
		for (const [index, side] of sides.entries())
			printStyled(headLine(side, index === 0 ? "---" : "+++"));
		const lines = stat
			? statLines(shown, types ? "types" : "objects")
			: diffLines(shown, all ?? false);
		for (const line of lines) printStyled(line);
	}
	return shown.length > 0 ? exitStatus.refused : exitStatus.done;
}

/** @throws QomfsError neither source has the path */
function startsIn(sides: readonly (Side | undefined)[]): readonly QomPath[] {
	const all = sides.flatMap((side) => (side ? [side.starts] : []));
	const starts = all.flatMap((each) => (each instanceof Error ? [] : each));
	if (starts.length === 0) throw all.at(-1);
	return starts;
}

function isWithin(
	{ path, from }: ObjectDifference,
	starts: readonly QomPath[],
): boolean {
	return [path, from].some((each) =>
		starts.some(
			(start) =>
				start === rootPath || each === start || each?.startsWith(`${start}/`),
		),
	);
}

/** Without what means nothing; undefined if nothing is left. */
function withoutNoise(each: ObjectDifference): ObjectDifference | undefined {
	if (each.change !== "changed" && each.change !== "renumbered") return each;
	const properties = each.properties.filter(
		({ reason }) => reason === undefined,
	);
	const isChanged =
		properties.length > 0 ||
		each.from !== undefined ||
		each.typeBefore !== undefined;
	if (!isChanged) return undefined;
	const isMore = properties.length > 0 || each.typeBefore !== undefined;
	return { ...each, properties, change: isMore ? "changed" : "renumbered" };
}

function headLine(side: Side | undefined, mark: string): string {
	const text = side
		? `${side.name}  ${originLine(side.origin)}`
		: "the defaults of its types";
	return styled("bold", onOneLine(`${mark} ${text}`));
}

function originLine({ machine, qemu, time }: SnapshotOrigin): string {
	return [
		machine ?? "no machine",
		...(qemu ? [`QEMU ${qemu.version}`] : []),
		time.replace(/\.\d+Z$/, "Z"),
	].join(", ");
}

function documentOf(
	found: readonly ObjectDifference[],
	sides: readonly (Side | undefined)[],
): Json {
	const [before, after] = sides.map((side) =>
		side
			? {
					source: side.name,
					time: side.origin.time,
					qemu: side.origin.qemu ?? null,
					machine: side.origin.machine ?? null,
				}
			: null,
	);
	return {
		before: before ?? null,
		after: after ?? null,
		objects: found,
	};
}
