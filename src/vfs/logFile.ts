/**
 * A log as a live file: `tail -f` follows it. Offsets only grow and the end offset is the
 * size; of old lines only the last are kept, and a reader that comes late skips the rest.
 */
import { FileError } from "../errors.ts";
import type { FileHandle } from "./node.ts";

/** However long its lines are. */
const maxBytes = 4 * 1024 * 1024;

export class LogFile {
	readonly #maxLines: number;
	readonly #lines: Buffer[] = [];
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
		const bytes = Buffer.from(`${line}\n`);
		this.#lines.push(bytes);
		this.#endOffset += bytes.length;
		while (
			this.#lines.length > this.#maxLines ||
			this.#endOffset - this.#startOffset > maxBytes
		)
			this.#startOffset += this.#lines.shift()?.length ?? 0;
	}

	open(): FileHandle {
		let skipped = 0;
		return {
			read: async (length, position) => {
				skipped = Math.max(skipped, this.#startOffset - position);
				const from = position + skipped - this.#startOffset;
				return Buffer.concat(this.#lines).subarray(from, from + length);
			},
			write: async () => {
				throw new FileError("EBADF", "not open for writing");
			},
			release() {},
		};
	}
}
