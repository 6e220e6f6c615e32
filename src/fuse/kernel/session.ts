/**
 * Serves a FileSystem on the descriptor of a mount: takes requests, one after the other, for as
 * long as they come quickly, and leaves the rest to Node's event loop.
 */
import { constants } from "node:os";
import { MountError } from "../../errors.ts";
import { log } from "../../log.ts";
import { errnoName } from "../../vfs/errno.ts";
import type { FileSystem } from "../../vfs/fileSystem.ts";
import type { MountOptions } from "../backend.ts";
import * as abi from "./abi.ts";
import { opcode } from "./abi.ts";
import { Channel, maxWriteBytes } from "./channel.ts";
import type { Native } from "./native.ts";
import { type HeldNode, NodeTable } from "./nodes.ts";
import { createOperations, type Operation } from "./operations.ts";
import { bodyAt, notKnown, Request, readU64, writeU64 } from "./request.ts";

/** The longest that the event loop is kept from whatever else there is. */
const longestTurnMs = 5;

/** 1 MiB of pages, for the longest READ and WRITE. */
const maxPages = maxWriteBytes / 4096;
/** Names that the kernel may hold. The largest machine that was seen has 100,000. */
const mostHeld = 200_000;
const pruneEveryMs = 1000;

const { EACCES, EINTR, ENODEV, EPROTO } = constants.errno;

/** What anybody may go on with that was begun by one who may (allow_root). */
const openToAll = new Set<number>([
	opcode.init,
	opcode.read,
	opcode.write,
	opcode.release,
	opcode.readdir,
	opcode.readdirplus,
	opcode.releasedir,
	opcode.forget,
	opcode.batchForget,
	opcode.interrupt,
	opcode.destroy,
]);

export class KernelSession {
	readonly #channel: Channel;
	readonly #message = Buffer.alloc(bodyAt + maxWriteBytes);
	readonly #nodes: NodeTable;
	readonly #fs: FileSystem;
	readonly #options: MountOptions;
	readonly #operations: ReadonlyMap<number, Operation>;
	readonly #onEnded: () => void;
	/** Those that were taken and not answered, by number. */
	readonly #pending = new Map<number, Request>();
	readonly #ready = Promise.withResolvers<void>();
	#isTurning = false;
	#prunedMs = 0;
	#turnEndMs = 0;
	#isClosing = false;

