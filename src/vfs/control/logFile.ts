/**
 * A log as a live file: `tail -f` follows it. Offsets only grow and the end offset is the
 * size; of old lines only the last are kept, and a reader that comes late skips the rest.
 */
import { FileError } from "../../errors.ts";
import type { FileHandle } from "../fileHandle.ts";

/** However long its lines are. */
const maxBytes = 4 * 1024 * 1024;

interface Line {
	/** A string, for a small Buffer would keep the whole slab that it is cut from. */
	readonly text: string;
	readonly lengthBytes: number;
}

export class LogFile {
	readonly #maxLines: number;
	readonly #lines: Line[] = [];
	/** What wakes the readers that wait for more, each once. */
	readonly #waiting = new Map<FileHandle, () => void>();
	/** Offset of the oldest line that is kept. */
	#startOffset = 0;
	#endOffset = 0;

	constructor(maxLines: number) {
		this.#maxLines = maxLines;
	}

	/** In bytes, those dropped included. */
	get size(): number {
		return this.#endOffset;
	}

	append(line: string): void {
		const text = `${line}\n`;
		const lengthBytes = Buffer.byteLength(text);
		this.#lines.push({ text, lengthBytes });
		this.#endOffset += lengthBytes;
		while (
			this.#lines.length > this.#maxLines ||
			this.#endOffset - this.#startOffset > maxBytes
		)
			this.#startOffset += this.#lines.shift()?.lengthBytes ?? 0;
		const waiting = [...this.#waiting.values()];
		this.#waiting.clear();
		for (const wake of waiting) wake();
	}

	open(): FileHandle {
		let skipped = 0;
		let readOffset = 0;
		const handle: FileHandle = {
			read: async (length, position) => {
				skipped = Math.max(skipped, this.#startOffset - position);
				const bytes = this.#bytes(position + skipped, length);
				readOffset = position + skipped + bytes.length;
				return bytes;
			},
			poll: (wake) => {
				const isReadable = readOffset < this.#endOffset;
				if (!isReadable && wake) this.#waiting.set(handle, wake);
				return isReadable;
			},
			write: async () => {
				throw new FileError("EBADF", "not open for writing");
			},
			release: () => {
				this.#waiting.delete(handle);
			},
		};
		return handle;
	}

	#bytes(from: number, length: number): Uint8Array {
		let offset = this.#startOffset;
		let before = 0;
		let text = "";
		for (const line of this.#lines) {
			const end = offset + line.lengthBytes;
			if (end <= from) before = end - this.#startOffset;
			else if (offset < from + length) text += line.text;
			offset = end;
		}
		const start = from - this.#startOffset - before;
		return Buffer.from(text).subarray(start, start + length);
	}
}
