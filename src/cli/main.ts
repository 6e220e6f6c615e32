/** The command line as a whole. The result is an exit status, and an error is one line on stderr. */
import { CommanderError } from "commander";
import { log } from "../log.ts";
import {
	type ExitStatus,
	exitStatus,
	helperStatus,
	statusOf,
} from "./exitStatus.ts";
import { isMountHelper } from "./launchers.ts";
import { runProgram } from "./program.ts";
import { errorLine } from "./text.ts";

/**
 * Runs one command line, and prints its error.
 *
 * @param name of the launcher: `qomfs`, or a command of its own like `qom-get`
 * @param args without `node` and the script
 * @returns the exit status
 */
export async function main(
	name: string,
	args: readonly string[],
): Promise<number> {
	const [first = "", ...rest] = args;
	if (name === "qomfs" && isMountHelper(first)) return main(first, rest);
	const status = await runCommand(name, args);
	return isMountHelper(name) ? helperStatus(status) : status;
}

async function runCommand(
	name: string,
	args: readonly string[],
): Promise<ExitStatus> {
	const report = (error: unknown) => {
		const all = error instanceof AggregateError ? error.errors : [error];
		for (const each of all)
			process.stderr.write(`${name}: ${errorLine(each)}\n`);
		log.cli("%O", error);
	};
	process.once("uncaughtException", (error) => {
		report(error);
		process.exit(exitStatus.refused); // the watchdog of a mount unmounts
	});
	process.stdout.on("error", (error: NodeJS.ErrnoException) => {
		// The reader wants no more, as with `head`.
		if (error.code === "EPIPE") process.exit(exitStatus.done);
		process.stderr.write(`${name}: cannot write: ${error.message}\n`);
		process.exit(exitStatus.refused);
	});
	try {
		return await runProgram(name, args);
	} catch (error) {
		if (error instanceof CommanderError)
			return error.exitCode === 0 ? exitStatus.done : exitStatus.usage;
		report(error);
		return statusOf(error);
	}
}