	/**
	 * @param fd of a mount that was just made; is closed in the end
	 * @param onEnded the kernel has let go: nothing is mounted any more
	 * @throws MountError
	 */
	constructor(
		native: Native,
		fd: number,
		fs: FileSystem,
		options: MountOptions,
		onEnded: () => void,
	) {
		this.#fs = fs;
		this.#options = options;
		this.#onEnded = onEnded;
		this.#nodes = new NodeTable(fs.root);
		const notify = (code: number, body: Buffer) => {
			const message = notificationOf(code, body);
			this.#channel.send(message, message.length);
		};
		this.#operations = new Map([
			...createOperations(fs, this.#nodes, options, notify),
			[opcode.init, async (request) => this.#negotiate(request)],
			[opcode.interrupt, async (request) => this.#interrupt(request)],
		]);
		this.#channel = new Channel(native, fd, () =>
			// libuv calls without Node's knowledge; this comes in the same turn of the event loop.
			setImmediate(() => this.#begin()),
		);
	}

	/** Resolves when the kernel and we have agreed. @throws MountError */
	get ready(): Promise<void> {
		return this.#ready.promise;
	}

	/** Makes the kernel forget a name and what is below it. */
	withdraw(names: readonly string[]): void {
		const held = this.#nodes.find(names);
		if (!held?.parent) return;
		this.#nodes.detach(held);
		this.#invalidate(held, held.parent);
	}

	#invalidate(held: HeldNode, parent: HeldNode): void {
		const name = Buffer.from(`${held.name}\0`);
		const body = Buffer.alloc(abi.notifyInvalidateEntryOut.bytes);
		writeU64(body, parent.id, abi.notifyInvalidateEntryOut.parent);
		writeU64(body, name.length - 1, abi.notifyInvalidateEntryOut.namelen);
		this.#channel.sendLater(
			notificationOf(
				abi.notification.invalidateEntry,
				Buffer.concat([body, name]),
			),
		);
	}

	/**
	 * Makes it forget all names in a directory; resolves when it has. What has the same name again is the same file,
	 * so that whoever watches it (inotify) goes on to.
	 */
	withdrawAll(names: readonly string[] = []): Promise<void> {
		const directory = this.#nodes.find(names);
		if (directory)
			for (const held of directory.children?.values() ?? [])
				this.#invalidate(held, directory);
		return this.#channel.settled();
	}

	/** Lets go of the mount: who waits, and who still comes, gets ENODEV. */
	async close(): Promise<void> {
		this.refuseAll();
		await this.#channel.settled();
		this.#channel.close();
	}

	/** Answers all that wait, and waits for nothing itself. */
	refuseAll(): void {
		this.#isClosing = true;
		for (const request of this.#pending.values()) request.refuse(ENODEV);
		this.#pending.clear();
		while (this.#channel.receive() === "request")
			this.#serve(this.#channel.request);
	}

	#begin(): void {
		if (this.#isTurning) return;
		this.#isTurning = true;
		this.#turnEndMs = performance.now() + longestTurnMs;
		this.#turn();
	}

	/** Takes requests until one has to wait for QEMU, none comes, or others have to have their turn. */
	#turn(): void {
		for (;;) {
			const received =
				this.#pending.size > 0
					? this.#channel.receive()
					: this.#channel.receiveSoon();
			if (received === "nothing") break;
			if (received === "ended") {
				this.refuseAll();
				this.#channel.close();
				this.#ready.reject(new MountError("the kernel has ended the mount"));
				this.#onEnded();
				break;
			}
			const isDone = this.#serve(this.#channel.request);
			if (performance.now() > this.#turnEndMs) break;
			if (isDone) continue;
			// The answer may take some promises; when these are done, the next one's turn has come.
			queueMicrotask(() => process.nextTick(() => this.#turn()));
			return;
		}
		this.#isTurning = false;
		if (this.#nodes.size > mostHeld) this.#prune();
	}

	/** The kernel lets go of a name when it needs memory; no machine has so many. */
	#prune(): void {
		const nowMs = performance.now();
		if (nowMs - this.#prunedMs < pruneEveryMs) return;
		this.#prunedMs = nowMs;
		void this.withdrawAll();
	}

	/** Returns whether all is done. */
	#serve(bytes: Buffer): boolean {
		const request = new Request(bytes, {
			channel: this.#channel,
			message: this.#message,
		});
		const operation = this.#operations.get(request.opcode);
		if (!operation) request.refuse(notKnown);
		else if (this.#isClosing && request.opcode !== opcode.interrupt)
			request.refuse(ENODEV);
		else if (!this.#mayAsk(request)) request.refuse(EACCES);
		else {
			this.#pending.set(request.unique, request);
			void this.#run(operation, request);
		}
		return request.isAnswered;
	}

	async #run(operation: Operation, request: Request): Promise<void> {
		try {
			await operation(request);
		} catch (error) {
			const { opcode: number, nodeid } = request;
			log.vfs("%d of %d: %s %O", number, nodeid, errnoName(error), error);
			request.fail(error);
		}
		this.#pending.delete(request.unique);
		// Whoever waited for this usually goes on at once.
		if (!this.#isTurning && this.#pending.size === 0)
			queueMicrotask(() => process.nextTick(() => this.#begin()));
	}

	/** Somebody does not want to wait any longer: Ctrl-C, `kill`. */
	#interrupt(interrupt: Request): void {
		interrupt.needsNoAnswer();
		const unique = readU64(interrupt.body, abi.interruptIn.unique);
		const request = this.#pending.get(unique);
		if (!request) return;
		this.#pending.delete(unique);
		request.refuse(EINTR); // what still comes is dropped
		if (request.opcode === opcode.write)
			this.#fs.interrupted("write", this.#nodes.get(request.nodeid).node);
	}

	#mayAsk({ uid, opcode: number }: Request): boolean {
		const { allowRoot, allowOther } = this.#options;
		if (!allowRoot || allowOther || openToAll.has(number)) return true;
		return uid === 0 || uid === process.getuid?.();
	}

	#negotiate(request: Request): void {
		// All of it that older kernels send, too; what is shorter is older still.
		const body = Buffer.alloc(abi.initIn.bytes);
		request.body.copy(body);
		const major = body.readUInt32LE(abi.initIn.major);
		const minor = body.readUInt32LE(abi.initIn.minor);
		// A kernel of the next major version asks once more, in ours.
		const isNext = major > abi.majorVersion;
		const isOurs = major === abi.majorVersion;
		if (!isNext && !(isOurs && minor >= abi.oldestMinorVersion)) {
			request.refuse(EPROTO);
			this.#ready.reject(
				new MountError(
					`the kernel's FUSE protocol ${major}.${minor} is too old; mount with -o backend=fuse-native`,
				),
			);
			return;
		}
		const flags = body.readUInt32LE(abi.initIn.flags);
		const readahead = body.readUInt32LE(abi.initIn.max_readahead);
		const at = (field: number) => bodyAt + field;
		request.answer((out) => {
			const { initOut } = abi;
			out.fill(0, bodyAt, at(initOut.bytes));
			out.writeUInt32LE(abi.majorVersion, at(initOut.major));
			const agreed = isNext
				? abi.minorVersion
				: Math.min(minor, abi.minorVersion);
			out.writeUInt32LE(agreed, at(initOut.minor));
			out.writeUInt32LE(readahead, at(initOut.max_readahead));
			out.writeUInt32LE((flags & wantedFlags) >>> 0, at(initOut.flags));
			out.writeUInt32LE(maxWriteBytes, at(initOut.max_write));
			out.writeUInt32LE(1, at(initOut.time_gran));
			out.writeUInt16LE(maxPages, at(initOut.max_pages));
			return initOut.bytes;
		});
		if (!isNext) this.#ready.resolve();
	}
}

const wantedFlags = Object.values(abi.initFlag).reduce(
	(flags, flag) => flags | flag,
	0,
);

/** A message that answers nothing. */
function notificationOf(code: number, body: Buffer): Buffer {
	const header = Buffer.alloc(abi.outHeader.bytes);
	header.writeUInt32LE(header.length + body.length, abi.outHeader.len);
	header.writeInt32LE(code, abi.outHeader.error);
	return Buffer.concat([header, body]);
}
