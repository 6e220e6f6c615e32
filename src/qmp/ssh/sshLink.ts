/**
 * A connection of ssh(1) to one host, for any number of sockets and commands there: a master of our own,
 * or the one that the user has already (ssh_config(5), ControlMaster). Whatever happens to this process,
 * a shell ends the connection and removes its files.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { ConnectError, type QomfsError, TimeoutError } from "../../errors.ts";
import { Guarded } from "../guarded.ts";
import {
	makePrivateDirectory,
	removePrivateDirectory,
} from "../privateDirectory.ts";
import type { SocketAddress } from "../socketAddress.ts";
import { formatDestination, type SshDestination } from "./sshAddress.ts";
import { isQuestion, refusalIn } from "./sshRefusal.ts";
import { type Terminal, terminalFor } from "./terminal.ts";

/** A host that says nothing for 15 s is away. */
const keepAlive = ["ServerAliveInterval=5", "ServerAliveCountMax=3"];

/** With a terminal, people have as long to answer as sshd(8) waits by itself. */
const answerMs = 120_000;

/** For what ssh does without the network. */
const limit = { timeout: 2000, killSignal: "SIGKILL" } as const;

const lookMs = 10;

/**
 * Waits for the end of its pipe, and takes back what the user's master was asked to forward: each line
 * is one. $1: a directory to be removed then; the rest: the command for that.
 */
const theirScript = `
	directory=$1; shift
	while IFS= read -r forward; do set -- "$@" -L "$forward"; done <&3
	"$@" 2>/dev/null
	rm -rf -- "$directory"
	rmdir -- "\${directory%/*}" 2>/dev/null
`;

/** Whoever asks a master by its socket needs no configuration, nor the name of the host. */
const throughMaster = (control: string, ...args: readonly string[]) => [
	...["ssh", "-F", "/dev/null", "-S", control, ...args, "master"],
];

export class SshLink {
	readonly #guarded: Guarded;
	readonly #destination: SshDestination;
	/** The socket of the master. */
	readonly #control: string;
	readonly #isTheirs: boolean;
	readonly #forwards = new Map<string, Promise<string>>();
	#count = 0;

	/**
	 * Connects, or takes the user's connection.
	 *
	 * @throws ConnectError ssh was refused, or is not installed; TimeoutError
	 */
	static async start(
		destination: SshDestination,
		timeoutMs: number,
		signal: AbortSignal,
	): Promise<SshLink> {
		const deadlineMs = performance.now() + timeoutMs;
		const master = await masterOf(destination);
		if (master !== undefined)
			return new SshLink(destination, await makePrivateDirectory(), { master });
		const link = new SshLink(destination, await makePrivateDirectory());
		try {
			await link.#untilConnected(deadlineMs, signal);
			return link;
		} catch (error) {
			await link.close();
			const asked = isQuestion(link.heard)
				? await SshLink.#ask(destination, signal)
				: undefined;
			if (!asked) throw error;
			return asked;
		}
	}

