/**
 * `npm run soak:machines -- MINUTES [COUNT]`: a mount of a directory of small machines that start, stop, are
 * killed and hang at random, while all of them are read. It ends with status 1 if a machine that runs shows a
 * wrong value or none, if one that runs is slowed by the others, or if something stays behind.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { defaultQemu } from "./virtualMachine.ts";

const qomfs = new URL("../bin/qomfs.js", import.meta.url).pathname;
const timeoutSec = 2;
/** So long after it was started or went on, a machine has to be there again: the back-off is 5 s at most. */
const settleMs = 9000;

/** One place for a machine, which has none at times. */
class Slot {
	readonly name: string;
	readonly value: number;
	readonly #socket: string;
	#pid: number | undefined;
	#isStopped = false;
	/** Since when it runs undisturbed. */
	#sinceMs = Number.POSITIVE_INFINITY;

	constructor(directory: string, number: number) {
		this.name = `vm${number}`;
		this.value = 1000 + number;
		this.#socket = join(directory, `${this.name}.sock`);
	}

	/** Whether it has to answer, all the time that something took. */
	isSettled(fromMs: number): boolean {
		return fromMs - this.#sinceMs > settleMs;
	}

	async disturb(): Promise<void> {
		this.#sinceMs = Number.POSITIVE_INFINITY;
		if (this.#pid === undefined) await this.#start();
		else if (this.#isStopped) this.#signal("SIGCONT");
		else {
			const signals = ["SIGTERM", "SIGKILL", "SIGSTOP"] as const;
			const signal = signals[Math.floor(Math.random() * signals.length)];
			this.#signal(signal ?? "SIGTERM");
		}
		if (this.#pid !== undefined && !this.#isStopped)
			this.#sinceMs = performance.now();
	}

	async #start(): Promise<void> {
		const [program, ...prefix] = defaultQemu.command;
		const child = spawn(
			program,
			[
				...prefix,
				...["-M", "none", "-m", "16", "-nodefaults", "-display", "none"],
				...["-accel", "tcg", "-S"],
				...["-object", `iothread,id=io0,poll-max-ns=${this.value}`],
				...["-qmp", `unix:${this.#socket},server=on,wait=off`],
			],
			{ stdio: "ignore", detached: true },
		);
		this.#pid = child.pid;
		this.#isStopped = false;
		child.once("exit", () => {
			this.#pid = undefined;
			this.#sinceMs = Number.POSITIVE_INFINITY;
		});
		await once(child, "spawn");
	}

	#signal(signal: NodeJS.Signals): void {
		if (this.#pid === undefined) return;
		process.kill(this.#pid, signal);
		this.#isStopped = signal === "SIGSTOP";
	}

	async end(): Promise<void> {
		this.#signal("SIGCONT");
		this.#signal("SIGKILL");
		while (this.#pid !== undefined) await sleep(10);
	}
}

async function main(minutes: number, count: number): Promise<boolean> {
	const place = await mkdtemp(join(tmpdir(), "qomfs-soak-"));
	const [sockets, mountpoint] = [join(place, "vms"), join(place, "mnt")];
	await mkdir(sockets);
	await mkdir(mountpoint);
	const slots = Array.from(
		{ length: count },
		(_none, number) => new Slot(sockets, number),
	);
	await run(
		"mount",
		sockets,
		mountpoint,
		"-o",
		`delay_connect,timeout=${timeoutSec}`,
	);
	const { pid } = JSON.parse(
		await readFile(join(mountpoint, ".qomfs/status"), "utf8"),
	);
	const tally = { reads: 0, right: 0, refused: 0, disturbed: 0, wrong: 0 };
	let worstMs = 0;
	const problems: string[] = [];
	const endMs = performance.now() + minutes * 60_000;
	const disturb = async () => {
		while (performance.now() < endMs) {
			await slots[Math.floor(Math.random() * count)]?.disturb();
			tally.disturbed++;
			await sleep(200 + Math.random() * 1500);
		}
	};
	const read = async () => {
		while (performance.now() < endMs) {
			const slot = slots[Math.floor(Math.random() * count)] as Slot;
			const fromMs = performance.now();
			const mustAnswer = slot.isSettled(fromMs);
			const file = join(mountpoint, slot.name, "objects/io0/poll-max-ns");
			const text = await readFile(file, "utf8").catch(
				(error: NodeJS.ErrnoException) => error,
			);
			const tookMs = performance.now() - fromMs;
			tally.reads++;
			if (text instanceof Error) {
				tally.refused++;
				if (mustAnswer && slot.isSettled(fromMs))
					problems.push(
						`${slot.name}: ${text.code} after ${Math.round(tookMs)} ms`,
					);
			} else if (Number(text) === slot.value) {
				tally.right++;
				if (mustAnswer) worstMs = Math.max(worstMs, tookMs);
			} else {
				tally.wrong++;
				problems.push(`${slot.name}: ${JSON.stringify(text)}`);
			}
			await sleep(Math.random() * 20);
		}
	};
	const memory: string[] = [];
	const watch = async () => {
		while (performance.now() < endMs) {
			const { VmRSS = "" } = await statusOf(pid);
			const files = (await readdir(`/proc/${pid}/fd`)).length;
			memory.push(
				`${Math.round(Number.parseInt(VmRSS, 10) / 1024)} MB, ${files} files`,
			);
			await sleep(Math.min(60_000, Math.max(0, endMs - performance.now())));
		}
	};
	await Promise.all([disturb(), watch(), ...Array.from({ length: 8 }, read)]);
	await Promise.all(slots.map((slot) => slot.end()));
	await run("umount", mountpoint);
	await sleep(2500);
	const isGone = (await statusOf(pid)).VmRSS === undefined;
	if (!isGone) problems.push("the daemon stays");
	if (worstMs > 1000)
		problems.push(`a machine that runs took ${Math.round(worstMs)} ms`);
	await rm(place, { recursive: true });
	console.log(
		`${minutes} minutes, ${count} machines: ${tally.reads} reads (${tally.right} right, ${tally.refused} refused, ${tally.wrong} wrong), ${tally.disturbed} starts, stops and hangs; the slowest read of a machine that runs ${Math.round(worstMs)} ms`,
	);
	console.log(`memory and files, minute by minute: ${memory.join("; ")}`);
	for (const problem of problems.slice(0, 20))
		console.log(`problem: ${problem}`);
	return problems.length === 0;
}

async function run(...args: string[]): Promise<void> {
	await promisify(execFile)(process.execPath, [qomfs, ...args]);
}

/** `/proc/PID/status`; empty for a process that is gone. */
async function statusOf(pid: number): Promise<Record<string, string>> {
	const text = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
	return Object.fromEntries(
		text.split("\n").map((line) => {
			const [name = "", value = ""] = line.split(":\t");
			return [name, value.trim()];
		}),
	);
}

// Readers of a machine that hangs must not keep the others from reading.
process.env.UV_THREADPOOL_SIZE = "64";
const [minutes = 10, count = 12] = process.argv.slice(2).map(Number);
process.exitCode = (await main(minutes, count)) ? 0 : 1;
