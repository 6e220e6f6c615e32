/** Who answers ssh's questions: whoever sits at the terminal of this process, or of the one that has started it. */
import { readlinkSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Names the terminal to a process in the background, for as long as somebody waits for it there. */
export const terminalVariable = "QOMFS_TERMINAL";

/** What ssh needs in order to ask. */
export interface Terminal {
	readonly env: NodeJS.ProcessEnv;
	/** Whether ssh opens it by itself. */
	readonly isOwn: boolean;
}

/** The terminal of this process; undefined where it has none. */
export function ownTerminal(): string | undefined {
	if (!process.stdin.isTTY || !process.stderr.isTTY) return undefined;
	return readlinkSync("/proc/self/fd/0");
}

/**
 * For a process without a terminal, ssh runs this to ask: the question is $1, the answer goes to standard
 * output (ssh(1), SSH_ASKPASS). It ends with ssh, and leaves the terminal as it was. ssh reads the answer up to
 * the end of a pipe that the watcher has, too: it starts before there is a trap, whose copy would catch the kill.
 */
const askScript = `#!/bin/sh
exec 3<>"$${terminalVariable}" || exit
[ "$SSH_ASKPASS_PROMPT" = none ] && { printf '%s' "$1" >&3; exit; }
settings=$(stty -g <&3)
(while kill -0 "$PPID"; do sleep 0.2; done; kill $$) >/dev/null 2>&1 &
leave() { stty "$settings" <&3; echo >&3; exit 1; }
trap leave INT TERM HUP
case $1 in *yes/no*) ;; *) stty -echo <&3 ;; esac
printf '%s' "$1" >&3
read -r answer <&3
kill $! 2>/dev/null
stty "$settings" <&3
echo >&3
printf '%s\\n' "$answer"
`;

/**
 * The terminal where somebody may be asked; undefined where nobody is there.
 *
 * @param directory for a program that asks
 */
export async function terminalFor(
	directory: string,
): Promise<Terminal | undefined> {
	if (ownTerminal() !== undefined) return { env: {}, isOwn: true };
	if (process.env[terminalVariable] === undefined) return undefined;
	const ask = join(directory, "ask");
	await writeFile(ask, askScript, { mode: 0o700 });
	return {
		env: { SSH_ASKPASS: ask, SSH_ASKPASS_REQUIRE: "force" },
		isOwn: false,
	};
}
