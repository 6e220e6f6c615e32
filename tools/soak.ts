/**
 * `npm run soak -- MINUTES` (default 10): one mount under everything at once. Sweeps, single
 * reads, writes, hot-plug, QEMU restarts and killed readers; every value is checked against a
 * second monitor of the same machine. Ends non-zero on a wrong value, a hang, growth of the
 * daemon after its first minute, or too little done.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import {
	lstat,
	mkdir,
	mkdtemp,
	readdir,
	readFile,
	rm,
	writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import {
	childPath,
	RawQmp,
	type RawReply,
	toJson,
	type WalkedProperty,
	walk,
} from "../test/support/rawQmp.ts";
import {
	machineDirectory,
	smallMachine,
	startVirtualMachine,
	type VirtualMachine,
} from "./virtualMachine.ts";

const minutes = Number(process.argv[2] ?? 10);
if (!(minutes > 0))
	throw new Error(`'${process.argv[2]}' is no number of minutes`);

const qomfs = new URL("../bin/qomfs.js", import.meta.url).pathname;

const timeoutMs = 5000;
const cacheTimeoutMs = 300;
const hangAfterMs = timeoutMs + 1000;
/** The longest back-off, and the time to set a session up. */
const reconnectMs = 8000;
const restartEveryMs = 20_000;

const needed = { operationsPerMinute: 1000, restartsPerMinute: 1 };
const mostGrowth = 0.1;

let isOver = false;
const operations = new Map<string, number>();
const errors = new Map<string, number>();
const wrong: string[] = [];
const hangs: string[] = [];
let worstMs = 0;

const count = (map: Map<string, number>, key: string) =>
	map.set(key, (map.get(key) ?? 0) + 1);

const sum = (map: Map<string, number>) =>
	[...map.values()].reduce((total, number) => total + number, 0);

const listing = (map: Map<string, number>) =>
	[...map].map(([key, number]) => `${key} ${number}`).join(", ") || "none";

function noteTime(what: string, ms: number): void {
	worstMs = Math.max(worstMs, ms);
	if (ms > hangAfterMs) hangs.push(`${what}: ${(ms / 1000).toFixed(1)} s`);
}

/** The errno of an operation that failed, or its result. */
type Outcome<Result> = { readonly result: Result } | { readonly errno: string };

async function operate<Result>(
	kind: string,
	act: () => Promise<Result>,
): Promise<Outcome<Result>> {
	const startMs = performance.now();
	try {
		return { result: await act() };
	} catch (error) {
		const errno = (error as NodeJS.ErrnoException).code ?? String(error);
		count(errors, `${kind} ${errno}`);
		return { errno };
	} finally {
		count(operations, kind);
		noteTime(kind, performance.now() - startMs);
	}
}

/** What a value looks like in a file, told apart from how qomfs does it. */
function asText(value: RawReply): string {
	if (typeof value === "string") return `${value}\n`;
	return value === null ? "\n" : `${toJson(value)}\n`;
}

class MachineGone extends Error {}

/** A machine that comes and goes, and the monitor that nobody else uses. */
class Machine {
	/** Counts the machines; a check that spans two says nothing. */
	epoch = 0;
	hasExtra = false;
	properties: readonly WalkedProperty[] = [];
	restarts = 0;
	readonly #directory: string;
	#vm: VirtualMachine | undefined;
	#qmp: RawQmp | undefined;
	#gone: Promise<never> = Promise.reject(new MachineGone());

	constructor(directory: string) {
		this.#directory = directory;
		this.#gone.catch(() => {});
	}

	get isUp(): boolean {
		return this.#qmp !== undefined;
	}

