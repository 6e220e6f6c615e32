/**
 * A program that goes with this process, however that ends, and a directory of its own with it: a shell
 * between them waits at a pipe.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { log } from "../log.ts";
import { removePrivateDirectory } from "./privateDirectory.ts";

/**
 * Runs a command, and ends it when the pipe ends. $1: the directory, whose parent goes with the last in
 * it; the rest: the command. What the shell itself would say has no reader then.
 */
const untilEnd = `
	directory=$1; shift
	exec 4<&0
	"$@" <&4 4<&- 3<&- &
	child=$!
	exec 4<&- 2>/dev/null
	{ read -r _; kill $child; sleep 1; kill -9 $child; } <&3 >&2 &
	exec 3<&-
	wait $child; status=$?
	kill $!
	rm -rf -- "$directory"
	rmdir -- "\${directory%/*}"
	exit $status
`;

export interface GuardedOptions {
	/** Of its own, and gone with it. */
	readonly directory: string;
	/** The program and its arguments. */
	readonly command: readonly string[];
	/** What a shell does with the directory and the command; its end of the pipe is descriptor 3. */
	readonly script?: string;
	/** Beside that of this process. */
	readonly env?: NodeJS.ProcessEnv | undefined;
	/** Whether it may ask on the terminal of this process; a signal from there then reaches it, too. */
	readonly hasTerminal?: boolean;
	/** Whether it reads and writes what this process writes and reads (false: nothing). */
	readonly isPiped?: boolean;
}

/** What a program has said last is enough. */
const mostHeard = 4000;

/** For the last words of a program that has ended, and for its end: it is killed after a second. */
const lastWordsMs = 100;
const mostMs = 3000;

export class Guarded {
	readonly directory: string;
	/** Resolves when it has ended. */
	readonly ended: Promise<void>;
	readonly #shell: ChildProcess;
	readonly #pipe: Writable;
	#heard = "";
	#isOver = false;

	/** What cannot be started ends at once. */
	constructor({
		directory,
		command,
		script = untilEnd,
		env,
		hasTerminal = false,
		isPiped = false,
	}: GuardedOptions) {
		this.directory = directory;
		const stream = isPiped ? "pipe" : "ignore";
		this.#shell = spawn(
			"/bin/sh",
			["-c", script, "sh", directory, ...command],
			{
				cwd: "/",
				stdio: [stream, stream, "pipe", "pipe"],
				env: { ...process.env, ...env },
				detached: !hasTerminal,
			},
		);
		this.#pipe = this.#shell.stdio[3] as Writable;
		this.ended = new Promise((resolve) => {
			const over = async () => {
				// What it has said last may still be on its way, and somebody else may hold the pipe.
				const { stderr } = this.#shell;
				if (stderr && !stderr.readableEnded)
					await Promise.race([
						once(stderr, "end").catch(() => {}),
						sleep(lastWordsMs, undefined, { ref: false }),
					]);
				this.#isOver = true;
				resolve();
			};
			this.#shell.once("exit", over).once("error", over);
		});
		const name = command[0] ?? "";
		this.#shell.stderr?.setEncoding("utf8").on("data", (text: string) => {
			log.session("%s: %s", name, text);
			this.#heard = (this.#heard + text).slice(-mostHeard);
		});
		for (const each of [this.#shell, ...this.#shell.stdio]) {
			each?.on("error", () => {}); // its end says it
			(each as { unref?: () => void } | null)?.unref?.();
		}
	}

	get isOver(): boolean {
		return this.#isOver;
	}

	/** What it has said on its standard error, since that was taken last. */
	get heard(): string {
		return this.#heard;
	}

	takeHeard(): string {
		const heard = this.#heard;
		this.#heard = "";
		return heard;
	}

	/** Undefined where it is not piped. */
	get stdin(): Writable | null {
		return this.#shell.stdin;
	}

	get stdout(): Readable | null {
		return this.#shell.stdout;
	}

	/** A line for the shell in between. */
	tell(line: string): void {
		this.#pipe.write(`${line}\n`);
	}

	/** Resolves when it has ended, and its directory is gone. */
	async end(): Promise<void> {
		this.#pipe.end();
		this.#shell.ref();
		const giveUp = new AbortController();
		const { signal } = giveUp;
		await Promise.race([
			this.ended,
			sleep(mostMs, undefined, { signal }).catch(() => {}),
		]);
		giveUp.abort();
		for (const stream of this.#shell.stdio) stream?.destroy();
		await removePrivateDirectory(this.directory).catch(() => {});
	}
}
