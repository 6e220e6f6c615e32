/** `qomfs report`: a machine, or what is different between two, as one page that needs no network. */
import { UsageError } from "../../errors.ts";
import {
	differenceEntries,
	machineData,
	type SeenMachine,
	seeMachine,
} from "../../page/collect.ts";
import type { PageData } from "../../page/data.ts";
import { pageDocument, pageParts } from "../../page/document.ts";
import { compare } from "../../qom/diff/compare.ts";
import type { SnapshotProgress } from "../../qom/snapshot/take.ts";
import type { CommandDefinition } from "../command.ts";
import { originLine, withoutNoise } from "../differences.ts";
import { untilSignal } from "../endings.ts";
import { lookTogether, shownName } from "../lookTogether.ts";
import { type MachineFlags, withSource } from "../openSource.ts";
import { outputOption, sourceHelp, timeoutOption } from "../options.ts";
import { isStdout, writeWholeFile } from "../wholeFile.ts";

interface ReportFlags extends MachineFlags {
	readonly output?: string;
}

export const command: CommandDefinition<ReportFlags> = {
	arguments: [
		{ name: "<source>", help: sourceHelp },
		{
			name: "[source2]",
			help: "the same: the page shows this one, and how it differs from the first",
		},
	],
	options: [outputOption, timeoutOption],
	async run(sources, { output = "-", timeout }) {
		if (isStdout(output) && process.stdout.isTTY)
			throw new UsageError("the page is no text for a terminal; give -o FILE");
		const seen = await lookTogether(sources, (name, onProgress) =>
			see(name, timeout, onProgress),
		);
		const page = [...pageDocument(await pageParts(), await dataOf(seen))];
		if (isStdout(output)) process.stdout.write(page.join(""));
		else
			await untilSignal((signal) => writeWholeFile(output, page, { signal }));
	},
};

async function see(
	name: string,
	timeout: number | undefined,
	onProgress: (progress: SnapshotProgress) => void,
): Promise<SeenMachine> {
	let seen: SeenMachine | undefined;
	await withSource(
		{ socket: name, ...(timeout !== undefined && { timeout }) },
		async ({ source, qemu, time }) => {
			seen = await seeMachine(shownName(name), source, {
				...{ qemu, time, onProgress },
			});
		},
	);
	return seen as SeenMachine;
}

async function dataOf(seen: readonly SeenMachine[]): Promise<PageData> {
	const [first, second] = seen as readonly [SeenMachine, SeenMachine?];
	if (!second) return { machine: await machineData(first) };
	const differences = compare(first.objects, second.objects)
		.map(withoutNoise)
		.filter((each) => each !== undefined);
	const { name, origin } = first;
	return {
		machine: await machineData(second),
		before: { source: name, title: [name, originLine(origin)].join("  ") },
		differences: differenceEntries(differences),
	};
}