	get socket(): string {
		return join(this.#directory, "vm.sock");
	}

	async start(): Promise<void> {
		this.hasExtra = !this.hasExtra;
		const extra = this.hasExtra ? ["-device", "virtio-rng-pci,id=extra0"] : [];
		const vm = await startVirtualMachine(this.#directory, [
			...[...smallMachine, "-S", ...extra],
		]);
		this.#vm = vm;
		this.#gone = once(vm.process, "exit").then(() => {
			this.#qmp = undefined;
			throw new MachineGone();
		});
		this.#gone.catch(() => {});
		const qmp = await RawQmp.connect(vm.secondSocket);
		this.properties = (await walk(qmp)).filter(
			({ object, name, type }) =>
				!/^(child|link)</.test(type) &&
				// Others write these, or a clock does.
				!(object === "/objects/io0" && name.startsWith("poll-")) &&
				!/-time$/.test(name),
		);
		this.epoch++;
		this.#qmp = qmp;
	}

	/** Ends it in one of several ways, and starts the next. */
	async restart(): Promise<void> {
		const vm = this.#vm as VirtualMachine;
		const exited = once(vm.process, "exit");
		this.epoch++;
		const qmp = this.#qmp;
		this.#qmp = undefined;
		switch (this.restarts++ % 3) {
			case 0:
				vm.process.kill("SIGKILL");
				break;
			case 1:
				qmp?.ask("quit").catch(() => {});
				break;
			default:
				vm.process.kill("SIGTERM");
		}
		await exited;
		qmp?.close();
		await sleep(Math.random() * 1000);
		await this.start();
	}

	/** @throws MachineGone at once, when it ends meanwhile */
	async ask(command: string, args?: object): Promise<RawReply> {
		if (!this.#qmp) throw new MachineGone();
		return Promise.race([this.#qmp.ask(command, args), this.#gone]);
	}

	/** Paths of all that is there; what is unplugged meanwhile is left out. */
	async walk(): Promise<Set<string>> {
		const found = new Set<string>();
		const objects = ["/"];
		for (const object of objects) {
			const reply = await this.ask("qom-list", { path: object });
			for (const { name, type } of reply.return ?? []) {
				const path = childPath(object, name);
				found.add(path);
				if (type.startsWith("child<")) objects.push(path);
			}
		}
		return found;
	}

	async stop(): Promise<void> {
		this.#qmp?.close();
		await this.#vm?.stop();
	}
}

const directory = await machineDirectory();
const mounts = await mkdtemp(join(tmpdir(), "qomfs-soak-"));
const mountpoint = join(mounts, "vm");
await mkdir(mountpoint);
const machine = new Machine(directory);

const at = (path: string) => join(mountpoint, path);
const pick = <Value>(values: readonly Value[]): Value =>
	values[Math.floor(Math.random() * values.length)] as Value;

async function readLoop(): Promise<void> {
	const { epoch } = machine;
	const property = pick(machine.properties);
	const { object, name } = property;
	const path = childPath(object, name);
	const read = () => operate("read", () => readFile(at(path), "utf8"));
	if (!machine.isUp) {
		await read(); // whatever it says, it must say it soon
		return void (await sleep(50));
	}
	const get = () => machine.ask("qom-get", { path: object, property: name });
	const before = await get();
	const seen = await read();
	const after = await get();
	if (epoch !== machine.epoch || isAbsent(seen)) return;
	const allowed = [before, after].map((reply) =>
		reply.error ? "refused" : asText(reply.return),
	);
	const shown =
		"result" in seen
			? seen.result
			: refusals.test(seen.errno)
				? "refused"
				: seen.errno;
	if (!allowed.includes(shown))
		wrong.push(
			`${path}: ${JSON.stringify(shown)}, not ${JSON.stringify(allowed)}`,
		);
	await sleep(5);
}

const refusals = /^(EACCES|EIO|ENODATA|EINVAL|EPERM)$/;

/** The mount has not come back to the machine yet, or could not wait for it. */
function isAbsent(outcome: Outcome<unknown>): boolean {
	return "errno" in outcome && /^(ENODEV|ETIMEDOUT)$/.test(outcome.errno);
}

/** What one side writes, the other has to see at once. */
async function writeLoop(): Promise<void> {
	const { epoch } = machine;
	const where = { path: "/objects/io0", property: "poll-max-ns" };
	const path = at("objects/io0/poll-max-ns");
	const value = Math.floor(Math.random() * 1e9);
	const written = await operate("write", () =>
		writeFile(path, `${value}\n`, { flag: "r+" }),
	);
	if (!machine.isUp) return void (await sleep(50));
	if ("result" in written) {
		const reply = await machine.ask("qom-get", where);
		if (epoch === machine.epoch && reply.return !== value)
			wrong.push(`wrote ${value}, the machine has ${toJson(reply)}`);
	} else if (!isAbsent(written) && epoch === machine.epoch)
		wrong.push(`writing ${value}: ${written.errno}`);
	const next = Math.floor(Math.random() * 1e9);
	await machine.ask("qom-set", { ...where, value: next });
	const seen = await operate("read", () => readFile(path, "utf8"));
	if (epoch === machine.epoch && "result" in seen) {
		const shown = Number(seen.result);
		// A sweep may have fetched it ahead just before; what the mount wrote it must know.
		if (shown === value && "result" in written) fetchedAhead++;
		else if (shown !== next)
			wrong.push(`wrote ${value}, the machine has ${next}, read ${shown}`);
	}
	await sleep(10);
}

/** Reads of what another reader's sweep had fetched, which the promise of freshness allows. */
let fetchedAhead = 0;

let plugged = 0;

async function plugLoop(): Promise<void> {
	if (!machine.isUp) return void (await sleep(50));
	const id = `hot${plugged++}`;
	const isDevice = plugged % 2 === 0;
	const path = at(`${isDevice ? "machine/peripheral" : "objects"}/${id}`);
	const { epoch } = machine;
	const expectPresence = async (expected: string) => {
		await sleep(cacheTimeoutMs + 50);
		const seen = await operate("look", () => lstat(path));
		const shown = "result" in seen ? "there" : seen.errno;
		if (epoch === machine.epoch && !isAbsent(seen) && shown !== expected)
			wrong.push(`${id} is ${shown}, not ${expected}`);
	};
	const change = async (command: string, args: object) => {
		const reply = await machine.ask(command, args);
		count(operations, "plug");
		if (reply.error) throw new Error(`${command}: ${reply.error.desc}`);
	};
	if (isDevice)
		await change("device_add", { driver: "usb-mouse", bus: "xhci.0", id });
	else await change("object-add", { "qom-type": "iothread", id });
	await expectPresence("there");
	await change(isDevice ? "device_del" : "object-del", { id });
	await expectPresence("ENOENT");
}

/** Whatever stands in the way of a comparison: plugged things, and their places on a bus. */
const comesAndGoes = /\/hot\d|\/child\[\d+\]/;

async function findLoop(): Promise<void> {
	if (!machine.isUp) return void (await sleep(50));
	const { epoch } = machine;
	const before = await machine.walk();
	const { stdout, stderr } = await sweep("find", 'find "$M" -mindepth 1');
	const after = await machine.walk();
	if (epoch !== machine.epoch || /No such device|timed out/.test(stderr))
		return;
	const found = new Set(
		stdout
			.trimEnd()
			.split("\n")
			.map((line) => line.slice(mountpoint.length)),
	);
	for (const path of before)
		if (after.has(path) && !found.has(path) && !comesAndGoes.test(path))
			wrong.push(`find misses ${path}`);
	for (const path of found)
		if (!before.has(path) && !after.has(path) && !comesAndGoes.test(path))
			wrong.push(`find has ${path}, which is not there`);
}

const sweeps = [
	'ls -lR "$M"',
	'grep -r --line-buffered . "$M/machine/peripheral"',
	'tar -C "$M" --ignore-failed-read -cf - objects machine/peripheral',
	'cat "$M"/objects/*/* "$M"/.qomfs/status "$M"/.qomfs/errors',
];

async function sweepLoop(): Promise<void> {
	await sweep("sweep", pick(sweeps));
	await sleep(100);
}

const running = new Set<ChildProcess>();

function start(line: string): ChildProcess {
	const child = spawn("bash", ["-c", line], {
		stdio: ["ignore", "pipe", "pipe"],
		detached: true,
		env: { ...process.env, LC_ALL: "C", M: mountpoint },
	});
	running.add(child);
	child.once("close", () => running.delete(child));
	return child;
}

/** As long as it says something it does not hang, however long it takes. */
async function sweep(
	kind: string,
	line: string,
): Promise<{ stdout: string; stderr: string }> {
	const child = start(line);
	let [stdout, stderr, lastMs] = ["", "", performance.now()];
	const hear = () => {
		noteTime(line, performance.now() - lastMs);
		lastMs = performance.now();
	};
	child.stdout?.on("data", (chunk) => {
		hear();
		if (kind === "find") stdout += chunk;
	});
	child.stderr?.on("data", (chunk) => {
		hear();
		stderr += chunk;
	});
	const [status] = await once(child, "close");
	hear();
	count(operations, kind);
	if (status !== 0)
		count(
			errors,
			`${kind} ${/No such device|timed out|$/.exec(stderr)?.[0] || "other"}`,
		);
	return { stdout, stderr };
}

async function killLoop(): Promise<void> {
	const child = start(
		pick(['grep -r . "$M"', 'cat "$M"/objects/io0/*', 'find "$M"']),
	);
	child.stdout?.resume();
	child.stderr?.resume();
	const ended = once(child, "exit");
	await sleep(Math.random() * 500);
	const startMs = performance.now();
	try {
		process.kill(-(child.pid as number), "SIGKILL");
	} catch {
		// it was quicker
	}
	await ended;
	count(operations, "killed reader");
	noteTime("killed reader", performance.now() - startMs);
}

async function restartLoop(): Promise<void> {
	await sleep(restartEveryMs);
	if (isOver) return;
	await machine.restart();
	const upMs = performance.now();
	for (;;) {
		const seen = await operate("status", () =>
			readFile(at(".qomfs/status"), "utf8"),
		);
		const status = JSON.parse("result" in seen ? seen.result : "{}");
		if (status.connection === "connected") break;
		const tookMs = performance.now() - upMs;
		if (tookMs > reconnectMs) {
			hangs.push(
				`reconnecting: ${(tookMs / 1000).toFixed(1)} s, ${status.reason}`,
			);
			return;
		}
		await sleep(50);
	}
	reconnectsMs.push(performance.now() - upMs);
	await sleep(cacheTimeoutMs);
	const names = await operate("list", () => readdir(at("machine/peripheral")));
	if ("result" in names && names.result.includes("extra0") !== machine.hasExtra)
		wrong.push(
			`extra0 is ${machine.hasExtra ? "missing" : "still there"} after a restart`,
		);
}

const reconnectsMs: number[] = [];

/** Again and again to the end; a machine that goes in the middle of it is what this is about. */
async function repeat(act: () => Promise<unknown>): Promise<void> {
	while (!isOver)
		try {
			await act();
		} catch (error) {
			if (!(error instanceof MachineGone)) throw error;
			await sleep(20);
		}
}

interface Sample {
	readonly second: number;
	readonly rssMb: number;
	readonly descriptors: number;
	readonly threads: number;
}

const resources = ["rssMb", "descriptors", "threads"] as const;
const samples: Sample[] = [];

async function sample(pid: number, startMs: number): Promise<void> {
	const status = await readFile(`/proc/${pid}/status`, "utf8");
	const field = (name: string) =>
		Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]);
	samples.push({
		second: (performance.now() - startMs) / 1000,
		rssMb: field("VmRSS") / 1024,
		descriptors: (await readdir(`/proc/${pid}/fd`)).length,
		threads: field("Threads"),
	});
}

