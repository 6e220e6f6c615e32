/** What open(2) gives. */
import { FileError } from "../errors.ts";

export interface FileHandle {
	/** Size of what it shows, where that no longer changes. */
	readonly size?: number;
	/** Up to `length` bytes from `position`; fewer only at the end. */
	read(length: number, position: number): Promise<Uint8Array>;
	write(bytes: Uint8Array, position: number): Promise<void>;
	/**
	 * Called once, when nobody has it open any more.
	 *
	 * @throws FileError for what was written and never came into effect; nobody can be told by then
	 */
	release(): void;
}

/** A handle on bytes that no longer change: every read sees the same. */
export function snapshotHandle(bytes: Uint8Array): FileHandle {
	return {
		size: bytes.length,
		read: async (length, position) =>
			bytes.subarray(position, position + length),
		write: async () => {
			throw new FileError("EBADF", "not open for writing");
		},
		release() {},
	};
}
