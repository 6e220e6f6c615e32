/** A thread that reads a mount's `.qomfs/status` again and again, whatever its test does meanwhile. */
import { readFileSync } from "node:fs";
import {
	isMainThread,
	parentPort,
	Worker,
	workerData,
} from "node:worker_threads";

/** What was seen of the status; it waits for no machine, so it is late by what else the daemon does. */
export interface StatusSeen {
	readonly reads: number;
	readonly worstMs: number;
}

/** @returns a function that ends the watch and tells what was seen */
export function watchStatus(mountpoint: string): () => Promise<StatusSeen> {
	const worker = new Worker(new URL(import.meta.url), {
		workerData: `${mountpoint}/.qomfs/status`,
	});
	return async () => {
		const seen = new Promise<StatusSeen>((resolve, reject) => {
			worker.once("message", resolve);
			worker.once("error", reject);
		});
		worker.postMessage("end");
		return seen;
	};
}

if (!isMainThread && typeof workerData === "string" && parentPort) {
	const port = parentPort;
	let reads = 0;
	let worstMs = 0;
	const timer = setInterval(() => {
		const startMs = performance.now();
		readFileSync(workerData);
		reads++;
		worstMs = Math.max(worstMs, performance.now() - startMs);
	}, 10);
	port.once("message", () => {
		clearInterval(timer);
		port.postMessage({ reads, worstMs } satisfies StatusSeen);
	});
}
