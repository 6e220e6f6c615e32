/**
 * `npm run bench`: what qomfs costs above what cannot be avoided. Each workload is a whole
 * command: once to warm the daemon's own code up, which its floor's is too, then when
 * everything that was cached is too old (cold), and again at once (warm). In the same round it
 * is run on a mount through libfuse, and its floor is measured: the fewest QMP commands that
 * fetch the same data, raw on the socket, plus the same command on the same tree served from
 * memory by the same code for the kernel. From memory, that code is also compared with libfuse and
 * with a C program.
 *
 *   --typical      leave the big machine out
 *   --rounds=N     (default 5; the longest workloads on the big machine get one)
 *   --only=TEXT    only workloads whose name contains it
 *   --qemu=TEXT    only QEMUs whose version begins with it
 *   --json=FILE    the same figures for programs
 */
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs, promisify } from "node:util";
import { backendNames } from "../src/fuse/backend.ts";
import { parseAddress } from "../src/qmp/address.ts";
import { formatVersion } from "../src/qmp/messages.ts";
import { connectSession } from "../src/qmp/openSession.ts";
import { RequestQueue } from "../src/qmp/requestQueue.ts";
import type { QmpSession } from "../src/qmp/session.ts";
import { wayTo } from "../src/qmp/way.ts";
import { LiveSource } from "../src/qom/live.ts";
import { measureCommands } from "./bench/commands.ts";
import { median } from "./bench/median.ts";
import { formatTree, readMachine } from "./bench/memoryTree.ts";
import {
	BenchMount,
	type Cost,
	type Figures,
	MemoryMounts,
	type MemoryServer,
	memoryServers,
} from "./bench/mounts.ts";
import { measureSnapshots } from "./bench/snapshots.ts";
import { type Workload, workloads } from "./bench/workloads.ts";
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
	readonly throughLibfuse: Cost;
}

interface MemoryRow {
	readonly machine: string;
	readonly workload: string;
	readonly costs: Partial<Record<MemoryServer, Cost>>;
}

/** The mount's default, and a little. */
const cacheTimeoutMs = 1200;

interface Bench {
	readonly vm: VirtualMachine;
	readonly session: QmpSession;
	readonly source: LiveSource;
	readonly mounted: BenchMount;
	readonly memory: MemoryMounts;
	readonly qemu: string;
	readonly machine: string;
}

function medians<Key extends string>(
	runs: readonly Readonly<Record<Key, number>>[],
	...keys: readonly Key[]
): Record<Key, number> {
	const found = keys.map((key) => [key, median(runs.map((run) => run[key]))]);
	return Object.fromEntries(found);
}

/** Boots a machine, has it measured, and takes everything down again. */
async function withMachine(
	qemu: Qemu,
	machine: string,
	args: readonly string[],
	measure: (bench: Bench) => Promise<void>,
): Promise<void> {
	const directory = await machineDirectory(qemu);
	const mounts = await mkdtemp(join(tmpdir(), "qomfs-bench-"));
	const path = join(mounts, "vm");
	await mkdir(path);
	console.error("booting");
	const vm = await startVirtualMachine(directory, [...args, "-S"], qemu);
	const memory = new MemoryMounts();
	tearDown = async () => {
		await promisify(execFile)("fusermount3", ["-uz", path]).catch(
			() => {}, // not mounted at this moment
		);
		await memory.unmount();
		await vm.stop();
		await rm(directory, { recursive: true, force: true });
		await rm(mounts, { recursive: true, force: true });
	};
	try {
		const session = await connectSession(wayTo(parseAddress(vm.secondSocket)), {
			connectTimeoutMs: 30_000,
		});
		const source = new LiveSource(new RequestQueue(session));
		await source.probe(session);
		const version = formatVersion(session.greeting.version);
		if (version.startsWith(flags.qemu)) {
			console.error("reading the whole tree for its floor");
			const treeFile = join(mounts, "tree");
			writeFileSync(treeFile, formatTree(await readMachine(source)));
			await memory.mount(treeFile, mounts);
			const mounted = new BenchMount(path);
			const bench = { vm, session, source, mounted, memory };
			await measure({ ...bench, qemu: version, machine });
		}
		await session.close();
	} finally {
		await tearDown();
	}
}

/** Undoes what is set up at the moment. */
let tearDown = async (): Promise<void> => {};