function median(values: readonly number[]): number {
	const sorted = [...values].sort((a, b) => a - b);
	return sorted[sorted.length >> 1] ?? Number.NaN;
}

/** Of the samples of half a minute: garbage comes and goes. */
function usage(from: number, to: number): Sample {
	const within = samples.filter(({ second }) => second >= from && second < to);
	const of = (key: keyof Sample) => median(within.map((sample) => sample[key]));
	return {
		...{ second: from, rssMb: of("rssMb") },
		...{ descriptors: of("descriptors"), threads: of("threads") },
	};
}

const show = ({ rssMb, descriptors, threads }: Sample) =>
	`RSS ${rssMb.toFixed(0)} MB, ${descriptors} descriptors, ${threads} threads`;

let daemon = 0;

async function tearDown(): Promise<void> {
	isOver = true;
	for (const child of running)
		try {
			process.kill(-(child.pid as number), "SIGKILL");
		} catch {
			// it has just ended
		}
	await promisify(execFile)("fusermount3", ["-uz", mountpoint]).catch(() => {});
	await machine.stop();
	await rm(directory, { recursive: true, force: true });
	await rm(mounts, { recursive: true, force: true });
}

for (const signal of ["SIGINT", "SIGTERM"] as const)
	process.once(signal, async () => {
		await tearDown();
		process.exit(1);
	});

