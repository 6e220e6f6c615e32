/** The kernel's side of the protocol: sends requests to a KernelSession, and takes its answers. */
import { openSync } from "node:fs";
import { constants } from "node:os";
import { expect } from "vitest";
import type { MountOptions } from "../../src/fuse/backend.ts";
import * as abi from "../../src/fuse/kernel/abi.ts";
import { opcode } from "../../src/fuse/kernel/abi.ts";
import type { Native } from "../../src/fuse/kernel/native.ts";
import { KernelSession } from "../../src/fuse/kernel/session.ts";
import { FileSystem } from "../../src/vfs/fileSystem.ts";
import type { Directory, File } from "../../src/vfs/node.ts";
import { memoryMountOptions } from "../../tools/bench/memoryNodes.ts";

export interface Answer {
	/** 0, or an errno. */
	readonly errno: number;
	readonly body: Buffer;
}

export interface Notification {
	readonly code: number;
	readonly body: Buffer;
}

const unneeded = (): never => {
	throw new Error("not needed here");
};

export class FakeKernel {
	readonly session: KernelSession;
	readonly notifications: Notification[] = [];
	/** All that was answered, whole messages. */
	readonly answers: Buffer[] = [];
	/** Answers that nothing waits for: a second one, or to what needs none. */
	readonly unexpected: number[] = [];
	hasEnded = false;
	#errno = 0;
	/** Set when it is unmounted. */
	#end: number | undefined;
	readonly #queue: Buffer[] = [];
	readonly #waiting = new Map<number, (answer: Answer) => void>();
	#lastUnique = 0;
	#onReadable = () => {};

	/** One that has agreed with its session. */
	static async negotiated(
		root: Directory,
		options: Partial<MountOptions> = {},
	): Promise<FakeKernel> {
		const kernel = new FakeKernel(root, options);
		await kernel.negotiate();
		return kernel;
	}

	constructor(root: Directory, options: Partial<MountOptions> = {}) {
		this.session = new KernelSession(
			this.#native(),
			openSync("/dev/null", "r"),
			new FileSystem(root),
			{ ...memoryMountOptions, ...options },
			() => {
				this.hasEnded = true;
			},
		);
		this.session.ready.catch(() => {}); // for tests that do not look at it
	}

	/** @param minor of the protocol that it speaks */
	negotiate(
		minor = abi.minorVersion,
		{ major = abi.majorVersion, flags = 0xffff_ffff } = {},
	): Promise<Answer> {
		const body = Buffer.alloc(abi.initIn.bytes);
		body.writeUInt32LE(major, abi.initIn.major);
		body.writeUInt32LE(minor, abi.initIn.minor);
		body.writeUInt32LE(flags, abi.initIn.flags);
		return this.ask(opcode.init, 0, body);
	}

	/** Sends a request, and resolves with the answer. */
	ask(
		code: number,
		nodeid: number,
		body: Buffer = Buffer.alloc(0),
		uid = 0,
	): Promise<Answer> {
		const { promise, resolve } = Promise.withResolvers<Answer>();
		this.#waiting.set(this.send(code, nodeid, body, uid), resolve);
		return promise;
	}

	/** Returns the node's number. */
	async lookup(name: string, parent: number = abi.rootId): Promise<number> {
		const { errno, body } = await this.ask(opcode.lookup, parent, names(name));
		expect(errno).toBe(0);
		return Number(body.readBigUInt64LE(abi.entryOut.nodeid));
	}

	/** Returns the handle. */
	async open(node: number, flags = 0): Promise<bigint> {
		const { errno, body } = await this.ask(
			opcode.open,
			node,
			openRequest(flags),
		);
		expect(errno).toBe(0);
		return body.readBigUInt64LE(abi.openOut.fh);
	}

	/** Sends what has no answer. Returns its number. */
	send(code: number, nodeid: number, body: Buffer, uid = 0): number {
		const unique = 2 * ++this.#lastUnique;
		const header = Buffer.alloc(abi.inHeader.bytes);
		header.writeUInt32LE(header.length + body.length, abi.inHeader.len);
		header.writeUInt32LE(code, abi.inHeader.opcode);
		header.writeBigUInt64LE(BigInt(unique), abi.inHeader.unique);
		header.writeBigUInt64LE(BigInt(nodeid), abi.inHeader.nodeid);
		header.writeUInt32LE(uid, abi.inHeader.uid);
		this.sendRaw(Buffer.concat([header, body]));
		return unique;
	}

