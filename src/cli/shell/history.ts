/** The lines of earlier sessions, in the same file as that of QEMU's own qmp-shell. */
import {
	appendFileSync,
	chmodSync,
	readFileSync,
	writeFileSync,
} from "node:fs";
import { holdsSecret } from "../../qom/guard.ts";

const mostLines = 1000;
/** Only for its owner: the lines show what was done to machines. */
const mode = 0o600;

/** The lines that the shell offers again. */
export interface History {
	/** Oldest first. */
	readonly lines: readonly string[];
	/** Keeps a line for later sessions, unless it may hold a secret. */
	add(line: string): void;
}

/**
 * Reads a history. If the file cannot be read, the history is empty; if it cannot be written,
 * nothing is kept.
 *
 * @param path created with the first line, readable only by its owner
 */
export function openHistory(path: string): History {
	const lines = readLines(path);
	if (lines.length > mostLines)
		quietly(() => writeFileSync(path, text(lines.slice(-mostLines)), { mode }));
	quietly(() => chmodSync(path, mode)); // the file of QEMU's own shell may be readable by all
	let last = lines.at(-1);
	return {
		lines: lines.slice(-mostLines),
		add(line) {
			if (line.trim() === "" || line === last || holdsSecret(line)) return;
			last = line;
			// Appending keeps the lines of another shell that runs now.
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
		return []; // it does not exist yet, or belongs to somebody else
	}
}

function text(lines: readonly string[]): string {
	return lines.map((line) => `${line}\n`).join("");
}

/** A failure to keep the history is ignored. */
function quietly(act: () => void): void {
	try {
		act();
	} catch {
		// not kept
	}
}
