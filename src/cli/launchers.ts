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

type CommandName = (typeof launchers)[keyof typeof launchers];

/** The command of a launcher; undefined for `qomfs`, which has them all. */
export function commandOf(launcher: string): CommandName | undefined {
	return Object.hasOwn(launchers, launcher)
		? launchers[launcher as keyof typeof launchers]
		: undefined;
}