	sendRaw(message: Buffer): void {
		this.#queue.push(message);
		this.#onReadable();
	}

	interrupt(unique: number): void {
		const body = Buffer.alloc(abi.interruptIn.bytes);
		body.writeBigUInt64LE(BigInt(unique), abi.interruptIn.unique);
		this.send(opcode.interrupt, 0, body);
	}

	/** The number of the request that was sent last. */
	get lastUnique(): number {
		return 2 * this.#lastUnique;
	}

	/** It is unmounted: whoever reads gets ENODEV. */
	end(): void {
		this.#end = constants.errno.ENODEV;
		this.#onReadable();
	}

	#native(): Native {
		return {
			read: (_fd, buffer) => {
				const next = this.#queue.shift();
				if (next) return next.copy(buffer);
				this.#errno = this.#end ?? constants.errno.EAGAIN;
				return -1;
			},
			write: (_fd, buffer, length) => this.#take(buffer, length),
			writeLater: async (_fd, buffer) => {
				this.#take(buffer, buffer.length);
			},
			sendDatagram: () => false,
			ppoll: () => 0,
			errno: () => this.#errno,
			eventLoopDescriptor: () => -1,
			watch: (_fd, onReadable) => {
				this.#onReadable = onReadable;
				return () => {
					this.#onReadable = () => {};
				};
			},
			mount: unneeded,
			socketpair: unneeded,
			receiveDescriptor: unneeded,
		};
	}

	#take(message: Buffer, length: number): number {
		const body = Buffer.from(message.subarray(abi.outHeader.bytes, length));
		const error = message.readInt32LE(abi.outHeader.error);
		const unique = Number(message.readBigUInt64LE(abi.outHeader.unique));
		if (message.readUInt32LE(abi.outHeader.len) !== length)
			throw new Error("an answer of another length than it says");
		if (unique === 0) {
			this.notifications.push({ code: error, body });
			return length;
		}
		this.answers.push(Buffer.from(message.subarray(0, length)));
		const resolve = this.#waiting.get(unique);
		this.#waiting.delete(unique);
		if (!resolve) this.unexpected.push(unique);
		resolve?.({ errno: Math.abs(error), body });
		return length;
	}
}

/** Names, each with a NUL behind it. */
export function names(...all: readonly string[]): Buffer {
	return Buffer.from(all.map((name) => `${name}\0`).join(""));
}

/** A struct: its size, and some of its fields as 32-bit numbers, or 64-bit ones where they are bigint. */
export function struct(
	bytes: number,
	...fields: readonly (readonly [offset: number, value: number | bigint])[]
): Buffer {
	const buffer = Buffer.alloc(bytes);
	for (const [offset, value] of fields)
		if (typeof value === "bigint") buffer.writeBigUInt64LE(value, offset);
		else buffer.writeUInt32LE(value, offset);
	return buffer;
}

export const readRequest = (handle: bigint, size = 4096, offset = 0): Buffer =>
	struct(
		abi.readIn.bytes,
		[abi.readIn.fh, handle],
		[abi.readIn.offset, BigInt(offset)],
		[abi.readIn.size, size],
	);

export const writeRequest = (handle: bigint, text: string): Buffer =>
	Buffer.concat([
		struct(
			abi.writeIn.bytes,
			[abi.writeIn.fh, handle],
			[abi.writeIn.size, text.length],
		),
		Buffer.from(text),
	]);

export const openRequest = (flags = 0): Buffer =>
	struct(abi.openIn.bytes, [abi.openIn.flags, flags]);

/** Has something else in place of what is at a name, where it differs. */
export function replace(
	root: Directory,
	name: string,
	node: Partial<File>,
): void {
	const { lookup } = root;
	root.lookup = async (wanted) => {
		const found = await lookup(wanted);
		return wanted === name ? ({ ...found, ...node } as File) : found;
	};
}
