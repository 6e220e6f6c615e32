/**
 * Sees to it that no dead mount stays behind, however the daemon ends: killed, out of
 * memory, crashed. A shell waits at a pipe; when the pipe closes without a word, the daemon
 * is dead, and it unmounts. It works for ordinary users, for whom `auto_unmount` does not.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mountType } from "./mountTable.ts";

/** Unmounts, unless something else was mounted there since; without findmnt that is not asked. */
const script = `
	read -r word && exit
	case "$(findmnt -n -r -o FSTYPE --mountpoint "$0" | tail -n 1)" in
		"" | ${mountType}) exec fusermount3 -uz -- "$0" ;;
	esac
`;

export class Watchdog {
	readonly #shell: ChildProcess;

	/** Started before the mount, so that it holds nothing of it. */
	constructor(mountpoint: string) {
		this.#shell = spawn(
			"/bin/sh",
			["-c", script, mountpoint],
			// A session of its own: Ctrl-C is not meant for it.
			{ cwd: "/", detached: true, stdio: ["pipe", "ignore", "ignore"] },
		);
		this.#shell.on("error", () => {}); // without a shell there is none
		this.#shell.stdin?.on("error", () => {}); // somebody has ended it
		this.#shell.unref();
	}

	/** Nothing is mounted any more. */
	dismiss(): void {
		this.#shell.stdin?.end("dismissed\n");
	}
}
