/** All commands: what each is for, and where it is. Only those that are needed are loaded. */
import type { CommandDefinition } from "./command.ts";

/** A command before it is loaded. */
export interface RegisteredCommand {
	readonly description: string;
	readonly load: () => Promise<{ readonly command: CommandDefinition }>;
	/** Whether only a launcher has it, and `qomfs` does not. */
	readonly isOnlyLauncher?: true;
	/** Whether --help leaves it out. */
	readonly isHidden?: true;
}

/** In the order of `qomfs --help`. */
export const registry = {
	mount: {
		description:
			"mount a machine as a directory tree (the word 'mount' may be left out)",
		load: () => import("./commands/mount.ts"),
	},
	fuse: {
		description: "mount a machine as a directory tree, in the foreground",
		load: () => import("./commands/fuse.ts"),
		isOnlyLauncher: true,
	},
	helper: {
		description: "mount a machine as a directory tree, for mount(8)",
		load: () => import("./commands/helper.ts"),
		isOnlyLauncher: true,
	},
	umount: {
		description: "unmount",
		load: () => import("./commands/umount.ts"),
	},
	status: {
		description: "show the mounts, and how each of them is",
		load: () => import("./commands/status.ts"),
	},
	list: {
		description: "list the properties of objects",
		load: () => import("./commands/list.ts"),
	},
	get: {
		description: "read properties",
		load: () => import("./commands/get.ts"),
	},
	set: {
		description: "set properties",
		load: () => import("./commands/set.ts"),
	},
	tree: {
		description: "show objects and what is below them",
		load: () => import("./commands/tree.ts"),
	},
	find: {
		description: "find objects",
		load: () => import("./commands/find.ts"),
	},
	topology: {
		description: "show buses and what sits on them, the memory map, interrupts",
		load: () => import("./commands/topology.ts"),
	},
	types: {
		description: "show what a QEMU can model",
		load: () => import("./commands/types.ts"),
	},
	snapshot: {
		description: "save a machine in a file, to be looked at without it",
		load: () => import("./commands/snapshot.ts"),
	},
	diff: {
		description: "show what is different between two machines",
		load: () => import("./commands/diff.ts"),
	},
	report: {
		description: "write a page that shows a whole machine, or two",
		load: () => import("./commands/report.ts"),
	},
	web: {
		description: "show a machine as a live page in a browser of this host",
		load: () => import("./commands/web.ts"),
	},
	exec: {
		description: "run QMP commands",
		load: () => import("./commands/exec.ts"),
	},
	shell: {
		description: "run QMP or human monitor commands line by line",
		load: () => import("./commands/shell.ts"),
	},
	events: {
		description: "follow events, one JSON object a line",
		load: () => import("./commands/events.ts"),
	},
	watch: {
		description: "follow what changes in a machine, and its events",
		load: () => import("./commands/watch.ts"),
	},
	replay: {
		description: "play a recording of 'qomfs watch' back into a machine",
		load: () => import("./commands/replay.ts"),
	},
	why: {
		description: "show why the last access to a file in a mount failed",
		load: () => import("./commands/why.ts"),
	},
	"install-helpers": {
		description: "make 'mount -t qomfs' and lines of fstab(5) work",
		load: () => import("./commands/installHelpers.ts"),
	},
	completion: {
		description: "print a script that completes these commands in a shell",
		load: () => import("./commands/completion.ts"),
	},
	complete: {
		description: "print what may stand at the cursor of a command line",
		load: () => import("./commands/complete.ts"),
		isHidden: true,
	},
} satisfies Record<string, RegisteredCommand>;