	/** Once more, with ssh's questions; undefined where nobody is there to answer them. */
	static async #ask(
		destination: SshDestination,
		signal: AbortSignal,
	): Promise<SshLink | undefined> {
		const directory = await makePrivateDirectory();
		const terminal = await terminalFor(directory);
		if (!terminal) {
			await removePrivateDirectory(directory);
			return undefined;
		}
		const link = new SshLink(destination, directory, { terminal });
		try {
			await link.#untilConnected(performance.now() + answerMs, signal);
			return link;
		} catch (error) {
			await link.close();
			throw error;
		}
	}

	/**
	 * @param directory of its own
	 * @param master the socket of the user's master, if there is one
	 * @param terminal where somebody answers ssh's questions
	 */
	private constructor(
		destination: SshDestination,
		directory: string,
		{
			master,
			terminal,
		}: { readonly master?: string; readonly terminal?: Terminal } = {},
	) {
		this.#destination = destination;
		this.#isTheirs = master !== undefined;
		this.#control = master ?? join(directory, "control");
		const options = [
			...keepAlive,
			`BatchMode=${terminal ? "no" : "yes"}`,
			"ControlPersist=no",
			// What the user's configuration has for other occasions.
			...["ClearAllForwardings=yes", "PermitLocalCommand=no"],
			...["RequestTTY=no", "RemoteCommand=none"],
		];
		const command = this.#isTheirs
			? throughMaster(this.#control, "-O", "cancel")
			: [
					...["ssh", "-M", "-S", this.#control, "-N", "-T"],
					...options.flatMap((option) => ["-o", option]),
					...destinationArgs(destination),
				];
		this.#guarded = new Guarded({
			directory,
			command,
			...(this.#isTheirs && { script: theirScript }),
			env: terminal?.env,
			hasTerminal: terminal?.isOwn ?? false,
		});
	}

	/** Resolves when the connection is over. */
	get ended(): Promise<void> {
		return this.#guarded.ended;
	}

	get isOver(): boolean {
		return this.#guarded.isOver;
	}

	/** What ssh has said since it was started. */
	get heard(): string {
		return this.#guarded.heard;
	}

	/**
	 * A socket of ours that leads to one of that host. Whether there is one is found out when somebody
	 * connects.
	 *
	 * @throws ConnectError
	 */
	forward(target: SocketAddress): Promise<string> {
		const key = JSON.stringify(target);
		const known = this.#forwards.get(key);
		if (known) return known;
		const made = this.#forward(target);
		this.#forwards.set(key, made);
		made.catch(() => this.#forwards.delete(key));
		return made;
	}

	/** Connections that are there already go on. */
	async cancel(target: SocketAddress): Promise<void> {
		const key = JSON.stringify(target);
		const path = await this.#forwards.get(key)?.catch(() => undefined);
		this.#forwards.delete(key);
		if (path === undefined || this.isOver) return;
		await this.#askMaster("cancel", forwardSpec(path, target)).catch(() => {});
		await rm(path, { force: true });
	}

	/** The arguments of ssh for a command there; it fails if the connection is over. */
	command(words: string): readonly string[] {
		const [, ...args] = throughMaster(
			this.#control,
			...["-T", "-o", "BatchMode=yes", "-o", "ProxyCommand=false"],
		);
		return [...args, words];
	}

	/** Resolves when ssh has ended, and its files are removed. */
	close(): Promise<void> {
		return this.#guarded.end();
	}

	async #forward(target: SocketAddress): Promise<string> {
		const path = join(this.#guarded.directory, `${++this.#count}`);
		const spec = forwardSpec(path, target);
		if (this.#isTheirs) this.#guarded.tell(spec);
		try {
			await this.#askMaster("forward", spec);
			return path;
		} catch (error) {
			// The master is gone, or has too much to do: the next attempt begins anew.
			void this.close();
			throw this.#refusal((error as { stderr?: string }).stderr ?? "");
		}
	}

	async #askMaster(
		question: "forward" | "cancel",
		spec: string,
	): Promise<void> {
		const [ssh = "", ...args] = throughMaster(
			this.#control,
			...["-O", question, "-L", spec],
		);
		await promisify(execFile)(ssh, args, limit);
	}

	/** The master makes its socket when it is connected. */
	async #untilConnected(
		deadlineMs: number,
		signal: AbortSignal,
	): Promise<void> {
		while (!existsSync(this.#control)) {
			signal.throwIfAborted();
			if (this.isOver) throw this.#refusal(this.heard);
			const leftMs = deadlineMs - performance.now();
			if (leftMs <= 0)
				throw new TimeoutError(
					`${formatDestination(this.#destination)}: ssh is not connected yet, is the host up? 'ssh -v ${this.#destination.host}' shows what it waits for`,
				);
			await Promise.race([sleep(Math.min(lookMs, leftMs)), this.ended]);
		}
	}

	#refusal(text: string): QomfsError {
		const what = refusalIn(text, this.#destination);
		return new ConnectError(`${formatDestination(this.#destination)}: ${what}`);
	}
}

function destinationArgs({ user, host, port }: SshDestination): string[] {
	return [
		...(user === undefined ? [] : ["-l", user]),
		...(port === undefined ? [] : ["-p", `${port}`]),
		...["--", host],
	];
}

/** The socket of the user's own connection to that host; undefined where there is none. */
async function masterOf(
	destination: SshDestination,
): Promise<string | undefined> {
	const ask = promisify(execFile);
	try {
		const args = ["-G", ...destinationArgs(destination)];
		const { stdout } = await ask("ssh", args, limit);
		const [, path] = /^controlpath (.+)$/im.exec(stdout) ?? [];
		if (path === undefined || path === "none") return undefined;
		const [ssh = "", ...check] = throughMaster(path, "-O", "check");
		await ask(ssh, check, limit);
		return path;
	} catch {
		return undefined; // nobody listens at that socket
	}
}

/** ssh(1), -L: colons and backslashes have a meaning there, and so have percent signs. */
function forwardSpec(path: string, target: SocketAddress): string {
	const escaped = (text: string) =>
		text.replace(/[\\:]/g, "\\$&").replaceAll("%", "%%");
	return `${escaped(path)}:${
		target.kind === "unix"
			? escaped(target.path)
			: `[${target.host}]:${target.port}`
	}`;
}
