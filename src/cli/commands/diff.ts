/** `qomfs diff`: what is different between two machines, or between two moments of one. */
import { QomfsError, UsageError } from "../../errors.ts";
import { formatJson, type Json } from "../../json.ts";
import { compare, type ObjectDifference } from "../../qom/diff/compare.ts";
import {
	differencesFromDefaults,
	differencesOfTypes,
	hasDefaults,
	isUndescribed,
	typesNotCompared,
} from "../../qom/diff/defaults.ts";
import { type QomPath, rootPath } from "../../qom/path.ts";
import type { CommandDefinition } from "../command.ts";
import { originLine, withoutNoise } from "../differences.ts";
import { lookAt, type Side, startsIn } from "../diffSide.ts";
import { diffLines, statLines } from "../diffText.ts";
import { ClassifiedError, type ExitStatus, exitStatus } from "../exitStatus.ts";
import type { MachineFlags } from "../openSource.ts";
import { jsonOption, sourceHelp, timeoutOption } from "../options.ts";
import { print, printStyled, styled } from "../output.ts";
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
		const starts = startsIn([side]);
		const types = objects
			.filter((each) => isWithin(each, starts))
			.map(({ type }) => type ?? "?");
		if (!types.some((type) => hasDefaults(described, type)))
			throw new QomfsError(
				`${path}: nothing is compared, because no default is known of ${listed(types)}; QEMU tells those of devices alone`,
			);
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
	const skipped = typesNotCompared(startsIn([a, b]), before, after);
	if (names.length > 0) process.stderr.write(noteLine(undescribed(names)));
	else if (skipped.length > 0)
		process.stderr.write(
			noteLine(
				`properties and defaults are not compared, because not both sides know them of ${listed(skipped)}; they are known of types in use`,
			),
		);
	const found = differencesOfTypes(before, after);
	const status = show(found, [before, after], flags);
	return skipped.length > 0 ? exitStatus.usage : status;
}

function undescribed(names: readonly string[]): string {
	return `properties and defaults are not compared, because none are known of ${names.join(" and ")}; a snapshot has them if it was made with --describe`;
}

/** A message has room for so many names. */
const mostListed = 3;

function listed(names: readonly string[]): string {
	const all = [...new Set(names)];
	const more = all.length - mostListed;
	return `${all.slice(0, mostListed).join(", ")}${more > 0 ? `, and ${more} more` : ""}`;
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

function isWithin(
	{ path, from }: Pick<ObjectDifference, "path" | "from">,
	starts: readonly QomPath[],
): boolean {
	return [path, from].some((each) =>
		starts.some(
			(start) =>
				start === rootPath || each === start || each?.startsWith(`${start}/`),
		),
	);
}

function headLine(side: Side | undefined, mark: string): string {
	const text = side
		? `${side.name}  ${originLine(side.origin)}`
		: "the defaults of its types";
	return styled("bold", onOneLine(`${mark} ${text}`));
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
