/** Runs the command-line tools as a user does: by their names, in a shell, on a terminal. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { CommandError, QomError } from "../../src/errors.ts";
import type { Json } from "../../src/json.ts";
import type {
	ObjectContents,
	PropertyInfo,
	QomSource,
	TypeDescription,
	TypeInfo,
} from "../../src/qom/source.ts";
import { type Finished, run, throughHost } from "./mounted.ts";

const binDirectory = new URL("../../bin", import.meta.url).pathname;

/** A tool that goes on until somebody ends it. */
export interface RunningTool {
	readonly process: ChildProcess;
	readonly lines: () => readonly string[];
	readonly stderr: () => string;
	/** Its exit status, or the signal that ended it. */
	readonly ended: Promise<number | string>;
	/** Waits until so many lines are there. */
	seen(lines: number): Promise<readonly string[]>;
	/** Ends it and waits. */
	stop(): Promise<void>;
}

export class Tools {
	/** The launchers by their names, as an installation has them; for what is only for a moment. */
	readonly directory: string;
	/** That every tool talks to; undefined: none is named. */
	socket: string | undefined;

	static async create(socket?: string): Promise<Tools> {
		const tools = new Tools(
			await mkdtemp(join(tmpdir(), "qomfs-tools-")),
			socket,
		);
		for (const file of await readdir(binDirectory))
			await symlink(
				join(binDirectory, file),
				join(tools.directory, basename(file, ".js")),
			);
		return tools;
	}

	private constructor(directory: string, socket: string | undefined) {
		this.directory = directory;
		this.socket = socket;
	}

	/** Runs `qom-get ARGS` and the like to its end. */
	run(tool: string, ...args: string[]): Promise<Finished> {
		return run(process.execPath, [join(this.directory, tool), ...args], {
			env: this.environment(),
		});
	}

	/** What it prints; any failure is one of the test. */
	async output(tool: string, ...args: string[]): Promise<string> {
		const finished = await this.run(tool, ...args);
		expect(finished).toMatchObject({ status: 0, stderr: "" });
		return finished.stdout;
	}

	/** Runs a line of bash that calls the tools by their names. */
	sh(line: string, env: NodeJS.ProcessEnv = {}): Promise<Finished> {
		return run("bash", ["-c", line], { env: this.environment(env) });
	}

	/** What a line of shell shows on a terminal, without the carriage returns. */
	async terminal(line: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
		const { stdout } = await run("script", ["-qec", line, "/dev/null"], {
			env: this.environment({ TERM: "xterm", ...env }),
		});
		return stdout.replaceAll("\r\n", "\n");
	}

	/** Starts a tool that goes on. */
	start(tool: string, ...args: string[]): RunningTool {
		const child = spawn(
			process.execPath,
			[join(this.directory, tool), ...args],
			{ stdio: ["ignore", "pipe", "pipe"], env: this.environment() },
		);
		return running(child);
	}

	/** With the Node that runs the tests first, for the launchers' first line names any. */
	environment(env: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
		// In CI Node takes no terminal for coloured.
		const { CI, DEBUG, NO_COLOR, FORCE_COLOR, QMP_SOCKET, ...inherited } =
			process.env;
		return {
			...inherited,
			PATH: `${this.directory}:${dirname(process.execPath)}:${process.env.PATH}`,
			...(this.socket !== undefined && {
				QMP_SOCKET: throughHost(this.socket),
			}),
			...env,
		};
	}

	async remove(): Promise<void> {
		await rm(this.directory, { recursive: true });
	}
}

