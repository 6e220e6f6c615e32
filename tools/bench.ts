/**
 * `npm run bench`: what qomfs costs above what cannot be avoided. Each workload is a whole
 * command: once to warm the daemon's own code up, which its floor's is too, then when
 * everything that was cached is too old (cold), and again at once (warm). Its floor is measured in the same round:
 * the fewest QMP commands that fetch the same data, raw on the socket, plus the same command
 * on the same tree served from memory by the bare binding.
 *
 *   --typical      leave the big machine out
 *   --rounds=N     (default 5; the longest workloads on the big machine get one)
 *   --json=FILE    the same figures for programs
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { parseAddress } from "../src/qmp/address.ts";
import { formatVersion } from "../src/qmp/messages.ts";
import { RequestQueue } from "../src/qmp/requestQueue.ts";
import { connectSession, type QmpSession } from "../src/qmp/session.ts";
import { LiveSource } from "../src/qom/live.ts";
import { joinPath, type QomPath, rootPath } from "../src/qom/path.ts";
import { parseType } from "../src/qom/types.ts";
import { measureCommands } from "./benchCommands.ts";
import { findQemuNext } from "./qemuNext.ts";
import {
	bigMachine,
	defaultQemu,
	machineDirectory,
	type Qemu,
	startVirtualMachine,
	typicalMachine,
	type VirtualMachine,
} from "./virtualMachine.ts";

interface Workload {
	readonly name: string;
	/** A shell line; `$M` is the mount. */
	readonly line: string;
	/** What is done before, and not measured. */
	readonly before?: string;
	/** The fewest commands for the same data, raw. */
	readonly floor: (source: LiveSource) => Promise<void>;
	/** Left out where one run takes a minute or more. */
	readonly isSlow?: true;
}

interface Figures {
	readonly timeMs: number;
	readonly commands: number;
	readonly bytesSent: number;
}

interface Row extends Figures {
	readonly qemu: string;
	readonly machine: string;
	readonly workload: string;
	/** The two parts of the floor. */
	readonly qmpMs: number;
	readonly memoryMs: number;
	readonly floorCommands: number;
	readonly ratio: number;
	readonly rssMb: number;
}

const cpu = "/machine/unattached/device[0]";
const property: [QomPath, string] = ["/machine", "graphics"];

const workloads: readonly Workload[] = [
	{
		name: "ls DIR",
		line: 'ls "$M/machine"',
		floor: (source) => contents(source, ["/machine"]),
	},
	{
		name: "ls -l DIR",
		line: 'ls -l "$M/machine/unattached/device[0]"',
		before: 'ls -d "$M/machine/unattached/device[0]"',
		floor: (source) => everyValue(source, cpu),
	},
	{
		name: "cat PROPERTY",
		line: 'cat "$M/machine/graphics"',
		before: 'ls "$M/machine"',
		floor: async (source) => void (await source.get(...property)),
	},
	{
		name: "echo > PROPERTY",
		line: 'echo on > "$M/machine/graphics"',
		before: 'ls "$M/machine"',
		floor: (source) => source.set(...property, true),
	},
	{ name: "find", line: 'find "$M"', floor: (source) => sweep(source, false) },
	{
		name: "grep -r",
		line: 'grep -r . "$M"',
		floor: (source) => sweep(source, true),
		isSlow: true,
	},
	{
		name: "tar",
		line: 'tar -C "$M" --ignore-failed-read -cf - . | cat',
		floor: (source) => sweep(source, true),
		isSlow: true,
	},
];

/** The mount's default, and a little. */
const cacheTimeoutMs = 1200;

/** Paths in one raw `qom-list-get`; with more, the rest of the machine notices. */
const chunk = 100;

async function contents(
	source: LiveSource,
	paths: readonly QomPath[],
): Promise<void> {
	await source.contents(paths);
}

