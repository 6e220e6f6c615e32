/** Runs one command line: what comes of it is an exit status, and at most one line of talk. */
import { CommanderError } from "commander";
import { log } from "../log.ts";
import { type ExitStatus, exitStatus, statusOf } from "./exitStatus.ts";
import { oneLine } from "./message.ts";
import { programFor } from "./program.ts";

/**
 * @param name of the launcher: `qomfs`, or a command of its own like `qom-get`
 * @param args without `node` and the script
 */
export async function main(
	name: string,
	args: readonly string[],
): Promise<ExitStatus> {
	const report = (error: unknown) => {
		process.stderr.write(`${name}: ${oneLine(error)}\n`);
		log.cli("%O", error);
	};
	process.once("uncaughtException", (error) => {
		report(error);
		process.exit(exitStatus.refused); // the watchdog of a mount unmounts
	});
	process.stdout.on("error", (error: NodeJS.ErrnoException) => {
		// Whoever read it has seen enough, as `head` does.
		if (error.code === "EPIPE") process.exit(exitStatus.done);
		process.stderr.write(`${name}: cannot write: ${error.message}\n`);
		process.exit(exitStatus.refused);
	});
	try {
		const line = withSeconds(args);
		await programFor(name, line).parseAsync(line, { from: "user" });
		return exitStatus.done;
	} catch (error) {
		if (error instanceof CommanderError)
			return error.exitCode === 0 ? exitStatus.done : exitStatus.usage;
		report(error);
		return statusOf(error);
	}
}

/** What stands behind `--watch` may be the first property, which is no number. */
function withSeconds(args: readonly string[]): readonly string[] {
	return args.map((word, index) =>
		word === "--watch" && !/^[\d.]+$/.test(args[index + 1] ?? "")
			? "--watch=1"
			: word,
	);
}
