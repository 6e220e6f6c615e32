/** How long a message and its answer are on their way, measured on the commands of a session. */

/** The network may change, so only the last ones count. */
const samples = 8;

/** Whatever has a longer answer takes QEMU itself a while. */
const shortText = 1000;

export class RoundTrip {
	readonly #tookMs: number[] = [];

	/** The shortest of late; 0 where none was measured. */
	get ms(): number {
		return this.#tookMs.length > 0 ? Math.min(...this.#tookMs) : 0;
	}

	/**
	 * A command was answered that was sent while QEMU owed nothing else.
	 *
	 * @param text of the answer
	 */
	note(tookMs: number, text: string): void {
		if (text.length > shortText) return;
		this.#tookMs.push(tookMs);
		if (this.#tookMs.length > samples) this.#tookMs.shift();
	}
}
