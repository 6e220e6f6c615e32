/**
 * Sees to it that no dead mount stays behind, however the daemon ends: killed, out of
 * memory, crashed. A shell waits at a pipe; when the pipe closes without a word, the daemon
 * is dead, and it unmounts. It works for ordinary users, for whom `auto_unmount` does not.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mountType } from "./mountTable.ts";

/**
 * Unmounts the file system wherever it is mounted and nothing over it: a directory above may have
 * another name by now. The kernel escapes names in octal, which printf reads with a 0 before it.
 */
const script = `
	read -r device
	read -r word && exit
	[ "$device" ] || device=$(findmnt -n -r -o MAJ:MIN -t ${mountType} --mountpoint "$0" | tail -n 1)
	awk -v device="$device" '
		{ topmost[$5] = $3 }
		END { for (path in topmost) if (topmost[path] == device) print path }
	' /proc/self/mountinfo | sed 's/\\\\\\([0-7]\\{3\\}\\)/\\\\0\\1/g' |
	while read -r path; do fusermount3 -uz -- "$(printf '%b/' "$path")"; done
	for file; do rm -f -- "$file"; rmdir -- "\${file%/*}"; done
`;

export class Watchdog {
	readonly #shell: ChildProcess;

	/**
	 * Started before the mount, so that it holds nothing of it.
	 *
	 * @param litter files that a dead daemon leaves behind, to be removed with their directory,
	 *   if that is empty then
	 */
	constructor(mountpoint: string, litter: readonly string[] = []) {
		this.#shell = spawn(
			"/bin/sh",
			["-c", script, mountpoint, ...litter],
			// A session of its own: Ctrl-C is not meant for it.
			{ cwd: "/", detached: true, stdio: ["pipe", "ignore", "ignore"] },
		);
		this.#shell.on("error", () => {}); // without a shell there is none
		this.#shell.stdin?.on("error", () => {}); // somebody has ended it
		this.#shell.unref();
	}

	/** It is mounted. @param device of the file system */
	guard(device: string): void {
		this.#shell.stdin?.write(`${device}\n`);
	}

	/** Nothing is mounted any more. */
	dismiss(): void {
		this.#shell.stdin?.end("dismissed\n");
	}
}
