/** Counts what was done to a mount and how it answered, and prints the figures. */
import { lstat, open, readdir, readFile, readlink } from "node:fs/promises";
import { run } from "./mounted.ts";

/** `ok`, or an errno's name. */
export type Answer = string;

export interface Attempt {
	readonly answer: Answer;
	readonly ms: number;
}

/**
 * Beyond the longest that a mount may take by its own options. A loaded host adds seconds of its
 * own: what a mount adds is judged by the soak, and what never ends, here.
 */
export const hangAfterMs = 10_000;

export class FaultTally {
	readonly #title: string;
	readonly #answers = new Map<Answer, number>();
	#faults = 0;
	#operations = 0;
	#worstMs = 0;
	readonly #hangs: string[] = [];
	#leftovers = 0;

	constructor(title: string) {
		this.#title = title;
	}

	/** A fault is injected now. */
	fault(): void {
		this.#faults++;
	}

	/** One operation on a mount whose `timeout` is given. */
	async attempt(
		act: () => Promise<unknown>,
		timeoutMs = 10_000,
	): Promise<Attempt> {
		const startMs = performance.now();
		const answer = await act().then(
			() => "ok",
			(error: NodeJS.ErrnoException) => error.code ?? String(error),
		);
		return this.note({ answer, ms: performance.now() - startMs }, timeoutMs);
	}

	read(path: string, timeoutMs?: number): Promise<Attempt> {
		return this.attempt(() => readFile(path), timeoutMs);
	}

	/** Every kind of operation that needs the machine, on a property, one after the other. */
	async eachKind(
		directory: string,
		property: string,
		timeoutMs?: number,
	): Promise<Attempt[]> {
		const path = `${directory}/${property}`;
		const kinds = [
			() => readFile(path),
			() => lstat(path),
			() => readdir(directory),
			() => readlink(`${directory}/no-such-link`),
			async () => (await open(path, "r+")).close(),
		];
		const attempts: Attempt[] = [];
		for (const act of kinds) attempts.push(await this.attempt(act, timeoutMs));
		return attempts;
	}

	/** As many processes at a time as wanted, each with one command on `$M`. */
	async crowd(
		count: number,
		command: string,
		mountpoint: string,
		timeoutMs: number,
	): Promise<Attempt[]> {
		const { stdout } = await run(
			"bash",
			[
				"-c",
				`for ((i = 0; i < ${count}; i++)); do (
					s=\${EPOCHREALTIME/./}
					r=$(${command} 2>&1 >/dev/null) && r=": ok"
					e=\${EPOCHREALTIME/./}
					echo "$((e - s)) \${r##*: }"
				) & done; wait`,
			],
			{ env: { ...process.env, LC_ALL: "C", M: mountpoint } },
		);
		return stdout
			.trimEnd()
			.split("\n")
			.map((line) => {
				const [micros = "", ...words] = line.split(" ");
				const text = words.join(" ");
				const answer = errnoTexts[text] ?? text;
				return this.note({ answer, ms: Number(micros) / 1000 }, timeoutMs);
			});
	}

	note(attempt: Attempt, timeoutMs: number): Attempt {
		this.#operations++;
		this.#answers.set(
			attempt.answer,
			(this.#answers.get(attempt.answer) ?? 0) + 1,
		);
		this.#worstMs = Math.max(this.#worstMs, attempt.ms);
		if (attempt.ms > timeoutMs + hangAfterMs)
			this.#hangs.push(
				`${attempt.answer} after ${attempt.ms.toFixed(0)} ms, with a timeout of ${timeoutMs} ms`,
			);
		return attempt;
	}

	/** What a fault has left behind, for the sum. */
	left(found: readonly string[]): void {
		this.#leftovers += found.length;
	}

	get hangs(): readonly string[] {
		return this.#hangs;
	}

	get leftovers(): number {
		return this.#leftovers;
	}

	print(): void {
		const answers = [...this.#answers]
			.sort(([, a], [, b]) => b - a)
			.map(([answer, count]) => `${answer} ${count}`);
		console.log(
			[
				`${this.#title}: ${this.#faults} faults injected, ${this.#operations} operations attempted`,
				`answers: ${answers.join(", ")}`,
				`worst latency ${this.#worstMs.toFixed(0)} ms, hangs ${this.#hangs.length}, leftovers ${this.#leftovers} (mounts, processes, sockets, temporary files)`,
			].join("\n"),
		);
	}
}

const errnoTexts: Record<string, string> = {
	ok: "ok",
	"No such device": "ENODEV",
	"Connection timed out": "ETIMEDOUT",
	"No such file or directory": "ENOENT",
	"Input/output error": "EIO",
	"Transport endpoint is not connected": "ENOTCONN",
	"Software caused connection abort": "ECONNABORTED",
};

/** Sockets that bear a path in a directory, by the kernel's own list. */
export async function socketsIn(directory: string): Promise<string[]> {
	const table = await readFile("/proc/net/unix", "latin1");
	return table
		.split("\n")
		.filter((line) => line.includes(`${directory}/`))
		.map((line) => `socket ${line.split(" ").at(-1)}`);
}
