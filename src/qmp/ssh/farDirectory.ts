/** A directory of sockets on another host, looked at by one shell there for as long as it is followed. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
	ConnectError,
	DisconnectedError,
	ProtocolError,
	TimeoutError,
} from "../../errors.ts";
import { shellWords } from "./farShell.ts";
import { formatSshDirectory, type SshPlace } from "./sshAddress.ts";
import { SshHost } from "./sshHost.ts";

/**
 * Writes $2, for a login shell may have said something before. Then, for each line that it reads, it
 * writes the sockets in $1 and one level below, each ended by NUL; and one NUL more.
 */
const script = `
	printf '%s\\0' "$2"
	while read -r _; do
		if ! [ -d "$1" ]; then printf 'no such directory\\0'
		elif ! { [ -r "$1" ] && [ -x "$1" ]; }; then printf 'permission denied\\0'
		else for path in "$1"/* "$1"/.[!.]* "$1"/..?*; do
			if [ -S "$path" ]; then printf '%s\\0' "$path"
			elif [ -S "$path/monitor.sock" ]; then printf '%s\\0' "$path/monitor.sock"
			fi
		done; fi
		printf '\\0'
	done
`;

/** More than any list of sockets has. */
const mostBytes = 2 ** 24;

export class FarDirectory {
	readonly #place: SshPlace;
	readonly #host: SshHost;
	#shell: ChildProcessWithoutNullStreams | undefined;
	#mark = "";
	#hasBegun = false;

	constructor(place: SshPlace) {
		this.#place = place;
		this.#host = SshHost.of(place);
	}

	get #where(): string {
		return formatSshDirectory(this.#place, this.#place.path);
	}

	/**
	 * The paths of the sockets, relative to the directory.
	 *
	 * @throws ConnectError, ProtocolError, TimeoutError, DisconnectedError
	 */
	async look(timeoutMs: number): Promise<readonly string[]> {
		const startMs = performance.now();
		const link = await this.#host.link(timeoutMs);
		const directory = this.#place.path.replace(/(?<=.)\/+$/, "");
		if (!this.#shell) {
			this.#mark = randomBytes(16).toString("hex");
			const args = link.command(shellWords(script, directory, this.#mark));
			this.#shell = spawn("ssh", args, { cwd: "/", detached: true });
		}
		const leftMs = timeoutMs - (performance.now() - startMs);
		const answer = await this.#answer(this.#shell, Math.max(1, leftMs));
		const [first] = answer;
		if (first === "no such directory" || first === "permission denied")
			throw new ConnectError(`${this.#where}: ${first} on that host`);
		const above = directory === "/" ? "/" : `${directory}/`;
		const isBelow = (path: string) =>
			path.startsWith(above) && !path.split("/").includes("..");
		if (!answer.every(isBelow))
			throw new ProtocolError(
				`${this.#where}: the shell of that host does not do what it is told`,
			);
		return answer.map((path) => path.slice(above.length).replace(/^\/+/, ""));
	}

	/** Resolves when nothing of it is left here; the shell there ends with its input. */
	async close(): Promise<void> {
		this.#drop();
		await this.#host.release();
	}

	#drop(): void {
		const shell = this.#shell;
		this.#shell = undefined;
		this.#hasBegun = false;
		shell?.kill("SIGKILL");
		// Somebody else may hold them.
		for (const stream of shell?.stdio ?? []) stream?.destroy();
	}

	#answer(
		shell: ChildProcessWithoutNullStreams,
		timeoutMs: number,
	): Promise<readonly string[]> {
		return new Promise((resolve, reject) => {
			let text = "";
			let said = "";
			let isBegin = !this.#hasBegun;
			const endless = () =>
				end(new ProtocolError(`${this.#where}: its list has no end`));
			const hear = (chunk: Buffer) => {
				text += chunk.toString("latin1");
				if (isBegin) {
					const begin = text.indexOf(`${this.#mark}\0`);
					if (begin < 0) {
						if (text.length > mostBytes) endless();
						return;
					}
					text = text.slice(begin + this.#mark.length + 1);
					isBegin = false;
				}
				if (text === "\0" || text.endsWith("\0\0")) end();
				else if (text.length > mostBytes) endless();
			};
			const complain = (chunk: Buffer) => {
				said = `${said}${chunk}`.slice(-1000);
			};
			const lost = () => {
				const [why = "it ended"] = said.trim().split("\n").slice(-1);
				end(
					new DisconnectedError(
						`${this.#where}: no shell of that host lists it (${why})`,
					),
				);
			};
			const timer = setTimeout(
				() => end(new TimeoutError(`${this.#where}: no answer in time`)),
				timeoutMs,
			);
			const end = (error?: Error) => {
				clearTimeout(timer);
				shell.stdout.off("data", hear);
				shell.stderr.off("data", complain);
				shell.off("close", lost).off("error", lost);
				if (!error) {
					this.#hasBegun = true;
					const paths = Buffer.from(text, "latin1").toString().split("\0");
					return resolve(paths.filter((path) => path !== ""));
				}
				this.#drop();
				reject(error);
			};
			shell.stdout.on("data", hear);
			shell.stderr.on("data", complain);
			shell.once("close", lost).once("error", lost);
			shell.stdin.on("error", () => {}); // its end is reported by itself
			shell.stdin.write("\n");
		});
	}
}
