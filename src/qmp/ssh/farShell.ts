/** What a shell of another host can tell. Nothing is installed there: POSIX's own commands do. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { log } from "../../log.ts";
import type { SshLink } from "./sshLink.ts";

/**
 * Why nobody gets through to the socket $1. Of what proc(5) lists for it, a connection that was not
 * accepted has the inode 0.
 */
const socketScript = `
	p=$1
	if [ -d "$p" ]; then echo directory
	elif [ -S "$p" ]; then
		[ -w "$p" ] || { echo closed; exit; }
		found=silent
		while read -r _ _ _ flags _ state inode path; do
			[ "$path" = "$p" ] || continue
			case $found.$flags.$state.$inode in
			*.0[23].0) [ "$found" = taken ] || found=waiting ;;
			*.03.*) found=taken ;;
			silent.00010000.*) found=listening ;;
			esac
		done </proc/net/unix
		echo "$found"
	elif [ -e "$p" ]; then echo file
	else
		while [ "$p" != / ]; do
			p=$(dirname -- "$p")
			[ -d "$p" ] && { [ -x "$p" ] && echo missing || printf 'hidden %s\\n' "$p"; exit; }
		done
	fi
`;

export type FarSocket =
	| "directory"
	| "file"
	| "missing"
	/** It may not be written to. */
	| "closed"
	/** A directory on the way that may not be entered follows. */
	| `hidden ${string}`
	/** It serves somebody. */
	| "taken"
	/** Somebody has connected, and nobody is served. */
	| "waiting"
	| "listening"
	/** Nobody is seen at it. */
	| "silent";

/** What is at a path of that host; undefined where it has no shell for us. */
export async function farSocketAt(
	link: SshLink,
	path: string,
	timeoutMs: number,
): Promise<FarSocket | undefined> {
	try {
		const { stdout } = await promisify(execFile)(
			"ssh",
			link.command(shellWords(socketScript, path)),
			{ timeout: Math.ceil(timeoutMs), killSignal: "SIGKILL" },
		);
		// A login shell may have something of its own to say before.
		const word = stdout.trimEnd().split("\n").at(-1) ?? "";
		return /^(directory|file|missing|closed|hidden .+|taken|waiting|listening|silent)$/s.test(
			word,
		)
			? (word as FarSocket)
			: undefined;
	} catch (error) {
		log.session("no shell there: %s", error);
		return undefined;
	}
}

/** What the login shell of that host is to run: whichever it is, these words mean the same to it. */
export function shellWords(script: string, ...args: readonly string[]): string {
	return ["exec", "sh", "-c", script, "sh", ...args].map(quoted).join(" ");
}

function quoted(word: string): string {
	return /^[\w/.-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
