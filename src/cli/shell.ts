import type { MachineFlags } from "./openMachine.ts";

export interface ShellFlags extends MachineFlags {
	readonly hmp?: true;
	readonly skipNegotiation?: true;
	readonly verbose?: true;
	readonly pretty?: true;
	readonly logfile?: string;
	readonly command?: readonly string[];
}

export async function runShell(
	_socket: string | undefined,
	_flags: ShellFlags,
): Promise<void> {}
