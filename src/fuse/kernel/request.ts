/** A request of the kernel, from its bytes to its answer. */
import { isUtf8 } from "node:buffer";
import { constants } from "node:os";
import { FileError } from "../../errors.ts";
import { errnoOf } from "../../vfs/errno.ts";
import { inHeader, outHeader } from "./abi.ts";
import type { Channel } from "./channel.ts";

/** A 64-bit number that never gets so large that a double would round it. */
export function readU64(bytes: Buffer, at: number): number {
	return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}

export function writeU64(bytes: Buffer, value: number, at: number): void {
	bytes.writeUInt32LE(value % 2 ** 32, at);
	bytes.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
}

/** Where the answer's own struct begins. */
export const bodyAt = outHeader.bytes;

/**
 * Its `body` is good only until the next request is received, so everything is taken from it
 * before the first `await`.
 */
export class Request {
	readonly opcode: number;
	readonly unique: number;
	readonly nodeid: number;
	readonly uid: number;
	readonly body: Buffer;
	readonly #answers: Answers;
	#isAnswered = false;

	constructor(bytes: Buffer, answers: Answers) {
		const length = bytes.readUInt32LE(inHeader.len);
		this.opcode = bytes.readUInt32LE(inHeader.opcode);
		this.unique = readU64(bytes, inHeader.unique);
		this.nodeid = readU64(bytes, inHeader.nodeid);
		this.uid = bytes.readUInt32LE(inHeader.uid);
		this.body = bytes.subarray(inHeader.bytes, length);
		this.#answers = answers;
	}

	get isAnswered(): boolean {
		return this.#isAnswered;
	}

	/**
	 * The NUL-terminated name at an offset, and where the next one begins.
	 *
	 * @throws FileError ENOENT no name of ours: it is no UTF-8; EINVAL there is none
	 */
	name(at: number): [name: string, end: number] {
		const end = this.body.indexOf(0, at);
		if (at > this.body.length || end < 0)
			throw new FileError("EINVAL", "the request has no name");
		const bytes = this.body.subarray(at, end);
		if (!isUtf8(bytes)) throw new FileError("ENOENT", "no name is like that");
		return [bytes.toString(), end + 1];
	}

	/**
	 * Answers with what `fill` writes behind the header.
	 *
	 * @param fill returns how many bytes it has written
	 * @returns whether the kernel took it: not where the request was interrupted, or answered
	 */
	answer(fill: (out: Buffer) => number): boolean {
		if (this.#isAnswered) return false;
		const length = bodyAt + fill(this.#answers.message);
		this.#isAnswered = true;
		return this.#send(length, 0);
	}

	/** Answers with nothing but success. */
	done(): boolean {
		return this.answer(nothing);
	}

	fail(error: unknown): void {
		this.refuse(errnoOf(error));
	}

	refuse(errno: number): void {
		if (this.#isAnswered) return;
		this.#isAnswered = true;
		this.#send(bodyAt, -errno);
	}

	/** For what the kernel expects no answer to. */
	needsNoAnswer(): void {
		this.#isAnswered = true;
	}

	#send(length: number, error: number): boolean {
		const { channel, message } = this.#answers;
		message.writeUInt32LE(length, outHeader.len);
		message.writeInt32LE(error, outHeader.error);
		writeU64(message, this.unique, outHeader.unique);
		return channel.send(message, length);
	}
}

/** Where answers are written and sent. */
export interface Answers {
	readonly channel: Channel;
	/** Filled and sent at once, so one is enough for all. */
	readonly message: Buffer;
}

function nothing(): number {
	return 0;
}

/** The errno of what nobody here knows; the kernel remembers that for most. */
export const { ENOSYS: notKnown } = constants.errno;
