/** `qomfs web`: the page of a machine, live, for the browser of whoever has started it. */
import { UsageError } from "../../errors.ts";
import { machineData, seeMachine } from "../../page/collect.ts";
import { LiveMachine } from "../../page/liveMachine.ts";
import { PageServer } from "../../page/server.ts";
import type { CommandDefinition } from "../command.ts";
import { untilSignal } from "../endings.ts";
import { shownName } from "../lookTogether.ts";
import {
	lasting,
	type MachineFlags,
	oneSource,
	sourceOf,
	withSource,
} from "../openSource.ts";
import {
	parseCount,
	parseSeconds,
	sourceHelp,
	sourceOption,
	timeoutOption,
} from "../options.ts";
import { print } from "../output.ts";

interface WebFlags extends MachineFlags {
	readonly write?: true;
	readonly port?: number;
	readonly idle?: number;
}

const idleSecDefault = 3600;

export const command: CommandDefinition<WebFlags> = {
	arguments: [
		{ name: "[source]", help: `${sourceHelp} (default: QMP_SOCKET)` },
	],
	options: [
		{ flags: "--write", help: "allow changes, with the guards of qom-set" },
		{
			flags: "--port <n>",
			help: "listen there (default: any that is free)",
			parse: parseCount,
		},
		{
			flags: "--idle <sec>",
			help: `end when nobody has looked for so long (default: ${idleSecDefault})`,
			parse: parseSeconds,
		},
		sourceOption,
		timeoutOption,
	],
	run: (words, flags, { isTyped }) => {
		const named = oneSource(words[0], flags, isTyped);
		const { write = false, port = 0, idle = idleSecDefault } = flags;
		if (port > 65_535)
			throw new UsageError(`--port ${port}: there is no such port`);
		return withSource(
			named,
			async (opened) => {
				const { machine, source, qemu, time } = opened;
				if (write && !machine)
					throw new UsageError(
						"a snapshot cannot be changed; leave out --write",
					);
				const live = machine && new LiveMachine(machine, write);
				const server = await PageServer.listen({
					load: async () => ({
						machine: await machineData(
							await seeMachine(shownName(sourceOf(named)), source, {
								qemu,
								...(!machine && { time }),
							}),
						),
						...(live && { live: { isWritable: live.isWritable } }),
					}),
					...{ live, port },
					idleMs: idle * 1000,
				});
				print(server.address);
				process.stderr.write("qomfs: open it in a browser; Ctrl-C ends it\n");
				await untilSignal(async (signal) => {
					signal.addEventListener("abort", () => server.close());
					await server.ended;
				});
			},
			{ ...lasting, reconnects: true },
		);
	},
};