/** Collects what a process says. */
export function running(child: ChildProcess): RunningTool {
	let [stdout, stderr] = ["", ""];
	child.stdout?.on("data", (chunk) => {
		stdout += chunk;
	});
	child.stderr?.on("data", (chunk) => {
		stderr += chunk;
	});
	const ended = new Promise<number | string>((resolve) => {
		child.once("close", (status, signal) => resolve(status ?? signal ?? ""));
	});
	const lines = () => stdout.split("\n").slice(0, -1);
	return {
		process: child,
		lines,
		stderr: () => stderr,
		ended,
		async seen(count) {
			const endMs = performance.now() + 30_000;
			while (lines().length < count && performance.now() < endMs)
				await sleep(20);
			expect(lines().length, `lines seen; on stderr: ${stderr}`).toBe(count);
			return lines();
		},
		async stop() {
			child.kill("SIGKILL");
			await ended;
		},
	};
}

/** One line of talk that names the tool, nothing on stdout, and never a stack trace. */
export function expectRefusal(
	finished: Finished,
	status: number,
	message: RegExp,
): void {
	expect(finished).toEqual({
		status,
		stdout: "",
		stderr: expect.stringMatching(/^(qomfs|qom-\w+|qmp(-shell)?): [^\n]+\n$/),
	});
	expect(finished.stderr).toMatch(message);
	expectNoTrace(finished.stderr);
}

export function expectNoTrace(text: string): void {
	expect(text).not.toMatch(/^\s+at |node:internal|internal error/m);
}

/** What a terminal would obey or take for another reading direction. */
export function controlsIn(text: string): string[] {
	return (
		text.match(
			/[^\P{Cc}\n\t]|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu,
		) ?? []
	);
}

/** Path of an object -> its properties, `[name, type]` or `[name, type, value]`. */
export type FakeTree = Readonly<
	Record<string, readonly (readonly [string, string, Json?])[]>
>;

/** A machine out of thin air. It follows no links. */
export class FakeMachine implements QomSource {
	readonly isWritable = true;
	/** Paths that were asked for, each command on its own. */
	readonly asked: (readonly string[])[] = [];
	readonly tree: FakeTree;
	readonly givesValues: boolean;

	constructor(tree: FakeTree, givesValues: boolean) {
		this.tree = tree;
		this.givesValues = givesValues;
	}

	async list(path: string): Promise<readonly PropertyInfo[]> {
		this.asked.push([path]);
		return this.#entries(path).map(([name, type]) => ({ name, type }));
	}

	async contents(
		paths: readonly string[],
	): Promise<ReadonlyMap<string, ObjectContents | QomError>> {
		this.asked.push(paths);
		return new Map<string, ObjectContents | QomError>(
			paths.map((path): [string, ObjectContents | QomError] => {
				if (!this.tree[path]) return [path, noSuchObject(path)];
				const entries = this.#entries(path);
				const values = entries.flatMap(([name, , value]) =>
					this.givesValues && value !== undefined
						? [[name, value] as const]
						: [],
				);
				return [
					path,
					{
						properties: entries.map(([name, type]) => ({ name, type })),
						values: new Map(values),
					},
				];
			}),
		);
	}

	async get(path: string, property: string): Promise<Json> {
		const entry = this.#entries(path).find(([name]) => name === property);
		if (entry?.[2] !== undefined) return entry[2];
		const desc = entry
			? "No crash occurred"
			: `Property '${property}' not found`;
		const cause = new CommandError("qom-get", "GenericError", desc);
		const refusal = entry ? "no value" : "no such property";
		throw new QomError(refusal, { path, property }, cause);
	}

	async set(): Promise<void> {
		throw new Error("nothing here sets anything");
	}

	async qtree(): Promise<string> {
		return "";
	}

	async types(): Promise<readonly TypeInfo[]> {
		return [];
	}

	async describe(): Promise<TypeDescription> {
		return { properties: new Map() };
	}

	#entries(path: string): FakeTree[string] {
		const entries = this.tree[path];
		if (!entries) throw noSuchObject(path);
		return entries;
	}
}

function noSuchObject(path: string): QomError {
	const desc = `Device '${path}' not found`;
	const cause = new CommandError("qom-list", "DeviceNotFound", desc);
	return new QomError("no such object", { path }, cause);
}
