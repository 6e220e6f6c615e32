/**
 * Writers and readers in many processes on the same few properties: nobody sees a value
 * older than the last completed write, nothing hangs, and every write reaches QEMU once.
 * `CONTENTION_SECONDS=30` runs it for longer.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CountingProxy } from "../support/countingProxy.ts";
import {
	type Finished,
	lacksMount,
	type Mounted,
	mountQomfs,
	run,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";
import { RawQmp } from "../support/rawQmp.ts";

const seconds = Number(process.env.CONTENTION_SECONDS ?? 8);

/** One writer each. */
const properties = [
	"poll-max-ns",
	"poll-grow",
	"poll-shrink",
	"aio-max-batch",
] as const;
const readers = 8;

/** In microseconds of the one clock that all processes share. */
interface Seen {
	readonly property: string;
	/** Before the open of a read, after the close of a write. */
	readonly time: number;
	readonly value: number;
}

const now = "$" + "{EPOCHREALTIME/./}";

/** Each goes on for as long, however late it was started. */
const begin = `END=$(( ${now} + DURATION ))`;

/** Writes 1, 2, 3..., and prints each once it is written. */
function writer(property: string): string {
	return `while (( ${now} < END )); do
		(( ++i )); echo $i > ${property} && echo ${property} ${now} $i
	done`;
}

/** Half of them ask for the size first, which fetches a value ahead of the open. */
function reader(number: number): string {
	const look = number % 2 ? "[ -s $p ]; " : "";
	return `while (( ${now} < END )); do for p in ${properties.join(" ")}; do
		${look}t=${now}; read -r v < $p && echo $p $t $v
	done; done`;
}

function parse({ stdout }: Finished): Seen[] {
	return stdout
		.trimEnd()
		.split("\n")
		.map((line) => {
			const [property = "", time, value] = line.split(" ");
			return { property, time: Number(time), value: Number(value) };
		});
}

describe.skipIf(lacksMount)(`4 writers and 8 readers for ${seconds} s`, () => {
	let vm: TestMachine;
	let qmp: RawQmp;
	let proxy: CountingProxy;
	let mounted: Mounted;
	let written: Seen[];
	/** Of each reader apart, and of the second monitor. */
	let seen: Seen[][];
	let finished: Finished[];

	beforeAll(
		async () => {
			vm = await startTestMachine();
			qmp = await RawQmp.connect(vm.secondSocket);
			for (const property of properties)
				await qmp.execute("qom-set", {
					...{ path: "/objects/io0", property, value: 0 },
				});
			const socket = join(vm.directory, "proxy.sock");
			proxy = await CountingProxy.listen(socket, vm.socket);
			mounted = await mountQomfs(socket, "value_timeout=2");
			const endMs = Date.now() + seconds * 1000;
			const start = (script: string) =>
				run("bash", ["-c", `cd "$M/objects/io0"; ${begin}; ${script}`], {
					env: {
						...{ ...process.env, LC_ALL: "C" },
						...{ M: mounted.path, DURATION: `${seconds}000000` },
					},
					timeout: seconds * 1000 + 20_000,
				});
			const writing = Promise.all(properties.map(writer).map(start));
			const reading = Promise.all(
				Array.from({ length: readers }, (_, number) => start(reader(number))),
			);
			const watched = await watch(endMs);
			const [writes, reads] = await Promise.all([writing, reading]);
			finished = [...writes, ...reads];
			written = writes.flatMap(parse);
			seen = [...reads.map(parse), watched];
		},
		seconds * 1000 + 60_000,
	);

	afterAll(async () => {
		await mounted?.unmount();
		await proxy?.close();
		qmp?.close();
		await vm?.stop();
	});

	/** What the second monitor sees meanwhile. */
	async function watch(endMs: number): Promise<Seen[]> {
		const values: Seen[] = [];
		while (Date.now() < endMs)
			for (const property of properties) {
				const time = Date.now() * 1000;
				const args = { path: "/objects/io0", property };
				values.push({
					property,
					time,
					value: await qmp.execute("qom-get", args),
				});
				await sleep(20); // between two looks
			}
		return values;
	}

	const of = (list: readonly Seen[], property: string) =>
		list.filter((entry) => entry.property === property);

	it("nothing hangs and nothing fails", () => {
		for (const { status, stderr } of finished)
			expect([status, stderr]).toEqual([0, ""]);
		for (const property of properties)
			expect(of(written, property).length).toBeGreaterThan(seconds);
		for (const values of seen)
			expect(values.length).toBeGreaterThan(4 * seconds);
	});

	it("every write reaches QEMU once, in its order", async () => {
		for (const property of properties) {
			const values = of(written, property).map(({ value }) => value);
			expect(values).toEqual(values.map((_, index) => index + 1));
			const set = proxy.requests
				.filter(({ command }) => command === "qom-set")
				.filter(({ args }) => args.property === property);
			expect(set.map(({ args }) => args.value)).toEqual(values);
			expect(
				await qmp.execute("qom-get", { path: "/objects/io0", property }),
			).toBe(values.at(-1));
		}
	});

	it("nobody sees a value older than the last completed write, or than one seen before", () => {
		const stale: object[] = [];
		for (const property of properties) {
			const writes = of(written, property);
			for (const values of seen) {
				let [index, newest] = [0, 0];
				for (const { time, value } of of(values, property)) {
					for (; index < writes.length; index++) {
						const write = writes[index];
						if (!write || write.time >= time) break;
						newest = Math.max(newest, write.value);
					}
					if (value < newest) stale.push({ property, time, value, newest });
					newest = Math.max(newest, value);
				}
			}
		}
		expect(stale).toEqual([]);
	});
});
