/** The second instances of QEMU that a command or a mount of a test has started. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Sandbox } from "./sandbox.ts";

/** Where descriptions of types are kept for one sandbox: {@link throwAwaysOf} finds them by it. */
export function cacheOf(sandbox: Sandbox): string {
	return join(sandbox.directory, "cache");
}

/** Instances that live now, and the shells that watch them. */
export async function throwAwaysOf(sandbox: Sandbox): Promise<number[]> {
	const pids = (await readdir("/proc")).map(Number).filter((pid) => pid > 0);
	const read = (pid: number, file: string) =>
		readFile(`/proc/${pid}/${file}`, "utf8").catch(() => ""); // it has just ended
	const ours = await Promise.all(
		pids.map(
			async (pid) =>
				(await read(pid, "cmdline")).includes("socket,id=qmp,fd=3") &&
				(await read(pid, "environ")).includes(`${sandbox.directory}/`),
		),
	);
	return pids.filter((_pid, index) => ours[index]);
}
