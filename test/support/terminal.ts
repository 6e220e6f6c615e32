/** A program on a terminal of its own, typed at and looked at by a test. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** util-linux's `script` makes the terminal. */
export const lacksTerminal =
	spawnSync("script", ["-qec", "test -t 0 && test -t 1", "/dev/null"])
		.status !== 0;

export const keys = {
	...{ tab: "\t", enter: "\r", up: "\x1b[A", left: "\x1b[D" },
	...{ ctrlC: "\x03", ctrlD: "\x04" },
} as const;

const patienceMs = 30_000;

export class Terminal {
	readonly #script: ChildProcess;
	readonly ended: Promise<number>;
	#seen = "";
	/** Up to where the test has looked. */
	#looked = 0;

	constructor(
		command: readonly string[],
		env: NodeJS.ProcessEnv,
		columns = 200,
	) {
		const line = command.map((word) => `'${word}'`).join(" ");
		// Where CI is set Node takes no terminal for coloured.
		const { CI, NO_COLOR, ...inherited } = process.env;
		this.#script = spawn(
			"script",
			["-qfec", `stty cols ${columns} rows 50; exec ${line}`, "/dev/null"],
			{
				stdio: ["pipe", "pipe", "inherit"],
				env: { ...inherited, TERM: "xterm", SHELL: "/bin/sh", ...env },
			},
		);
		this.#script.stdout?.on("data", (chunk) => {
			this.#seen += chunk;
		});
		this.ended = once(this.#script, "close").then(([status]) => status);
	}

	/** All that it has shown so far, escape sequences included. */
	get seen(): string {
		return this.#seen;
	}

	type(text: string): void {
		this.#script.stdin?.write(text);
	}

	/** Waits until it shows this, after all that was waited for before; returns what came with it. */
	async shows(wanted: string | RegExp): Promise<string> {
		const deadlineMs = performance.now() + patienceMs;
		for (;;) {
			const rest = this.#seen.slice(this.#looked);
			const found =
				typeof wanted === "string"
					? { index: rest.indexOf(wanted), length: wanted.length }
					: {
							index: rest.search(wanted),
							length: wanted.exec(rest)?.[0].length ?? 0,
						};
			if (found.index >= 0) {
				const end = found.index + found.length;
				this.#looked += end;
				return rest.slice(0, end);
			}
			if (performance.now() > deadlineMs)
				throw new Error(
					`${wanted} did not come, but ${JSON.stringify(rest.slice(-2000))}`,
				);
			await sleep(20);
		}
	}

	/** Sends a signal to the program itself, not to what made the terminal. */
	signal(name: NodeJS.Signals): void {
		const script = `/proc/${this.#script.pid}/task/${this.#script.pid}/children`;
		for (const pid of readFileSync(script, "utf8").trim().split(" "))
			process.kill(Number(pid), name);
	}

	/** Ends it, should it not have ended. */
	async kill(): Promise<void> {
		this.#script.kill("SIGKILL");
		await this.ended;
	}
}