async function everyValue(source: LiveSource, path: QomPath): Promise<void> {
	const object = (await source.contents([path])).get(path);
	if (!object || !("properties" in object) || source.givesValues) return;
	for (const { name, type } of object.properties)
		if (parseType(type).kind !== "child")
			await source.get(path, name).catch(() => {});
}

/** Level by level, as many objects in one command as there may be. */
async function sweep(source: LiveSource, withValues: boolean): Promise<void> {
	let level: QomPath[] = [rootPath];
	while (level.length > 0) {
		const next: QomPath[] = [];
		for (let start = 0; start < level.length; start += chunk) {
			const paths = level.slice(start, start + chunk);
			for (const [path, object] of await source.contents(paths)) {
				if (!("properties" in object)) continue;
				for (const { name, type } of object.properties) {
					const { kind } = parseType(type);
					if (kind === "child") next.push(joinPath(path, name));
					else if (withValues && !source.givesValues)
						await source.get(path, name).catch(() => {});
				}
			}
		}
		level = next;
	}
}

const qomfs = new URL("../bin/qomfs.js", import.meta.url).pathname;
const memoryMount = new URL("memoryMount.ts", import.meta.url).pathname;

async function shell(line: string, mountpoint: string): Promise<number> {
	const startMs = performance.now();
	const child = spawn("sh", ["-c", line], {
		stdio: "ignore",
		env: { ...process.env, M: mountpoint },
	});
	await once(child, "exit");
	return performance.now() - startMs;
}

/** A mount of the machine, new for every round. */
class BenchMount {
	readonly #path: string;

	constructor(path: string) {
		this.#path = path;
	}

