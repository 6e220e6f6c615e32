/** The lines of earlier sessions, in the file that qmp-shell has always kept them in. */
import {
	appendFileSync,
	chmodSync,
	readFileSync,
	writeFileSync,
} from "node:fs";
import { holdsSecret } from "../../schema/request.ts";

const mostLines = 1000;
/** It holds what somebody has done to machines. */
const mode = 0o600;

export interface History {
	/** Oldest first. */
	readonly lines: readonly string[];
	/** Keeps a line for later sessions, unless it holds a secret. */
	add(line: string): void;
}

/**
 * Reads a history. One that cannot be read is empty, and one that cannot be written is not kept.
 *
 * @param path created when the first line is kept, for nobody else to read
 */
export function openHistory(path: string): History {
	const lines = readLines(path);
	if (lines.length > mostLines)
		quietly(() => writeFileSync(path, text(lines.slice(-mostLines)), { mode }));
	quietly(() => chmodSync(path, mode)); // Python's may be readable for all
	let last = lines.at(-1);
	return {
		lines: lines.slice(-mostLines),
		add(line) {
			if (line.trim() === "" || line === last || holdsSecret(line)) return;
			last = line;
			// Appended, so that two shells do not lose each other's lines.
			quietly(() => appendFileSync(path, text([line]), { mode }));
		},
	};
}

function readLines(path: string): string[] {
	try {
		return readFileSync(path, "utf8")
			.split("\n")
			.filter((line) => line !== "" && !line.startsWith("_HiStOrY_V2_"));
	} catch {
		return []; // there is none yet, or it is not ours to read
	}
}

function text(lines: readonly string[]): string {
	return lines.map((line) => `${line}\n`).join("");
}

/** A history is no reason to fail. */
function quietly(act: () => void): void {
	try {
		act();
	} catch {
		// not kept
	}
}
