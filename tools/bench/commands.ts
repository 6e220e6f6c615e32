/** What a one-shot command takes, as a multiple of what Node takes for nothing. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { median } from "./median.ts";

const run = promisify(execFile);
const bin = new URL("../../bin", import.meta.url).pathname;

const lines: readonly (readonly [command: string, ...args: string[]])[] = [
	["qom-get", "/machine.type"],
	["qom-list", "/machine"],
	["qom-set", "/objects/io0.poll-max-ns", "8K"],
	["qom-tree", "/"],
	["qmp", "query-status"],
];

/**
 * A line for each command: medians of interleaved runs, and the QMP commands it sends.
 *
 * @param socket of a free monitor
 */
export async function measureCommands(
	socket: string,
	rounds: number,
): Promise<readonly string[]> {
	const nothing = ["-e", "0"];
	const commands = lines.map(([command, ...args]) => [
		`${bin}/${command}.js`,
		...["--socket", socket],
		...args,
	]);
	const timesMs = [nothing, ...commands].map((): number[] => []);
	for (let round = 0; round < rounds; round++)
		for (const [index, args] of [nothing, ...commands].entries()) {
			const startMs = performance.now();
			await run(process.execPath, args, { maxBuffer: 2 ** 30 });
			timesMs[index]?.push(performance.now() - startMs);
		}
	const [nothingMs = 0, ...commandsMs] = timesMs.map(median);
	const table = [`node -e 0: ${nothingMs.toFixed(0)} ms`];
	for (const [index, args] of commands.entries()) {
		const ms = commandsMs[index] ?? Number.NaN;
		const sent = await countSent(args);
		table.push(
			`${lines[index]?.join(" ")}: ${ms.toFixed(0)} ms, ratio ${(ms / nothingMs).toFixed(2)}, ${sent} QMP commands`,
		);
	}
	return table;
}

/** By the debug channel, which has a line for each. */
async function countSent(args: readonly string[]): Promise<number> {
	const { stderr } = await run(process.execPath, args, {
		maxBuffer: 2 ** 30,
		env: { ...process.env, DEBUG: "qomfs:qmp:send", DEBUG_COLORS: "no" },
	});
	return stderr.split("\n").filter((line) => line.includes("qomfs:qmp:send"))
		.length;
}
