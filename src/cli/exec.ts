import type { Command } from "commander";
import type { MachineFlags } from "./openMachine.ts";

export interface ExecFlags extends MachineFlags {
	readonly json?: true;
	readonly path?: string;
	readonly help?: true | string;
}

export async function runExec(
	_words: readonly string[],
	_flags: ExecFlags,
	_command: Command,
): Promise<void> {}
