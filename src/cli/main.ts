/** The command line: which commands there are and what they take. Each is a file of its own. */
import { createRequire } from "node:module";
import { Command, CommanderError, Option } from "commander";
import { log, showEverything } from "../log.ts";
import { type ExitStatus, exitStatus, statusOf } from "./exitStatus.ts";
import { oneLine, printable } from "./message.ts";
import { type MountArguments, runMount } from "./mount.ts";
import { mountOptionsHelp } from "./mountOptions.ts";
import { runUmount } from "./umount.ts";
import { runWhy } from "./why.ts";

/** Runs one command line (without `node` and the script) and returns its exit status. */
export async function main(args: readonly string[]): Promise<ExitStatus> {
	process.once("uncaughtException", (error) => {
		report(error);
		process.exit(exitStatus.refused); // the watchdog unmounts
	});
	try {
		await createProgram().parseAsync(args, { from: "user" });
		return exitStatus.done;
	} catch (error) {
		if (error instanceof CommanderError)
			return error.exitCode === 0 ? exitStatus.done : exitStatus.usage;
		report(error);
		return statusOf(error);
	}
}

function report(error: unknown): void {
	process.stderr.write(`qomfs: ${oneLine(error)}\n`);
	log.cli("%O", error);
}

function createProgram(): Command {
	const program = new Command("qomfs")
		.description(
			"Mounts the object model (QOM) of a running QEMU as a directory tree.",
		)
		.version(packageVersion(), "-V, --version")
		.exitOverride()
		.configureOutput({
			outputError: (text, write) => {
				const line = text.trim().replace(/^error:/, "qomfs:");
				write(`${printable(line)}; 'qomfs --help' shows how\n`);
			},
		});

	program
		.command("mount", { isDefault: true })
		.description("mount a machine (the word 'mount' may be left out)")
		.argument(
			"<source>",
			"/path/to/qmp.sock, unix:PATH, HOST:PORT or tcp:HOST:PORT",
		)
		.argument("<mountpoint>", "an empty directory")
		.option("-f, --foreground", "stay in the foreground")
		.option("-d, --debug", "stay in the foreground and show what happens")
		.option(
			"-o <option[,option...]>",
			"mount options, see below",
			(value: string, earlier: string[] = []) => [...earlier, value],
		)
		.addOption(new Option("--background-child").hideHelp())
		.addHelpText("after", `\nMount options:\n${mountOptionsHelp()}`)
		.action((source: string, mountpoint: string, flags: MountFlags) => {
			if (flags.debug) showEverything();
			return runMount(mountArguments(source, mountpoint, flags));
		});

	program
		.command("umount")
		.description("unmount")
		.argument("<mountpoint>")
		.action((mountpoint: string) => runUmount(mountpoint));

	program
		.command("why")
		.description("tell why reading or writing a file in a mount failed last")
		.argument("<file>")
		.action((file: string) => runWhy(file));

	return program;
}

interface MountFlags {
	readonly foreground?: true;
	readonly debug?: true;
	readonly o?: readonly string[];
	readonly backgroundChild?: true;
}

function mountArguments(
	source: string,
	mountpoint: string,
	flags: MountFlags,
): MountArguments {
	return {
		source,
		mountpoint,
		options: (flags.o ?? []).join(","),
		place: flags.backgroundChild
			? "background child"
			: flags.foreground || flags.debug
				? "foreground"
				: "background",
	};
}

function packageVersion(): string {
	return createRequire(import.meta.url)("../../package.json").version;
}
