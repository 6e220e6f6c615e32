/** The examples of a document, typed into a shell as they stand. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, rm, symlink } from "node:fs/promises";
import { basename, delimiter, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
	defaultQemu,
	machineDirectory,
	type Qemu,
	startVirtualMachine,
	type VirtualMachine,
} from "../../tools/virtualMachine.ts";
import { run } from "./mounted.ts";

const project = new URL("../..", import.meta.url).pathname;

/** A command and what it prints, from a document. */
export interface Example {
	/** Where the command stands in the document. */
	readonly line: number;
	/** As it is typed; may have several lines. */
	readonly command: string;
	/** Lines of the output; `...` stands for any number of lines. */
	readonly expected: readonly string[];
	/** That the block is for, where it is another than the demo's. */
	readonly machine?: string | undefined;
}

/** What cannot be the same twice: each match is replaced before comparing. */
export type Masks = readonly (readonly [pattern: RegExp, name: string])[];

/** A line before a block: `<!-- machine: NAME -->`. */
const machineComment = /^<!-- machine: (\S+) -->$/;

/**
 * All commands in the fenced blocks of language `console`, in order. A comment before a block
 * names the machine that it is for.
 *
 * @throws Error a block begins with output
 */
export function examplesIn(markdown: string): readonly Example[] {
	const examples: {
		line: number;
		command: string;
		expected: string[];
		machine?: string | undefined;
	}[] = [];
	let machine: string | undefined;
	let isInside = false;
	let isCommand = false;
	let isFirst = false;
	for (const [index, line] of markdown.split("\n").entries()) {
		if (/^```/.test(line)) {
			if (isInside) machine = undefined;
			isInside = !isInside && line === "```console";
			isFirst = isInside;
			continue;
		}
		if (!isInside) {
			machine = machineComment.exec(line)?.[1] ?? machine;
			continue;
		}
		const last = examples.at(-1);
		if (line.startsWith("$ ")) {
			examples.push({
				line: index + 1,
				command: line.slice(2),
				expected: [],
				machine,
			});
			isCommand = true;
		} else if (last && isCommand && line.startsWith("> ")) {
			last.command += `\n${line.slice(2)}`;
		} else if (last && !isFirst) {
			last.expected.push(line);
			isCommand = false;
		} else throw new Error(`line ${index + 1}: output before any command`);
		isFirst = false;
	}
	return examples;
}

/** Whether an output is the expected one, but for what the masks take away. */
export function isExpected(
	actual: readonly string[],
	expected: readonly string[],
	masks: Masks,
): boolean {
	return fits(masked(actual, masks), masked(expected, masks));
}

function masked(lines: readonly string[], masks: Masks): string[] {
	return lines.map((line) =>
		masks.reduce((text, [pattern, name]) => text.replace(pattern, name), line),
	);
}

function fits(actual: readonly string[], expected: readonly string[]): boolean {
	const [first, ...rest] = expected;
	if (first === undefined) return actual.length === 0;
	if (first === "...")
		return [...actual, ""].some((_, skipped) =>
			fits(actual.slice(skipped), rest),
		);
	return actual[0] === first && fits(actual.slice(1), rest);
}

/** Expected on the left, actual on the right, the lines that differ marked. */
export function sideBySide(
	expected: readonly string[],
	actual: readonly string[],
	masks: Masks,
): string {
	const width = Math.min(
		76,
		Math.max("expected".length, ...expected.map((line) => line.length)),
	);
	const count = Math.max(expected.length, actual.length);
	const rows = Array.from({ length: count }, (_, index) => {
		const left = expected[index];
		const right = actual[index];
		const isSame =
			left !== undefined &&
			right !== undefined &&
			isExpected([right], [left], masks);
		return `${(left ?? "").padEnd(width)} ${isSame ? " " : "!"} ${right ?? ""}`;
	});
	return [`${"expected".padEnd(width)}   actual`, ...rows]
		.map((row) => `  ${row.trimEnd()}`)
		.join("\n");
}

/** Longest that one example may take. */
const patienceMs = 60_000;

