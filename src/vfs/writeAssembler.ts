/**
 * Puts the writes on one handle together into values. A write that ends in a newline
 * completes a value; one that does not is continued by the next, if that goes on where
 * it ended. A write elsewhere begins anew.
 */
import { FileError } from "../errors.ts";

/** Longest text of a value, in bytes. QEMU needs seconds for as much. */
const maxValueBytes = 1024 * 1024;

const newline = 0x0a;

export class WriteAssembler {
	readonly #append: boolean;
	#bytes = Buffer.alloc(0);
	/** Where the next write has to begin to be a continuation. */
	#nextPosition = 0;
	#held = false;

	/** @param append writes continue each other wherever the kernel thinks the end is */
	constructor(append: boolean) {
		this.#append = append;
	}

	/** Whether something was written that has not been set yet. */
	get isHeld(): boolean {
		return this.#held;
	}

	/**
	 * Takes a write and returns the text of the value so far, without its final newline;
	 * undefined while its last character is not complete.
	 *
	 * @throws FileError EFBIG, EINVAL when it is not UTF-8
	 */
	add(bytes: Uint8Array, position: number): string | undefined {
		if (!this.#append && position !== this.#nextPosition) this.reset();
		this.#nextPosition = position + bytes.length;
		if (this.#bytes.length + bytes.length > maxValueBytes)
			throw new FileError("EFBIG", `longer than ${maxValueBytes} bytes`);
		// Copied: the binding reuses its buffer.
		this.#bytes = Buffer.concat([this.#bytes, bytes]);
		this.#held = true;
		return decode(withoutNewline(this.#bytes));
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

function withoutNewline(bytes: Buffer): Buffer {
	return bytes.at(-1) === newline ? bytes.subarray(0, -1) : bytes;
}

function decode(bytes: Buffer): string | undefined {
	const whole = bytes.subarray(0, bytes.length - unfinishedTail(bytes));
	try {
		const text = new TextDecoder("utf-8", {
			fatal: true,
			ignoreBOM: true,
		}).decode(whole);
		return whole.length === bytes.length ? text : undefined;
	} catch (cause) {
		throw new FileError("EINVAL", "not valid UTF-8", { cause });
	}
}

/** How many bytes at the end are the beginning of a UTF-8 sequence (RFC 3629). */
function unfinishedTail(bytes: Buffer): number {
	for (let count = 1; count <= Math.min(3, bytes.length); count++) {
		const byte = bytes[bytes.length - count] ?? 0;
		if (byte < 0x80) return 0;
		if (byte < 0xc0) continue; // not the first of its sequence
		const needed = byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
		return count < needed ? count : 0;
	}
	return 0;
}
