/** `qom-fuse`: a mount in the foreground, as QEMU's original tool does it. */
import type { CommandDefinition } from "../command.ts";
import { type MachineFlags, sourceOf } from "../openSource.ts";
import { socketOption } from "../options.ts";
import {
	type MountFlags,
	mountOption,
	mountOptionsList,
	runMount,
} from "./mount.ts";

export const command: CommandDefinition<MountFlags & MachineFlags> = {
	arguments: [{ name: "<mountpoint>", help: "an empty directory" }],
	options: [
		{
			flags: "-f, --foreground",
			help: "accepted; it is always in the foreground",
		},
		{ flags: "-d, --debug", help: "show what happens" },
		mountOption,
		socketOption,
	],
	lists: [mountOptionsList],
	run: ([mountpoint = ""], flags) =>
		runMount([sourceOf(flags)], mountpoint, { ...flags, foreground: true }),
};
