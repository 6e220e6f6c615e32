/** `qomfs snapshot`: a whole machine in a file. */
import { fchmodSync, fstatSync } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { takeSnapshot } from "../../qom/snapshot/take.ts";
import type { CommandDefinition } from "../command.ts";
import { untilSignal } from "../endings.ts";
import {
	type MachineFlags,
	type OpenedSource,
	oneSource,
	withSource,
} from "../openSource.ts";
import {
	outputOption,
	sourceHelp,
	sourceOption,
	timeoutOption,
} from "../options.ts";
import { startProgress } from "../progress.ts";
import { isStdout, writeWholeFile } from "../wholeFile.ts";

interface SnapshotFlags extends MachineFlags {
	readonly output?: string;
	readonly describe?: true;
	readonly withSecrets?: boolean;
}

export const command: CommandDefinition<SnapshotFlags> = {
	arguments: [
		{ name: "[source]", help: `${sourceHelp} (default: QMP_SOCKET)` },
	],
	options: [
		outputOption,
		{
			flags: "--describe",
			help: "with descriptions and defaults of the properties, and what implements each interface",
		},
		{
			flags: "--with-secrets",
			help: "with the values of secrets; the file is then yours alone",
		},
		sourceOption,
		timeoutOption,
	],
	async run([source], flags, { isTyped }) {
		await withSource(
			{
				...oneSource(source, flags, isTyped),
				unsorted: true, // in QEMU's own order, as a mount has it
			},
			(opened) => save(opened, flags),
			{ isKept: true },
		);
	},
};

async function save(
	{ source, qemu, time }: OpenedSource,
	{ output, describe, withSecrets = false }: SnapshotFlags,
): Promise<void> {
	const progress = startProgress();
	const pieces = takeSnapshot(source, {
		qemu,
		time,
		describes: describe ?? false,
		withSecrets,
		onProgress: progress.show,
	});
	try {
		if (output === undefined || isStdout(output))
			await print(pieces, withSecrets);
		else
			await untilSignal((signal) =>
				writeWholeFile(output, pieces, { isPrivate: withSecrets, signal }),
			);
	} finally {
		progress.stop();
	}
}

async function print(
	pieces: AsyncIterable<string>,
	isPrivate: boolean,
): Promise<void> {
	const { fd } = process.stdout;
	if (isPrivate && fstatSync(fd).isFile()) fchmodSync(fd, 0o600);
	await pipeline(Readable.from(pieces), process.stdout, { end: false });
}