/** Cold and warm, through each way to the kernel. */
async function measureMounts(
	{ vm, mounted }: Bench,
	{ line, before }: Workload,
	figures: Record<"cold" | "warm", Record<string, Figures[]>>,
): Promise<number> {
	let rssMb = 0;
	for (const backend of backendNames.toReversed()) {
		await mounted.mount(vm.socket, backend);
		await mounted.run(line);
		await sleep(cacheTimeoutMs);
		if (before) await mounted.run(before);
		for (const run of [figures.cold, figures.warm]) {
			run[backend] ??= [];
			run[backend].push(await mounted.run(line));
		}
		rssMb = await mounted.rssMb();
		await mounted.unmount();
	}
	return rssMb;
}

async function measureWorkload(
	bench: Bench,
	workload: Workload,
	rounds: number,
): Promise<void> {
	const { session, source, memory, qemu, machine } = bench;
	const figures: Record<"cold" | "warm", Record<string, Figures[]>> = {
		cold: {},
		warm: {},
	};
	const floorsMs: number[] = [];
	const fromMemory: Partial<Record<MemoryServer, Cost[]>> = {};
	let floorCommands = 0;
	let rssMb = 0;
	console.error(`${qemu} ${machine}: ${workload.name}`);
	for (let round = 0; round < rounds; round++) {
		rssMb = await measureMounts(bench, workload, figures);
		const before = session.counters.commands;
		const startMs = performance.now();
		await workload.floor(source);
		floorsMs.push(performance.now() - startMs);
		floorCommands = session.counters.commands - before;
		for (const name of memoryServers) {
			// Once for the kernel's own warmth, as the mount's warm run has it.
			await memory.run(workload.before ?? workload.line, name);
			const cost = await memory.run(workload.line, name);
			if (!cost) continue;
			fromMemory[name] ??= [];
			fromMemory[name].push(cost);
		}
	}
	const costs: MemoryRow["costs"] = {};
	for (const name of memoryServers)
		if (fromMemory[name])
			costs[name] = medians(fromMemory[name], "timeMs", "cpuMs");
	const memoryMs = costs.kernel?.timeMs ?? Number.NaN;
	if (workload.isSweep)
		memoryRows.push({ machine, workload: workload.name, costs });
	for (const name of ["cold", "warm"] as const) {
		const { kernel = [], "fuse-native": libfuse = [] } = figures[name];
		const own = medians(kernel, "timeMs", "cpuMs", "commands", "bytesSent");
		const outlasts = median(kernel.map((run) => run.timeMs)) > cacheTimeoutMs;
		// What is asked anew every time has the same floor again, and so has a sweep that
		// takes longer than a listing is kept.
		const asksAgain = name === "cold" || workload.isFresh || outlasts;
		const qmpMs = asksAgain ? median(floorsMs) : 0;
		const row: Row = {
			...{ qemu, machine, workload: `${workload.name} (${name})` },
			...{ ...own, qmpMs, memoryMs, rssMb },
			ratio: own.timeMs / (qmpMs + memoryMs),
			floorCommands: asksAgain ? floorCommands : 0,
			throughLibfuse: medians(libfuse, "timeMs", "cpuMs"),
		};
		printFloor(row);
		rows.push(row);
	}
}

/** A `cat` beside a sweep of everything, against a `cat` alone. */
async function measureCatDuringSweep({ vm, mounted }: Bench): Promise<string> {
	const line = 'cat "$M/machine/graphics"';
	await mounted.mount(vm.socket, "kernel");
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
	const idleCpuMs = await mounted.idleCpuMs(10);
	await mounted.unmount();
	return [
		`cat during a full sweep: ${busyMs.toFixed(1)} ms, idle ${idleMs.toFixed(1)} ms, ratio ${(busyMs / idleMs).toFixed(2)}`,
		`the daemon's CPU in 10 s without a request: ${idleCpuMs} ms`,
	].join("\n");
}

async function measureMemory({ vm, mounted }: Bench): Promise<string> {
	await mounted.mount(vm.socket, "kernel");
	const rss: number[] = [];
	for (let count = 0; count < 10; count++) {
		await mounted.run('find "$M"');
		await mounted.run('ls -l "$M"/machine/unattached/device*');
		rss.push(await mounted.rssMb());
	}
	await mounted.unmount();
	return `daemon RSS over ten sweeps, MB: ${rss.map((mb) => mb.toFixed(0)).join(" ")}`;
}

