/** The commands that have a name of their own beside `qomfs`. */

/** The names of QEMU's original tools, and what each is called under `qomfs`. */
export const launchers = {
	"qom-fuse": "fuse",
	"qom-get": "get",
	"qom-list": "list",
	"qom-set": "set",
	"qom-tree": "tree",
	qmp: "exec",
	"qmp-shell": "shell",
} as const;

/** Every name in `bin`. */
export const launcherNames: readonly string[] = [
	"qomfs",
	...Object.keys(launchers),
];

/**
 * What mount(8) calls for a type of file system. They are no programs of the package:
 * `qomfs install-helpers` puts them where mount(8) looks.
 */
export const mountHelpers = ["mount.qomfs", "mount.fuse.qomfs"] as const;

/** Whether mount(8) calls, which has an exit status of its own for each kind of failure. */
export function isMountHelper(launcher: string): boolean {
	return (mountHelpers as readonly string[]).includes(launcher);
}

type CommandName = (typeof launchers)[keyof typeof launchers] | "helper";

/** The command of a launcher; undefined for `qomfs`, which has them all. */
export function commandOf(launcher: string): CommandName | undefined {
	if (isMountHelper(launcher)) return "helper";
	return Object.hasOwn(launchers, launcher)
		? launchers[launcher as keyof typeof launchers]
		: undefined;
}
