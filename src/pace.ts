/**
 * How far to go ahead of QEMU's answers: one function from the round trip to every number in the
 * system. QEMU answers in order, so near it more on their way would only be in each other's. The
 * further it is, the more have to be on their way, or it waits for them.
 */

export interface Pace {
	/** Requests on their way at a time. */
	readonly underWay: number;
	/** How many of these may be for whole objects. */
	readonly bulkUnderWay: number;
	/**
	 * Directories that a sweep is read ahead of. More would make QEMU stall for longer; with values,
	 * which go stale, fewer.
	 */
	readonly aheadListing: number;
	readonly aheadReading: number;
	/** The same where each is a command of its own: enough to keep QEMU busy, and little to ask in vain. */
	readonly aheadAlone: number;
	/** Values that are asked for ahead of an object's reader, where each is a command of its own. */
	readonly aheadValues: number;
}

/** A machine that is as near as on the same host, even where that has other things to do. */
const nearMs = 3;

/**
 * Answers to single values take QEMU 2 ms at most, those to listings alone as long, and those to many
 * objects 40 ms, of which nobody asks for more than a few at a time: so a single value that comes in
 * between still waits for a fraction of a second only.
 *
 * @param roundTripMs from a short request to its answer
 */
export function paceAt(roundTripMs: number): Pace {
	const times = Math.max(1, roundTripMs / nearMs);
	const grown = (near: number, most: number) =>
		Math.min(Math.round(near * times), most);
	return {
		underWay: grown(4, 64),
		bulkUnderWay: grown(1, 32),
		aheadListing: grown(32, 128),
		aheadReading: grown(8, 64),
		aheadAlone: grown(4, 64),
		aheadValues: times === 1 ? 0 : grown(4, 48),
	};
}
