/** Several sources at the same time, with one bar for all of them. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { SnapshotProgress } from "../qom/snapshot/take.ts";
import { startProgress } from "./progress.ts";

export async function lookTogether<Seen>(
	names: readonly string[],
	look: (
		name: string,
		onProgress: (progress: SnapshotProgress) => void,
	) => Promise<Seen>,
): Promise<readonly Seen[]> {
	const bar = startProgress();
	const progress = names.map(() => ({ done: 0, total: 0 }));
	const sum = (member: "done" | "total") =>
		progress.reduce((total, each) => total + each[member], 0);
	try {
		return await Promise.all(
			names.map((name, index) =>
				look(name, (each) => {
					progress[index] = each;
					bar.show({ done: sum("done"), total: sum("total") });
				}),
			),
		);
	} finally {
		bar.stop();
	}
}

/** A source as it can be named anywhere on this host. */
export function shownName(source: string): string {
	return existsSync(source) ? resolve(source) : source;
}
