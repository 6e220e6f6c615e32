/** `qomfs mount`: in the background once the mount is ready, or in the foreground. */
import { lstatSync } from "node:fs";
import { resolve } from "node:path";
import { setFlagsFromString } from "node:v8";
import { UsageError } from "../../errors.ts";
import { showEverything } from "../../log.ts";
import type { Mounted } from "../../mount/serveMount.ts";
import type { CommandDefinition, CommandOption, HelpList } from "../command.ts";
import { endings } from "../endings.ts";
import {
	mountOptionNames,
	mountOptionsHelp,
	parseMountOptions,
} from "../mountOptions.ts";
import type { MachineFlags } from "../openSource.ts";
import { collect, socketOption, sourceHelp } from "../options.ts";
import { noteLine, onOneLine } from "../text.ts";

/** What a mount takes beside its arguments. */
export interface MountFlags {
	readonly foreground?: true;
	readonly debug?: true;
	/** The text behind each `-o`. */
	readonly o?: readonly string[];
	readonly backgroundChild?: true;
}

/**
 * For V8, which lets garbage grow to some 200 MB before it collects it, though a request leaves
 * little behind: room for young objects that does not grow, and a fifth of the live ones for old.
 */
const smallHeap = ["--semi-space-growth-factor=1", "--heap-growing-percent=20"];

/** Mount options, separated by commas. */
export const mountOption: CommandOption = {
	flags: "-o <option[,option...]>",
	help: "mount options, see below",
	parse: collect,
	complete({ current }) {
		const before = current.slice(0, current.lastIndexOf(",") + 1);
		const names = mountOptionNames.map((name) => before + name);
		const [only, ...others] = names.filter((name) => name.startsWith(current));
		// With a second one, no shell puts a blank behind the first: another option may follow.
		return only !== undefined && others.length === 0 && !only.endsWith("=")
			? [only, `${only},`]
			: names;
	},
};

/** All mount options, for --help. */
export const mountOptionsList: HelpList = {
	title: "Mount options",
	entries: mountOptionsHelp,
};

export const command: CommandDefinition<MountFlags & MachineFlags> = {
	arguments: [
		{
			name: "[source...]",
			help: `${sourceHelp} (default: QMP_SOCKET); or NAME=SOURCE for each of several machines; or a directory of monitors, also ssh://HOST/dir/; or the URI of libvirt without a domain. Behind it the mount point, an empty directory`,
		},
	],
	usage: "[options] [source...] <mountpoint>",
	options: [
		{ flags: "-f, --foreground", help: "stay in the foreground" },
		{
			flags: "-d, --debug",
			help: "stay in the foreground and show what happens",
		},
		mountOption,
		socketOption,
		{ flags: "--background-child" },
	],
	lists: [mountOptionsList],
	run(words, flags, { isTyped }) {
		const mountpoint = words.at(-1);
		const sources = words.slice(0, -1);
		if (sources.length > 0 && isTyped("socket"))
			throw new UsageError(
				`two sources: ${sources[0]} and -s ${flags.socket}; give one`,
			);
		if (mountpoint === undefined)
			throw new UsageError(
				"missing 'source' and 'mountpoint'; 'qomfs mount --help' shows how",
			);
		if (sources.length > 0) return runMount(sources, mountpoint, flags);
		if (!flags.socket)
			throw new UsageError(
				"missing 'mountpoint', or for the source QMP_SOCKET; 'qomfs mount --help' shows how",
			);
		return runMount([flags.socket], mountpoint, flags);
	},
};

/** @throws QomfsError */
export async function runMount(
	sources: readonly string[],
	mountpoint: string,
	flags: MountFlags,
): Promise<void> {
	if (flags.debug) showEverything();
	if (mountpoint === "")
		throw new UsageError("the mount point is empty; name a directory");
	refuseSwapped(sources, mountpoint);
	const { parseSources } = await import("../../mount/source.ts");
	const request = {
		source: await parseSources(sources),
		path: resolve(mountpoint),
		settings: parseMountOptions((flags.o ?? []).join(",")),
	};
	const isForeground = flags.foreground || flags.debug;
	if (!isForeground && !flags.backgroundChild) {
		const { startInBackground } = await import("../background.ts");
		return startInBackground(sources, mountpoint, flags.o ?? []);
	}
	for (const flag of smallHeap) setFlagsFromString(flag);
	const { serveMount } = await import("../../mount/serveMount.ts");
	const mounting = serveMount(request).then(unmountOnSignals);
	if (flags.backgroundChild) {
		const { announce } = await import("../background.ts");
		const served = await announce(mounting);
		return served && untilUnmounted(served);
	}
	const served = await mounting;
	if (served.note) process.stderr.write(noteLine(served.note));
	process.stderr.write(
		`qomfs: ${onOneLine(`${served.title} is mounted on ${served.mountpoint}`)}; Ctrl-C unmounts\n`,
	);
	return untilUnmounted(served);
}

/** @throws UsageError */
function refuseSwapped(
	[source = "", ...others]: readonly string[],
	mountpoint: string,
): void {
	if (others.length > 0) return;
	const kindOf = (path: string) => {
		try {
			return lstatSync(path);
		} catch {
			return undefined; // what is wrong with it is told later
		}
	};
	if (kindOf(source)?.isDirectory() && kindOf(mountpoint)?.isSocket())
		throw new UsageError(
			`${source} is a directory and ${mountpoint} a socket; the socket comes first`,
		);
}

/** Before anybody learns that it is mounted, for whoever does may end it at once. */
function unmountOnSignals(served: Mounted): Mounted {
	const stop = async () => {
		if ((await served.unmount()) === "detached")
			process.stderr.write(
				`qomfs: ${onOneLine(served.mountpoint)} was in use; it is detached, and programs that still use it get errors\n`,
			);
	};
	for (const signal of endings) process.on(signal, stop);
	return served;
}

async function untilUnmounted(served: Mounted): Promise<void> {
	const { startSystemdService } = await import("../systemdService.ts");
	const service = await startSystemdService(served);
	await served.ended.finally(() => service?.end());
}
