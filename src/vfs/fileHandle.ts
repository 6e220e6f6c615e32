/** What open(2) gives. */
import { FileError } from "../errors.ts";

export interface FileHandle {
	/** Size of what it shows, where that no longer changes. */
	readonly size?: number;
	/** Up to `length` bytes from `position`; fewer only at the end. */
	read(length: number, position: number): Promise<Uint8Array>;
	write(bytes: Uint8Array, position: number): Promise<void>;
	/**
	 * Of what grows: whether there is more than was read.
	 *
	 * @param wake called once there is, if there is not
	 */
	poll?(wake: (() => void) | undefined): boolean;
	/**
	 * Called once, when it is no longer open anywhere.
	 *
	 * @throws FileError, QomError, ValueError something was written and never took effect; no system
	 *   call can report it any more
	 */
	release(): void | Promise<void>;
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
