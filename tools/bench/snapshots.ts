/** What a snapshot takes beside the QMP commands that it is made of, and what a diff of two takes. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { propertyValue } from "../../src/qom/contents.ts";
import type { QomSource } from "../../src/qom/source.ts";
import { parseType } from "../../src/qom/types.ts";
import { walkLevels } from "../../src/qom/walk.ts";
import { median } from "./median.ts";

const run = promisify(execFile);
const qomfs = new URL("../../bin/qomfs.js", import.meta.url).pathname;

/**
 * Medians of interleaved runs: the commands alone, the whole process, and a diff of two files.
 *
 * @param socket of a free monitor
 * @param source the same machine on another monitor
 */
export async function measureSnapshots(
	socket: string,
	source: QomSource,
	rounds: number,
): Promise<string> {
	const directory = await mkdtemp(join(tmpdir(), "qomfs-bench-"));
	const file = join(directory, "vm.json");
	const timed = async (act: () => Promise<unknown>) => {
		const startMs = performance.now();
		await act();
		return performance.now() - startMs;
	};
	const times = {
		...{ nothing: [], floor: [], snapshot: [], report: [], diff: [] },
	} as Record<"nothing" | "floor" | "snapshot" | "report" | "diff", number[]>;
	for (let round = 0; round < rounds; round++) {
		times.nothing.push(await timed(() => run(process.execPath, ["-e", "0"])));
		times.floor.push(await timed(() => askEverything(source)));
		times.snapshot.push(
			await timed(() =>
				run(process.execPath, [qomfs, "snapshot", socket, "-o", file]),
			),
		);
		times.report.push(
			await timed(() =>
				run(process.execPath, [
					...[qomfs, "report", socket, "-o", `${file}.html`],
				]),
			),
		);
		times.diff.push(
			await timed(() => run(process.execPath, [qomfs, "diff", file, file])),
		);
	}
	const peak = await peakMb(["snapshot", socket, "-o", file]);
	await rm(directory, { recursive: true });
	const [nothing, floor, snapshot, report, diff] = [
		...[times.nothing, times.floor, times.snapshot, times.report, times.diff],
	].map(median) as [number, number, number, number, number];
	return `snapshot ${snapshot.toFixed(0)} ms, its QMP commands alone ${floor.toFixed(0)} ms (ratio ${(snapshot / floor).toFixed(2)}, without the start of Node ${((snapshot - nothing) / floor).toFixed(2)}), ${peak} MB; report ${report.toFixed(0)} ms (${(report / snapshot).toFixed(2)} times the snapshot); diff of two ${diff.toFixed(0)} ms`;
}

/** What a snapshot asks, and nothing else. */
async function askEverything(source: QomSource): Promise<void> {
	await source.types();
	for await (const { path, contents } of walkLevels(source, "/"))
		for (const { name, type } of contents.properties)
			if (parseType(type).kind !== "child" && name !== "type")
				await propertyValue(source, path, name, contents);
}

/** The greatest resident size of the process. */
async function peakMb(args: readonly string[]): Promise<number> {
	const script = `process.argv.splice(1, 1, ${JSON.stringify(qomfs)}); process.on("exit", () => console.error(process.resourceUsage().maxRSS)); import(${JSON.stringify(qomfs)})`;
	const { stderr } = await run(process.execPath, ["-e", script, "x", ...args]);
	return Math.round(Number(stderr.trim().split("\n").at(-1)) / 1024);
}