/** A shell in a fresh directory that holds the two monitors of a machine. */
export class ExampleShell {
	readonly #base: string;
	readonly #machine: VirtualMachine;
	readonly #bash: ChildProcess;
	#output = "";
	#count = 0;

	static async start(
		machine: readonly string[],
		qemu: Qemu = defaultQemu,
	): Promise<ExampleShell> {
		const base = await machineDirectory(qemu);
		try {
			for (const name of ["bin", "home", "work"]) await mkdir(join(base, name));
			const launchers = await readdir(join(project, "bin"));
			for (const file of launchers)
				await symlink(
					join(project, "bin", file),
					join(base, "bin", basename(file, ".js")),
				);
			const vm = await startVirtualMachine(join(base, "work"), machine, qemu);
			const shell = new ExampleShell(base, vm);
			await shell.type(""); // what an interactive bash says without a terminal
			return shell;
		} catch (error) {
			await rm(base, { recursive: true });
			throw error;
		}
	}

	private constructor(base: string, machine: VirtualMachine) {
		this.#base = base;
		this.#machine = machine;
		const { QMP_SOCKET, QMP_PATH, DEBUG, ...inherited } = process.env;
		const path = [join(base, "bin"), dirname(process.execPath)];
		// Interactive, for its messages are those that a user sees.
		this.#bash = spawn("bash", ["--noprofile", "--norc", "--noediting", "-i"], {
			cwd: join(base, "work"),
			env: {
				...inherited,
				PATH: [...path, process.env.PATH].join(delimiter),
				HOME: join(base, "home"),
				LC_ALL: "C.UTF-8",
				PS1: "",
				PS2: "",
				HISTFILE: "/dev/null",
			},
			stdio: ["pipe", "pipe", "pipe"],
			detached: true,
		});
		for (const stream of [this.#bash.stdout, this.#bash.stderr])
			stream?.setEncoding("utf8").on("data", (text: string) => {
				this.#output += text;
			});
		this.#bash.stdin?.on("error", () => {}); // it has ended; the output says so
		this.#bash.stdin?.write("exec 2>&1\n");
	}

	/**
	 * Types a command and waits for its end.
	 *
	 * @throws Error it does not end
	 */
	async type(command: string): Promise<readonly string[]> {
		const mark = `end-of-example-${++this.#count}`;
		this.#output = "";
		// The next example may ask for `$?`.
		this.#bash.stdin?.write(
			`${command}\n{ __status=$?; printf '%s\\n' ${mark}; (exit $__status); }\n`,
		);
		const end = performance.now() + patienceMs;
		for (;;) {
			const length = this.#output.indexOf(`${mark}\n`);
			if (length >= 0)
				return linesOf(this.#output.slice(0, length).replace(/\n$/, ""));
			if (this.#bash.exitCode !== null || performance.now() > end)
				throw new Error(
					`'${command}' does not come to an end; it has printed:\n${this.#output}`,
				);
			await sleep(5);
		}
	}

	/** Unmounts, ends and removes everything. */
	async close(): Promise<void> {
		const ended = once(this.#bash, "exit");
		if (this.#bash.pid !== undefined && this.#bash.exitCode === null) {
			process.kill(-this.#bash.pid, "SIGKILL");
			await ended;
		}
		const { stdout } = await run("findmnt", ["-n", "-r", "-o", "TARGET"]);
		for (const mountpoint of linesOf(stdout))
			if (mountpoint.startsWith(`${this.#base}/`))
				await run("fusermount3", ["-uz", "--", mountpoint]);
		await this.#machine.stop();
		await rm(this.#base, { recursive: true, force: true });
	}
}

function linesOf(text: string): string[] {
	return text === "" ? [] : text.split("\n");
}

/** The first two numbers of a QEMU's version. */
export async function qemuVersion(qemu: Qemu = defaultQemu): Promise<string> {
	const [program, ...prefix] = qemu.command;
	const { stdout } = await run(program, [...prefix, "--version"]);
	return /version (\d+\.\d+)/.exec(stdout)?.[1] ?? "unknown";
}
