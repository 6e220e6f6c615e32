/**
 * Recognises a program that walks the tree depth first (`find`, `grep -r`, `tar`, `ls -R`):
 * every directory that it reads lies in the one before it, or beside it or one of its parents.
 */
import { type QomPath, splitPath } from "../qom/path.ts";

/** So many directories in a row are no accident. */
const recognisedAfter = 4;

export class Sweep {
	readonly #pauseMs: number;
	#last: QomPath | undefined;
	#lastMs = 0;
	#length = 0;
	#visited = new Set<QomPath>();
	#root: QomPath = "";

	/** @param pauseMs after so long without a sign of life it is over */
	constructor(pauseMs: number) {
		this.#pauseMs = pauseMs;
	}

	/** Whether there are enough directories in a row by now. */
	get isRecognised(): boolean {
		return this.#length >= recognisedAfter;
	}

	/** The directory that was read last. */
	get current(): QomPath | undefined {
		return this.#last;
	}

	/** Where the sweep began, or the highest parent that it has come back to. */
	get root(): QomPath {
		return this.#root;
	}

	/** A directory is being read. */
	visit(path: QomPath, nowMs: number): void {
		const [parent] = splitPath(path);
		// Nobody comes back in one walk: what was visited before is the beginning of another.
		if (this.hasVisited(path) || !this.#follows(parent, nowMs)) {
			this.#length = 0;
			this.#visited.clear();
			this.#root = path;
		} else if (!isWithin(path, this.#root)) {
			this.#root = parent;
		}
		this.#length++;
		this.#last = path;
		this.#lastMs = nowMs;
		this.#visited.add(path);
	}

	/** A value is being read: the sweep goes on. */
	keepAlive(nowMs: number): void {
		if (this.isAlive(nowMs)) this.#lastMs = nowMs;
	}

	/** It has waited for QEMU until now, so it has not paused. */
	revive(nowMs: number): void {
		this.#lastMs = nowMs;
	}

	/** It has paused, or whoever comes is somebody else. */
	end(): void {
		this.#length = 0;
		this.#last = undefined;
		this.#visited.clear();
	}

	/** Whether it has not paused. */
	isAlive(nowMs: number): boolean {
		return nowMs - this.#lastMs < this.#pauseMs;
	}

	hasVisited(path: QomPath): boolean {
		return this.#visited.has(path);
	}

	#follows(parent: QomPath, nowMs: number): boolean {
		return (
			this.isAlive(nowMs) &&
			this.#last !== undefined &&
			isWithin(this.#last, parent)
		);
	}
}

/** Whether a path is a directory or lies below it; whole names, so /foobar is not in /foo. */
export function isWithin(path: QomPath, directory: QomPath): boolean {
	return (
		path === directory ||
		path.startsWith(directory === "/" ? "/" : `${directory}/`)
	);
}