	async mount(socket: string): Promise<void> {
		await promisify(execFile)(process.execPath, [qomfs, socket, this.#path]);
	}

	async unmount(): Promise<void> {
		const { pid } = await this.#status();
		await promisify(execFile)("fusermount3", ["-u", this.#path]);
		// The monitor takes the next client when the daemon has gone.
		while (readable(`/proc/${pid}/statm`)) await sleepMs(5);
	}

	async run(line: string): Promise<Figures> {
		const before = await this.#status();
		const timeMs = await shell(line, this.#path);
		const after = await this.#status();
		return {
			timeMs,
			commands: after.commands - before.commands,
			bytesSent: after.bytesSent - before.bytesSent,
		};
	}

	async rssMb(): Promise<number> {
		const { pid } = await this.#status();
		return rssMbOf(pid);
	}

	async #status(): Promise<{
		pid: number;
		commands: number;
		bytesSent: number;
	}> {
		return JSON.parse(
			await readFile(join(this.#path, ".qomfs/status"), "utf8"),
		);
	}
}

function readable(path: string): boolean {
	try {
		return readFileSync(path).length > 0;
	} catch {
		return false;
	}
}

function rssMbOf(pid: number): number {
	const pages = readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1];
	return (Number(pages) * 4096) / 1e6;
}

function sleepMs(ms: number): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, ms));
}

function median(values: readonly number[]): number {
	const sorted = [...values].sort((a, b) => a - b);
	return sorted[sorted.length >> 1] ?? Number.NaN;
}

async function startMemoryMount(
	socket: string,
	mountpoint: string,
): Promise<ChildProcess> {
	const child = spawn(process.execPath, [memoryMount, socket, mountpoint], {
		stdio: ["ignore", "pipe", "inherit"],
	});
	await once(child.stdout, "data");
	return child;
}

interface Bench {
	readonly vm: VirtualMachine;
	readonly session: QmpSession;
	readonly source: LiveSource;
	readonly mounted: BenchMount;
	readonly memoryPath: string;
}

/** Boots a machine, has it measured, and takes everything down again. */
async function withMachine(
	qemu: Qemu,
	args: readonly string[],
	measure: (bench: Bench) => Promise<void>,
): Promise<void> {
	const directory = await machineDirectory(qemu);
	const mounts = await mkdtemp(join(tmpdir(), "qomfs-bench-"));
	const path = join(mounts, "vm");
	const memoryPath = join(mounts, "memory");
	await mkdir(path);
	await mkdir(memoryPath);
	console.error(`booting, and reading the whole tree for its floor`);
	const vm = await startVirtualMachine(directory, [...args, "-S"], qemu);
	const memory = await startMemoryMount(vm.secondSocket, memoryPath);
	tearDown = async () => {
		for (const mountpoint of [path, memoryPath])
			await promisify(execFile)("fusermount3", ["-uz", mountpoint]).catch(
				() => {}, // not mounted at this moment
			);
		memory.kill("SIGKILL");
		await vm.stop();
		await rm(directory, { recursive: true, force: true });
		await rm(mounts, { recursive: true, force: true });
	};
	try {
		const session = await connectSession(parseAddress(vm.secondSocket), {
			connectTimeoutMs: 30_000,
		});
		const source = new LiveSource(new RequestQueue(session));
		await source.probe(session);
		const mounted = new BenchMount(path);
		await measure({ vm, session, source, mounted, memoryPath });
		await session.close();
	} finally {
		await tearDown();
	}
}

/** Undoes what is set up at the moment. */
let tearDown = async (): Promise<void> => {};

async function measureWorkload(
	{ vm, session, source, mounted, memoryPath }: Bench,
	workload: Workload,
	rounds: number,
	describe: { qemu: string; machine: string },
): Promise<Row[]> {
	const cold: Figures[] = [];
	const warm: Figures[] = [];
	const floorsMs: number[] = [];
	const memoryMs: number[] = [];
	let floorCommands = 0;
	let rssMb = 0;
	console.error(`${describe.qemu} ${describe.machine}: ${workload.name}`);
	for (let round = 0; round < rounds; round++) {
		await mounted.mount(vm.socket);
		await mounted.run(workload.line);
		await sleepMs(cacheTimeoutMs);
		if (workload.before) await mounted.run(workload.before);
		cold.push(await mounted.run(workload.line));
		warm.push(await mounted.run(workload.line));
		rssMb = await mounted.rssMb();
		await mounted.unmount();
		const before = session.counters.commands;
		const startMs = performance.now();
		await workload.floor(source);
		floorsMs.push(performance.now() - startMs);
		floorCommands = session.counters.commands - before;
		if (workload.before) await shell(workload.before, memoryPath);
		memoryMs.push(await shell(workload.line, memoryPath));
	}
	const row = (runs: Figures[], name: string, qmpMs: number): Row => {
		const timeMs = median(runs.map((run) => run.timeMs));
		const fromMemoryMs = median(memoryMs);
		return {
			...describe,
			workload: `${workload.name} (${name})`,
			timeMs,
			qmpMs,
			memoryMs: fromMemoryMs,
			ratio: timeMs / (qmpMs + fromMemoryMs),
			commands: median(runs.map((run) => run.commands)),
			floorCommands: qmpMs === 0 ? 0 : floorCommands,
			bytesSent: median(runs.map((run) => run.bytesSent)),
			rssMb,
		};
	};
	const isFresh = /cat|echo|grep|tar|-l/.test(workload.name);
	const outlasts = median(cold.map((run) => run.timeMs)) > cacheTimeoutMs;
	return [
		row(cold, "cold", median(floorsMs)),
		// What is asked anew every time has the same floor again, and so has a sweep that
		// takes longer than a listing is kept.
		row(warm, "warm", isFresh || outlasts ? median(floorsMs) : 0),
	];
}

/** A `cat` beside a sweep of everything, against a `cat` alone. */
async function measureCatDuringSweep({ vm, mounted }: Bench): Promise<string> {
	const line = 'cat "$M/machine/graphics"';
	await mounted.mount(vm.socket);
	const times = async () => {
		const taken: number[] = [];
		for (let count = 0; count < 30; count++)
			taken.push((await mounted.run(line)).timeMs);
		return median(taken);
	};
	await mounted.run(line);
	const idleMs = await times();
	let sweeping = true;
	const sweeps = (async () => {
		while (sweeping) await mounted.run('grep -r . "$M"');
	})();
	const busyMs = await times();
	sweeping = false;
	await sweeps;
	await mounted.unmount();
	return `cat during a full sweep: ${busyMs.toFixed(1)} ms, idle ${idleMs.toFixed(1)} ms, ratio ${(busyMs / idleMs).toFixed(2)}`;
}

async function measureMemory({ vm, mounted }: Bench): Promise<string> {
	await mounted.mount(vm.socket);
	const rss: number[] = [];
	for (let count = 0; count < 10; count++) {
		await mounted.run('find "$M"');
		await mounted.run('ls -l "$M"/machine/unattached/device*');
		rss.push(await mounted.rssMb());
	}
	await mounted.unmount();
	return `daemon RSS over ten sweeps, MB: ${rss.map((mb) => mb.toFixed(0)).join(" ")}`;
}

const heading = `
| QEMU | machine | workload | ms | floor ms (QMP + binding) | ratio | commands | floor's | bytes sent | RSS MB |
|---|---|---|---|---|---|---|---|---|---|`;

function print(row: Row): void {
	console.log(
		`| ${row.qemu} | ${row.machine} | ${row.workload} | ${row.timeMs.toFixed(1)} | ${row.qmpMs.toFixed(1)} + ${row.memoryMs.toFixed(1)} | ${row.ratio.toFixed(2)} | ${row.commands} | ${row.floorCommands} | ${row.bytesSent} | ${row.rssMb.toFixed(0)} |`,
	);
}

// Ctrl-C too leaves nothing mounted or running.
for (const signal of ["SIGINT", "SIGTERM"] as const)
	process.once(signal, async () => {
		await tearDown();
		process.exit(1);
	});

const { values: flags } = parseArgs({
	options: {
		typical: { type: "boolean", default: false },
		rounds: { type: "string", default: "5" },
		json: { type: "string" },
	},
});
const rounds = Number(flags.rounds);
const next = findQemuNext();
if (typeof next === "string") console.log(`without a newer QEMU: ${next}`);
const qemus = [defaultQemu, ...(typeof next === "string" ? [] : [next])];
const rows: Row[] = [];
const notes: string[] = [];

async function measureMachine(
	bench: Bench,
	machine: string,
	chosen: readonly Workload[],
): Promise<void> {
	const qemu = versionOf(bench.session);
	for (const workload of chosen) {
		const isLong = machine === "big" && workload.isSlow;
		const measured = await measureWorkload(
			bench,
			workload,
			isLong ? 1 : rounds,
			{ qemu, machine },
		);
		for (const row of measured) print(row);
		rows.push(...measured);
	}
}

console.log(heading);
for (const qemu of qemus) {
	await withMachine(qemu, typicalMachine, async (bench) => {
		await measureMachine(bench, "typical", workloads);
		const version = versionOf(bench.session);
		notes.push(
			`${version} typical: ${await measureCatDuringSweep(bench)}`,
			...(await measureCommands(bench.vm.socket, 4 * rounds)),
		);
	});
	if (flags.typical) continue;
	await withMachine(qemu, bigMachine, async (bench) => {
		const { givesValues } = bench.source;
		await measureMachine(
			bench,
			"big",
			// Without whole objects, a sweep of all values takes minutes.
			workloads.filter(({ isSlow }) => givesValues || !isSlow),
		);
		if (givesValues)
			notes.push(
				`${versionOf(bench.session)} big: ${await measureMemory(bench)}`,
			);
	});
}

console.log(`\n${notes.join("\n")}`);
if (flags.json)
	writeFileSync(flags.json, `${JSON.stringify({ rows, notes }, null, "\t")}\n`);

function versionOf(session: QmpSession): string {
	return formatVersion(session.greeting.version);
}
