/**
 * A volume is what belongs to one machine in a mount: its tree, what its user may do there, what
 * has failed, and how many may wait for it. A mount of several machines has one for each.
 */
import { TimeoutError } from "../errors.ts";
import { ErrorLog } from "./control/errorLog.ts";
import { Learnt } from "./learnt.ts";

export interface VolumeOptions {
	readonly readOnly: boolean;
	/** Lifts the guard on what can crash the machine or cut the session. */
	readonly unsafeWrites: boolean;
	/** Leaves out of listings what cannot be read. */
	readonly hideUnreadable: boolean;
	/** Absolute path of the volume's root, for symlink targets that begin with it. */
	readonly mountpoint: string;
	/** How many requests may wait for the machine at the same time; undefined for any number. */
	readonly mostWaiting: number | undefined;
	/** When the machine was connected: QOM knows no times. Milliseconds since 1970. */
	readonly sinceMs: () => number;
}

export class Volume {
	readonly options: VolumeOptions;
	readonly errors = new ErrorLog();
	readonly learnt = new Learnt();
	/** Values that are set because their file was closed, by path. */
	readonly #closing = new Map<string, Promise<void>>();
	#waiting = 0;

	constructor(options: VolumeOptions) {
		this.options = options;
	}

	/**
	 * Does what may have to wait for the machine.
	 *
	 * @throws TimeoutError at once, when too many wait already
	 */
	async wait<Result>(act: () => Promise<Result>): Promise<Result> {
		const { mostWaiting = Number.POSITIVE_INFINITY } = this.options;
		if (this.#waiting >= mostWaiting)
			throw new TimeoutError(`${mostWaiting} others wait for QEMU already`);
		this.#waiting++;
		try {
			return await act();
		} finally {
			this.#waiting--;
		}
	}

	/** A value is set that close(2) has not waited for; whoever looks next does. */
	noteClosing(path: string, setting: Promise<void>): void {
		const done = setting
			.catch(() => {}) // it is recorded where it happens
			.finally(() => {
				if (this.#closing.get(path) === done) this.#closing.delete(path);
			});
		this.#closing.set(path, done);
	}

	/** Resolves when nothing is set any more by a close; undefined where nothing is. */
	closing(path: string): Promise<void> | undefined {
		return this.#closing.get(path);
	}

	/** Permission bits as they show. */
	mode(bits: number): number {
		return this.options.readOnly ? bits & ~0o222 : bits;
	}
}
