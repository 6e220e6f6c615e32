/**
 * Puts the writes on one handle together into values. A write that ends in a newline
 * completes a value; one that does not is continued by the next, if that goes on where
 * it ended. A write elsewhere begins anew.
 *
 * Who writes more than a buffer holds does so in pieces, and the kernel cuts at 1 MiB, less what
 * the first page lacks: a write of whole blocks without a newline may be such a piece.
 */
import { FileError } from "../errors.ts";

/** Longest text of a value, in bytes. QEMU needs seconds for as much. */
const maxValueBytes = 1024 * 1024;

/** Buffers have a multiple of it. */
const blockBytes = 4096;
const newline = 0x0a;

export class WriteAssembler {
	readonly #append: boolean;
	#bytes = Buffer.alloc(0);
	/** Where the next write has to begin to be a continuation. */
	#nextPosition = 0;
	#held = false;
	/** Where a value began that became too long: nothing that comes behind it is a value. */
	#tooLongFrom: number | undefined;
	#startPosition = 0;
	#isWholeBlocks = false;

	/** @param append writes continue each other wherever the kernel thinks the end is */
	constructor(append: boolean) {
		this.#append = append;
	}

	/** Whether something was written that has not been set yet. */
	get isHeld(): boolean {
		return this.#held;
	}

	/** Whether the last write may have been a piece of a longer value, which it is well to wait for. */
	get mayContinue(): boolean {
		return this.#held && this.#isWholeBlocks;
	}

	/** Whether a write there goes on with the value so far. */
	continues(position: number): boolean {
		return this.#append || position === this.#nextPosition;
	}

	/**
	 * Takes a write and returns the text of the value so far, without its final newline;
	 * undefined while its last character is not complete.
	 *
	 * @throws FileError EFBIG, EINVAL when it is not UTF-8
	 */
	add(bytes: Uint8Array, position: number): string | undefined {
		if (!this.continues(position)) this.reset();
		if (this.#bytes.length === 0) this.#startPosition = position;
		this.#nextPosition = position + bytes.length;
		const isBehind =
			this.#tooLongFrom !== undefined &&
			(this.#append || position > this.#tooLongFrom);
		if (isBehind || this.#bytes.length + bytes.length > maxValueBytes) {
			this.#tooLongFrom ??= this.#startPosition;
			// What a line of a shell ends with; a piece that the kernel has cut is whole blocks.
			if (bytes.at(-1) === newline && bytes.length % blockBytes !== 0)
				this.#tooLongFrom = undefined;
			throw new FileError("EFBIG", `longer than ${maxValueBytes} bytes`);
		}
		this.#tooLongFrom = undefined;
		// Copied: the binding reuses its buffer.
		this.#bytes = Buffer.concat([this.#bytes, bytes]);
		this.#held = true;
		this.#isWholeBlocks =
			bytes.at(-1) !== newline &&
			(bytes.length % blockBytes === 0 ||
				this.#bytes.length % blockBytes === 0 ||
				bytes.length > maxValueBytes - blockBytes);
		return decode(this.#bytes);
	}

	/** The text so far, as {@link add} gave it. */
	get text(): string | undefined {
		return decode(this.#bytes);
	}

	/** The value so far was set. If it ended with a newline, the next write begins another. */
	markSet(): void {
		this.#held = false;
		if (this.#bytes.at(-1) === newline) this.reset();
	}

	reset(): void {
		this.#bytes = Buffer.alloc(0);
		this.#held = false;
	}
}

/** Text without its final newline; after one no character can be unfinished. */
function decode(bytes: Buffer): string | undefined {
	const isComplete = bytes.at(-1) === newline;
	const tail = isComplete ? 1 : unfinishedTail(bytes);
	const whole = bytes.subarray(0, bytes.length - tail);
	try {
		const text = new TextDecoder("utf-8", {
			fatal: true,
			ignoreBOM: true,
		}).decode(whole);
		return isComplete || tail === 0 ? text : undefined;
	} catch (cause) {
		throw new FileError("EINVAL", "not valid UTF-8", { cause });
	}
}

/** How many bytes at the end are the beginning of a UTF-8 sequence (RFC 3629). */
function unfinishedTail(bytes: Buffer): number {
	for (let count = 1; count <= Math.min(3, bytes.length); count++) {
		const byte = bytes[bytes.length - count] ?? 0;
		if (isContinuation(byte)) continue;
		return count < sequenceLength(byte) ? count : 0;
	}
	return 0;
}

function isContinuation(byte: number): boolean {
	return byte >= 0x80 && byte < 0xc0;
}

/** By its first byte; those that can be none count as one byte, and do not decode. */
function sequenceLength(byte: number): number {
	if (byte < 0xc2 || byte > 0xf4) return 1;
	if (byte < 0xe0) return 2;
	return byte < 0xf0 ? 3 : 4;
}
