/** A machine and a mount that a test does harm to; nothing may stay behind. */
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeEach, expect } from "vitest";
import {
	machineDirectory,
	startVirtualMachine,
	type VirtualMachine,
} from "../../tools/virtualMachine.ts";
import { type Attempt, FaultTally, socketsIn } from "./faultTally.ts";
import { run } from "./mounted.ts";
import { Sandbox } from "./sandbox.ts";

/** Comes up in a moment. */
export const tiny = ["-M", "none", "-S", "-object", "iothread,id=io0"];

/**
 * For an answer (fs/fuse/dev.c, request_wait_answer), or for another that looks up the same name
 * and waits for one (fs/dcache.c, d_alloc_parallel; fs/namei.c takes the directory's lock).
 */
const waitsForMount = /request_wait|fuse|d_alloc_parallel|d_wait|rwsem|lookup/;

/** For what comes sooner or later; it ends only what hangs. */
export const patienceMs = 30_000;

export class FaultBench {
	readonly tally: FaultTally;
	#box: Sandbox | undefined;
	#directory = "";
	/** That was booted last. */
	#vm: VirtualMachine | undefined;

	/** For the tests of a file: each begins with nothing, and has to leave nothing. */
	constructor(title: string) {
		this.tally = new FaultTally(title);
		beforeEach(async () => {
			this.#box = await Sandbox.create();
			this.#directory = await machineDirectory();
		});
		afterEach(() => this.#leave());
		afterAll(() => {
			this.tally.print();
			expect(this.tally.hangs).toEqual([]);
			expect(this.tally.leftovers).toBe(0);
		});
	}

	get box(): Sandbox {
		if (!this.#box) throw new Error("no test has begun");
		return this.#box;
	}

	/** Where the machine's sockets are. */
	get directory(): string {
		return this.#directory;
	}

	get vm(): VirtualMachine {
		if (!this.#vm) throw new Error("no machine was booted");
		return this.#vm;
	}

	get mountpoint(): string {
		return this.box.mountpoint;
	}

	/** A path in the mount. */
	at(path: string): string {
		return join(this.mountpoint, path);
	}

	async boot(args: readonly string[]): Promise<VirtualMachine> {
		this.#vm = await startVirtualMachine(this.#directory, args);
		return this.#vm;
	}

	/** Mounts in the background. */
	async mount(source: string, options = "cache_timeout=0.3"): Promise<void> {
		const args = [source, this.mountpoint, "-o", options];
		expect(await this.box.qomfs(args)).toEqual({
			...{ status: 0, stdout: "", stderr: "" },
		});
	}

	// biome-ignore lint/suspicious/noExplicitAny: a test looks into the status as it likes
	async status(): Promise<any> {
		return JSON.parse(await readFile(this.at(".qomfs/status"), "utf8"));
	}

	async daemonPid(): Promise<number> {
		return (await this.status()).pid;
	}

	/** Empty where nothing is mounted. */
	async mountType(): Promise<string> {
		const { stdout } = await run("findmnt", [
			...["-n", "-o", "FSTYPE", this.mountpoint],
		]);
		return stdout.trim();
	}

	/** Signals a machine, and waits for its end where that ends it. */
	async kill(
		signal: NodeJS.Signals,
		machine: VirtualMachine = this.vm,
	): Promise<void> {
		this.tally.fault();
		machine.process.kill(signal);
		if (signal === "SIGSTOP" || signal === "SIGCONT") return;
		await new Promise<void>((resolve) => {
			machine.process.once("exit", () => resolve());
		});
	}

	/** Lets a machine that was stopped go on, if there is one. */
	wake(): void {
		this.#vm?.process.kill("SIGCONT");
	}

	/** Polls until a file can be read. */
	async untilReadable(path: string): Promise<void> {
		await expect
			.poll(async () => (await this.tally.read(this.at(path))).answer, {
				timeout: patienceMs,
			})
			.toBe("ok");
	}

	/** Waits until the mount has noticed that its machine is gone. */
	async untilLost(): Promise<void> {
		await expect
			.poll(async () => (await this.status()).connection, {
				timeout: patienceMs,
			})
			.toBe("reconnecting");
	}

	/**
	 * Waits until so many processes that name the mount on their command line wait in the kernel
	 * for its answer, or have had it.
	 *
	 * @param answered how many have had it
	 */
	async untilWaiting(count: number, answered = () => 0): Promise<void> {
		// What is answered at once is seen to wait, too, but not twice.
		const reached = async () => {
			const first = await this.#waiting();
			await sleep(20);
			return Math.min(first, await this.#waiting()) + answered();
		};
		await expect
			.poll(reached, { timeout: patienceMs })
			.toBeGreaterThanOrEqual(count);
	}

	/** What the mount says while there is no machine. */
	async expectLost(): Promise<void> {
		await this.untilLost();
		// What the kernel was told is good for `cache_timeout`, and no longer.
		await expect
			.poll(
				async () => {
					const path = this.at("objects/io0");
					const seen = await this.tally.eachKind(path, "poll-max-ns");
					return [...new Set(seen.map(({ answer }) => answer))];
				},
				{ timeout: patienceMs },
			)
			.toEqual(["ENODEV"]);
		const { connection, reason, source } = await this.status();
		expect(connection).toBe("reconnecting");
		expect(reason).toMatch(/\w/);
		expect(source).toMatch(/\w/);
		expect(await this.mountType()).toBe("fuse.qomfs");
	}

	/** Where a process sleeps, its wchan says (proc(5)). */
	async #waiting(): Promise<number> {
		const pids = (await readdir("/proc")).filter((name) => /^\d/.test(name));
		const waiting = await Promise.all(
			pids.map(async (pid) => {
				const [line, place] = await Promise.all(
					["cmdline", "wchan"].map(
						(file) => readFile(`/proc/${pid}/${file}`, "utf8").catch(() => ""), // it has just ended
					),
				);
				return (
					line?.includes(`${this.mountpoint}/`) &&
					waitsForMount.test(place ?? "")
				);
			}),
		);
		return waiting.filter(Boolean).length;
	}

	/** Of the mount, by the kernel's own count; undefined where there is none, or only root may know. */
	async #unanswered(): Promise<number | undefined> {
		if (process.getuid?.() !== 0) return undefined;
		const table = await readFile("/proc/self/mountinfo", "utf8");
		const line = table
			.split("\n")
			.find((line) => line.split(" ")[4] === this.mountpoint);
		const [, minor] = line?.split(" ")[2]?.split(":") ?? [];
		if (minor === undefined) return undefined;
		const control = join(this.box.directory, "fusectl");
		await mkdir(control, { recursive: true });
		await run("mount", ["-t", "fusectl", "none", control]);
		// Of a mount that is dead there is no count.
		const waiting = await readFile(
			join(control, minor, "waiting"),
			"utf8",
		).catch(() => "0");
		await run("umount", [control]);
		return Number(waiting);
	}

	async #leave(): Promise<void> {
		await expect
			.poll(() => this.#unanswered(), { timeout: patienceMs })
			.toBeOneOf([0, undefined]);
		await this.box.qomfs(["umount", this.mountpoint]);
		await this.#vm?.stop();
		this.#vm = undefined;
		const left = [
			...(await this.box.leftovers()),
			...(await socketsIn(this.box.directory)),
			...(await socketsIn(this.#directory)),
		];
		this.tally.left(left);
		await rm(this.#directory, { recursive: true, force: true });
		await this.box.remove();
		expect(left).toEqual([]);
	}
}

/** Every attempt was answered so, and before `withinMs`, where that shows what it waited for. */
export function expectAll(
	attempts: readonly Attempt[],
	answers: readonly string[],
	withinMs = Number.POSITIVE_INFINITY,
): void {
	expect(attempts.filter(({ answer }) => !answers.includes(answer))).toEqual(
		[],
	);
	expect(Math.max(...attempts.map(({ ms }) => ms))).toBeLessThan(withinMs);
}