// Nor does a mistake in here.
process.once("uncaughtException", async (error) => {
	console.error(error);
	await tearDown();
	process.exit(1);
});

const failures: string[] = [];
try {
	await machine.start();
	await promisify(execFile)(process.execPath, [
		...[qomfs, machine.socket, mountpoint],
		...[
			"-o",
			`timeout=${timeoutMs / 1000},cache_timeout=${cacheTimeoutMs / 1000}`,
		],
	]);
	daemon = JSON.parse(await readFile(at(".qomfs/status"), "utf8")).pid;
	const startMs = performance.now();
	await sample(daemon, startMs);
	const loops = [
		...[readLoop, readLoop, readLoop, writeLoop, plugLoop],
		...[findLoop, sweepLoop, killLoop, restartLoop],
	];
	const work = Promise.all(loops.map(repeat));
	const timer = (async () => {
		while (performance.now() - startMs < minutes * 60_000) {
			await sleep(1000);
			await sample(daemon, startMs);
		}
		isOver = true;
	})();
	await Promise.race([work, timer]);
	await Promise.race([
		Promise.all([work, timer]),
		sleep(30_000, undefined, { ref: false }),
	]);
	const first = samples[0] as Sample;
	const lastSecond = samples.at(-1)?.second ?? 0;
	const reference = usage(60, 90);
	const end = usage(lastSecond - 30, Number.POSITIVE_INFINITY);
	console.log(
		[
			`${minutes} minutes: ${sum(operations)} operations (${listing(operations)})`,
			`errors: ${listing(errors)}`,
			`restarts ${machine.restarts}, back after at most ${Math.max(0, ...reconnectsMs).toFixed(0)} ms`,
			`worst latency ${worstMs.toFixed(0)} ms, hangs ${hangs.length}, wrong values ${wrong.length} (fetched ahead, as allowed: ${fetchedAhead})`,
			`at start: ${show(first)}`,
			...(lastSecond > 90 ? [`after a minute: ${show(reference)}`] : []),
			`at the end: ${show(end)}`,
		].join("\n"),
	);
	for (const what of [...wrong.slice(0, 20), ...hangs.slice(0, 20)])
		failures.push(what);
	if (sum(operations) < needed.operationsPerMinute * minutes)
		failures.push("too few operations");
	if (machine.restarts < Math.floor(needed.restartsPerMinute * minutes))
		failures.push("too few restarts");
	if (lastSecond < 120) console.log("too short to tell whether anything grows");
	else
		for (const key of resources)
			if (end[key] > reference[key] * (1 + mostGrowth))
				failures.push(`${key} grew from ${reference[key]} to ${end[key]}`);
} finally {
	await tearDown();
}
for (const failure of failures) console.log(`FAILED: ${failure}`);
process.exit(failures.length === 0 ? 0 : 1);
