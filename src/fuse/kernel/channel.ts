/**
 * The descriptor of a mount: one message of the kernel at a time, and answers to it. Whoever
 * serves it is never parked in a read: Node's event loop watches the descriptor, and in between
 * there is a short wait.
 */
import { closeSync } from "node:fs";
import { constants } from "node:os";
import { inHeader, writeIn } from "./abi.ts";
import type { Native } from "./native.ts";

/** The longest WRITE; the kernel allows no more. */
export const maxWriteBytes = 1 << 20;

/**
 * A client that goes from one file to the next sends its next request within a few microseconds.
 * To look for it so many times is quicker than to sleep until it comes, and takes less time of
 * the processor, too.
 */
const eagerReads = 10;

/** How long it needs otherwise. Waiting here for so long is cheaper than a turn of the event loop. */
const briefNs = 50_000;

const { EAGAIN, EINTR, ENOENT } = constants.errno;

export type Received = "request" | "nothing" | "ended";

export class Channel {
	/** The request that was received last; good until the next. */
	readonly request = Buffer.alloc(
		inHeader.bytes + writeIn.bytes + maxWriteBytes,
	);
	readonly #native: Native;
	readonly #fd: number;
	readonly #unwatch: () => void;
	/** For ppoll(2): the kernel's requests, and whatever else the event loop has to do. */
	readonly #pollFds: Buffer;
	readonly #brief = Buffer.alloc(16);
	/** Notifications that may block, one after the other. */
	#later: Promise<void> = Promise.resolve();
	#isClosed = false;

	/**
	 * @param fd is closed by `close`
	 * @param onReadable called from the event loop
	 * @throws MountError
	 */
	constructor(native: Native, fd: number, onReadable: () => void) {
		this.#native = native;
		this.#fd = fd;
		this.#pollFds = pollFds([fd, native.eventLoopDescriptor()]);
		this.#brief.writeInt32LE(briefNs, 8);
		this.#unwatch = native.watch(fd, onReadable);
	}

	/** Takes the next request, without waiting for it. */
	receive(): Received {
		if (this.#isClosed) return "ended";
		const { request } = this;
		for (;;) {
			const length = this.#native.read(this.#fd, request, request.length);
			if (length >= 0) return "request";
			const errno = this.#native.errno();
			if (errno === EAGAIN) return "nothing";
			// ENOENT: whoever asked was interrupted in that moment.
			if (errno !== EINTR && errno !== ENOENT) return "ended";
		}
	}

	/** Waits for the next request for a moment, but not where the event loop has other work. */
	receiveSoon(): Received {
		for (let count = 0; count < eagerReads; count++) {
			const received = this.receive();
			if (received !== "nothing") return received;
		}
		const ready = this.#native.ppoll(this.#pollFds, 2, this.#brief, null);
		const isReadable = ready > 0 && this.#pollFds.readInt16LE(6) !== 0;
		return isReadable ? this.receive() : "nothing";
	}

	/** Returns whether the kernel took it: it does not where whoever asked is gone. */
	send(message: Buffer, length: number): boolean {
		if (this.#isClosed) return false;
		return this.#native.write(this.#fd, message, length) === length;
	}

	/**
	 * Sends what takes a directory's lock in the kernel. Whoever holds it may wait for an answer
	 * of this very thread, so it is sent from another.
	 */
	sendLater(message: Buffer): void {
		this.#later = this.#later.then(() =>
			this.#isClosed ? undefined : this.#native.writeLater(this.#fd, message),
		);
	}

	/** Resolves when no notification is on its way any more. */
	settled(): Promise<void> {
		return this.#later;
	}

	close(): void {
		if (this.#isClosed) return;
		this.#isClosed = true;
		this.#unwatch();
		closeSync(this.#fd);
	}
}

/** Of `struct pollfd`, each to be asked for POLLIN. */
function pollFds(fds: readonly number[]): Buffer {
	const buffer = Buffer.alloc(8 * fds.length);
	for (const [index, fd] of fds.entries()) {
		buffer.writeInt32LE(fd, 8 * index);
		buffer.writeInt16LE(1, 8 * index + 4);
	}
	return buffer;
}