function printTable(columns: readonly string[]): void {
	printCells(columns);
	printCells(columns.map(() => "---"));
}

function printCells(cells: readonly (string | number)[]): void {
	console.log(`| ${cells.join(" | ")} |`);
}

function ratioOf(value: number, other: number): string {
	return other > 0 ? (value / other).toFixed(2) : "";
}

function printFloor(row: Row): void {
	printCells([
		...[row.qemu, row.machine, row.workload, row.timeMs.toFixed(1)],
		`${row.qmpMs.toFixed(1)} + ${row.memoryMs.toFixed(1)}`,
		...[row.ratio.toFixed(2), row.commands, row.floorCommands],
		...[row.bytesSent, row.rssMb.toFixed(0)],
	]);
}

function printLibfuse({ throughLibfuse: other, ...row }: Row): void {
	printCells([
		...[row.qemu, row.machine, row.workload],
		...[row.timeMs.toFixed(0), other.timeMs.toFixed(0)],
		ratioOf(row.timeMs, other.timeMs),
		...[row.cpuMs, other.cpuMs, ratioOf(row.cpuMs, other.cpuMs)],
	]);
}

function printMemory({ machine, workload, costs }: MemoryRow): void {
	const { kernel, "fuse-native": libfuse, C } = costs;
	const timeMs = kernel?.timeMs ?? Number.NaN;
	const other = (cost: Cost | undefined) => [
		cost?.timeMs.toFixed(0) ?? "",
		cost ? ratioOf(timeMs, cost.timeMs) : "",
	];
	printCells([
		...[machine, workload, timeMs.toFixed(0), ...other(libfuse), ...other(C)],
		...[kernel, libfuse, C].map((cost) => cost?.cpuMs ?? ""),
	]);
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
		only: { type: "string", default: "" },
		qemu: { type: "string", default: "" },
		json: { type: "string" },
	},
});
const rounds = Number(flags.rounds);
const next = findQemuNext();
if (typeof next === "string") console.log(`without a newer QEMU: ${next}`);
const qemus = [defaultQemu, ...(typeof next === "string" ? [] : [next])];
const chosen = workloads.filter(({ name }) => name.includes(flags.only));
const rows: Row[] = [];
const memoryRows: MemoryRow[] = [];
const notes: string[] = [];

printTable([
	...["QEMU", "machine", "workload", "ms", "floor ms (QMP + memory)", "ratio"],
	...["commands", "floor's", "bytes sent", "RSS MB"],
]);
for (const qemu of qemus) {
	await withMachine(qemu, "typical", typicalMachine, async (bench) => {
		for (const workload of chosen)
			await measureWorkload(bench, workload, rounds);
		if (flags.only) return;
		notes.push(
			`${bench.qemu} typical: ${await measureCatDuringSweep(bench)}`,
			...(await measureCommands(bench.vm.socket, 4 * rounds)),
			await measureSnapshots(bench.vm.socket, bench.source, rounds),
		);
	});
	if (flags.typical) continue;
	await withMachine(qemu, "big", bigMachine, async (bench) => {
		const { givesValues } = bench.source;
		// Without whole objects, a sweep of all values takes minutes.
		for (const workload of chosen)
			if (givesValues || !workload.isSlow)
				await measureWorkload(bench, workload, workload.isSlow ? 1 : rounds);
		if (givesValues && !flags.only)
			notes.push(
				`${bench.qemu} big: ${await measureMemory(bench)}`,
				await measureSnapshots(bench.vm.socket, bench.source, rounds),
			);
	});
}

console.log("\nAgainst the same mount with -o backend=fuse-native:\n");
printTable([
	...["QEMU", "machine", "workload", "ms", "libfuse's", "ratio"],
	...["CPU ms", "libfuse's", "ratio"],
]);
for (const row of rows) printLibfuse(row);

console.log("\nThe same trees from memory:\n");
printTable([
	...["machine", "workload", "ms", "libfuse's", "ratio", "C's", "ratio"],
	...["CPU ms", "libfuse's", "C's"],
]);
for (const row of memoryRows) printMemory(row);

console.log(`\n${notes.join("\n")}`);
if (flags.json)
	writeFileSync(
		flags.json,
		`${JSON.stringify({ rows, memoryRows, notes }, null, "\t")}\n`,
	);
