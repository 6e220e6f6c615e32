/** The session against a kernel that does what a real one cannot be made to do. */
import { constants } from "node:os";
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import * as abi from "../../../src/fuse/kernel/abi.ts";
import { opcode } from "../../../src/fuse/kernel/abi.ts";
import type { FileHandle } from "../../../src/vfs/fileHandle.ts";
import { snapshotHandle } from "../../../src/vfs/fileHandle.ts";
import { FileSystem } from "../../../src/vfs/fileSystem.ts";
import type { Directory, File } from "../../../src/vfs/node.ts";
import { memoryRoot } from "../../../tools/bench/memoryNodes.ts";
import type { MemoryNode } from "../../../tools/bench/memoryTree.ts";
import { FakeKernel, names, struct } from "../../support/fakeKernel.ts";

const { EACCES, EBADF, EINTR, EINVAL, EIO, ENODEV, ENOENT, ENOSYS, EPROTO } =
	constants.errno;

const file = (name: string, text: string): MemoryNode => ({
	...{ kind: "f", name, data: Buffer.from(text), children: [] },
});
const directory = (name: string, ...children: MemoryNode[]): MemoryNode => ({
	...{ kind: "d", name, data: Buffer.alloc(0), children },
});
const tree = directory(
	"",
	file("one", "1\n"),
	file("two", "22\n"),
	directory("below", file("three", "333\n")),
	{ kind: "l", name: "link", data: Buffer.from("below"), children: [] },
);

let root: Directory;
let kernel: FakeKernel;

beforeEach(async () => {
	root = memoryRoot(tree);
	kernel = new FakeKernel(new FileSystem(root));
	await kernel.negotiate();
});

async function lookup(name: string, parent = abi.rootId): Promise<number> {
	const { errno, body } = await kernel.ask(opcode.lookup, parent, names(name));
	expect(errno).toBe(0);
	return Number(body.readBigUInt64LE(abi.entryOut.nodeid));
}

async function open(node: number, flags = 0): Promise<bigint> {
	const { errno, body } = await kernel.ask(
		opcode.open,
		node,
		struct(abi.openIn.bytes, [abi.openIn.flags, flags]),
	);
	expect(errno).toBe(0);
	return body.readBigUInt64LE(abi.openOut.fh);
}

const readRequest = (handle: bigint, size = 4096, offset = 0) =>
	struct(
		abi.readIn.bytes,
		[abi.readIn.fh, handle],
		[abi.readIn.offset, BigInt(offset)],
		[abi.readIn.size, size],
	);

const writeRequest = (handle: bigint, text: string) =>
	Buffer.concat([
		struct(
			abi.writeIn.bytes,
			[abi.writeIn.fh, handle],
			[abi.writeIn.size, text.length],
		),
		Buffer.from(text),
	]);

/** In place of what is at a name. */
function replace(name: string, node: Partial<File>): void {
	const { lookup } = root;
	root.lookup = async (wanted) => {
		const found = await lookup(wanted);
		return wanted === name ? ({ ...found, ...node } as File) : found;
	};
}

describe("negotiation", () => {
	it.each([
		["an older kernel", 31, 31],
		["one as old as can be", abi.oldestMinorVersion, abi.oldestMinorVersion],
		["a newer one", 99, abi.minorVersion],
	])("with %s is about the older of the two", async (_who, minor, agreed) => {
		kernel = new FakeKernel(new FileSystem(root));
		const { errno, body } = await kernel.negotiate(minor);
		await kernel.session.ready;
		expect(errno).toBe(0);
		expect(body).toHaveLength(abi.initOut.bytes);
		expect(body.readUInt32LE(abi.initOut.major)).toBe(abi.majorVersion);
		expect(body.readUInt32LE(abi.initOut.minor)).toBe(agreed);
	});

	it("takes no flag that the kernel does not offer", async () => {
		kernel = new FakeKernel(new FileSystem(root));
		const offered =
			abi.initFlag.readdirplus | abi.initFlag.bigWrites | (1 << 14);
		const { body } = await kernel.negotiate(31, { flags: offered });
		expect(body.readUInt32LE(abi.initOut.flags)).toBe(
			abi.initFlag.readdirplus | abi.initFlag.bigWrites,
		);
	});

	it("asks a kernel of the next major version to come down", async () => {
		kernel = new FakeKernel(new FileSystem(root));
		let isReady = false;
		void kernel.session.ready.then(() => {
			isReady = true;
		});
		const { body } = await kernel.negotiate(0, { major: 8 });
		expect(body.readUInt32LE(abi.initOut.major)).toBe(7);
		expect(isReady).toBe(false);
		await kernel.negotiate();
		await kernel.session.ready;
	});

	it.each([
		[7, 22],
		[6, 99],
	])("refuses %d.%d, and says what to do", async (major, minor) => {
		kernel = new FakeKernel(new FileSystem(root));
		expect((await kernel.negotiate(minor, { major })).errno).toBe(EPROTO);
		await expect(kernel.session.ready).rejects.toThrow(/backend=fuse-native/);
	});
});

describe("a request", () => {
	it("to agree that is cut short fails the mount", async () => {
		kernel = new FakeKernel(new FileSystem(root));
		const answer = await kernel.ask(opcode.init, 0, Buffer.alloc(3));
		expect(answer.errno).toBe(EPROTO);
		await expect(kernel.session.ready).rejects.toThrow(/too old/);
	});

	it.each([0, 7, 20, 46, 50, 51, 52, 4096, 0xffff_ffff])(
		"with the unknown number %d is not known",
		async (code) => {
			expect((await kernel.ask(code, abi.rootId)).errno).toBe(ENOSYS);
			await lookup("one");
		},
	);

	it("for a node that the kernel was not told of fails alone", async () => {
		for (const code of [opcode.lookup, opcode.getattr, opcode.open])
			expect((await kernel.ask(code, 99, Buffer.alloc(64))).errno).toBe(EIO);
		await lookup("one");
	});

	it("for a handle that is not open fails alone", async () => {
		const node = await lookup("one");
		for (const code of [opcode.read, opcode.write, opcode.release, opcode.poll])
			expect((await kernel.ask(code, node, readRequest(77n))).errno).toBe(
				EBADF,
			);
		for (const code of [opcode.readdir, opcode.readdirplus])
			expect((await kernel.ask(code, 1, readRequest(77n))).errno).toBe(EBADF);
	});

	it("without the name that it needs is invalid", async () => {
		for (const body of [Buffer.alloc(0), Buffer.from("no end")]) {
			expect((await kernel.ask(opcode.lookup, 1, body)).errno).toBe(EINVAL);
			expect((await kernel.ask(opcode.unlink, 1, body)).errno).toBe(EINVAL);
		}
	});

	it("for a name that is no UTF-8 finds nothing", async () => {
		const body = Buffer.from([0xff, 0xfe, 0]);
		expect((await kernel.ask(opcode.lookup, 1, body)).errno).toBe(ENOENT);
	});

	it("of whatever bytes is answered once, and harms nobody", async () => {
		const unanswered = new Set<number>([
			...[opcode.forget, opcode.batchForget, opcode.interrupt],
		]);
		const one = await lookup("one");
		const codes = Object.values(opcode).filter((code) => code !== opcode.init);
		await fc.assert(
			fc.asyncProperty(
				fc.constantFrom(...codes),
				fc.constantFrom(abi.rootId, one, 12345),
				fc.uint8Array({ maxLength: 120 }),
				async (code, node, bytes) => {
					const body = Buffer.from(bytes);
					// The numbers that would release the node that the others need.
					if (unanswered.has(code)) {
						kernel.send(code, 12345, body);
						return;
					}
					const { errno } = await kernel.ask(code, node, body);
					expect(errno).toBeGreaterThanOrEqual(0);
					expect(errno).toBeLessThan(4096);
				},
			),
			{ numRuns: 2000 },
		);
		expect(kernel.unexpected).toEqual([]);
		expect(await lookup("below")).toBeGreaterThan(1);
	});

	it("that fails in a way nobody foresaw is EIO for that one caller", async () => {
		replace("two", {
			open: () => {
				throw new TypeError("a defect");
			},
		});
		const node = await lookup("two");
		const request = Buffer.alloc(abi.openIn.bytes);
		expect((await kernel.ask(opcode.open, node, request)).errno).toBe(EIO);
		await open(await lookup("one"));
	});
});

describe("a node", () => {
	it("keeps its number until the kernel has forgotten it", async () => {
		const node = await lookup("one");
		expect(await lookup("one")).toBe(node);
		const forget = (count: bigint) =>
			kernel.send(
				opcode.forget,
				node,
				struct(abi.forgetIn.bytes, [abi.forgetIn.nlookup, count]),
			);
		forget(1n);
		expect(await lookup("one")).toBe(node);
		forget(2n);
		const again = await lookup("one");
		expect(again).not.toBe(node);
		const { errno } = await kernel.ask(
			...([opcode.getattr, node, Buffer.alloc(abi.getattrIn.bytes)] as const),
		);
		expect(errno).toBe(EIO);
	});

	it("is forgotten with others in one message, which is not answered", async () => {
		const one = await lookup("one");
		const two = await lookup("two");
		const { forgetOne, batchForgetIn } = abi;
		const each = [one, two].map((node) =>
			struct(
				forgetOne.bytes,
				[forgetOne.nodeid, BigInt(node)],
				[forgetOne.nlookup, 1n],
			),
		);
		const head = struct(batchForgetIn.bytes, [batchForgetIn.count, 2]);
		kernel.send(opcode.batchForget, 0, Buffer.concat([head, ...each]));
		expect(await lookup("one")).not.toBe(one);
		expect(await lookup("two")).not.toBe(two);
		expect(kernel.unexpected).toEqual([]);
	});
});

describe("a directory", () => {
	/** Names with their offsets, and where the listing goes on. */
	async function list(
		code: number,
		size: number,
		handle: bigint,
		offset = 0,
	): Promise<[name: string, offset: number][]> {
		const request = readRequest(handle, size, offset);
		const { errno, body } = await kernel.ask(code, abi.rootId, request);
		expect(errno).toBe(0);
		expect(body.length).toBeLessThanOrEqual(size);
		const found: [string, number][] = [];
		const { dirent, entryOut } = abi;
		const plus = code === opcode.readdirplus ? entryOut.bytes : 0;
		for (let at = 0; at < body.length; ) {
			const header = at + plus;
			const length = body.readUInt32LE(header + dirent.namelen);
			const nameAt = header + dirent.bytes;
			found.push([
				body.toString("utf8", nameAt, nameAt + length),
				Number(body.readBigUInt64LE(header + dirent.off)),
			]);
			at += Math.ceil((plus + dirent.bytes + length) / 8) * 8;
		}
		return found;
	}

	const opendir = async () => {
		const request = Buffer.alloc(abi.openIn.bytes);
		const { body } = await kernel.ask(opcode.opendir, abi.rootId, request);
		return body.readBigUInt64LE(abi.openOut.fh);
	};
	const all = [".", "..", "one", "two", "below", "link"];

	it.each([
		["readdir", opcode.readdir, 40],
		["readdir", opcode.readdir, 100],
		["readdirplus", opcode.readdirplus, 170],
		["readdirplus", opcode.readdirplus, 4096],
	])("is read by %s (%d) in pieces of %d bytes", async (_name, code, size) => {
		const handle = await opendir();
		const found: string[] = [];
		for (let offset = 0; ; ) {
			const part = await list(code, size, handle, offset);
			const last = part.at(-1);
			if (!last) break;
			found.push(...part.map(([name]) => name));
			offset = last[1];
		}
		expect(found).toEqual(all);
	});

	it("stays as it was while it is open, until it is rewound", async () => {
		const handle = await opendir();
		const [[, offset] = ["", 0]] = await list(opcode.readdir, 40, handle);
		root.entries = async () => [];
		const rest = await list(opcode.readdir, 4096, handle, offset);
		expect(rest.map(([name]) => name)).toEqual(all.slice(1));
		const anew = await list(opcode.readdir, 4096, handle, 0);
		expect(anew.map(([name]) => name)).toEqual([".", ".."]);
	});

	it("ends at whatever offset there is nothing", async () => {
		const handle = await opendir();
		expect(await list(opcode.readdir, 4096, handle, 1000)).toEqual([]);
	});
});

describe("an interrupt", () => {
	const stuck = () => Promise.withResolvers<FileHandle>();

	it("ends a waiting open at once, and what comes later is dropped", async () => {
		const opening = stuck();
		replace("one", { open: () => opening.promise });
		const node = await lookup("one");
		const answer = kernel.ask(
			...([opcode.open, node, Buffer.alloc(abi.openIn.bytes)] as const),
		);
		kernel.interrupt(kernel.lastUnique);
		expect((await answer).errno).toBe(EINTR);
		let isReleased = false;
		opening.resolve({
			...snapshotHandle(Buffer.from("late")),
			release: () => {
				isReleased = true;
			},
		});
		await lookup("two");
		expect(isReleased).toBe(true);
		expect(kernel.unexpected).toEqual([]);
	});

	it("of a write is recorded, for QEMU may have been asked already", async () => {
		const never = new Promise<never>(() => {});
		replace("one", {
			open: async () => ({
				...snapshotHandle(Buffer.from("")),
				write: () => never,
			}),
		});
		const node = await lookup("one");
		const handle = await open(node, 1);
		const answer = kernel.ask(opcode.write, node, writeRequest(handle, "5\n"));
		kernel.interrupt(kernel.lastUnique);
		expect((await answer).errno).toBe(EINTR);
		const record = root.volume.errors.last("/one");
		expect(record).toMatchObject({ errno: "EINTR" });
		expect(record?.desc).toMatch(/outcome is unknown/);
	});

	it("of what was answered, or never asked, does nothing", async () => {
		await lookup("one");
		kernel.interrupt(kernel.lastUnique);
		kernel.interrupt(4711);
		await lookup("one");
		expect(kernel.unexpected).toEqual([]);
	});
});

describe("a mount with allow_root", () => {
	it("refuses others than root and its own user, but not what they were given", async () => {
		kernel = new FakeKernel(new FileSystem(root), { allowRoot: true });
		await kernel.negotiate();
		const ask = (code: number, node: number, body: Buffer, uid: number) =>
			kernel.ask(code, node, body, uid);
		const stranger = 65_533;
		const name = names("one");
		expect((await ask(opcode.lookup, 1, name, stranger)).errno).toBe(EACCES);
		expect((await ask(opcode.lookup, 1, name, 0)).errno).toBe(0);
		const own = process.getuid?.() ?? 0;
		expect((await ask(opcode.lookup, 1, name, own)).errno).toBe(0);
		const node = await lookup("one");
		const handle = await open(node);
		const read = await ask(opcode.read, node, readRequest(handle), stranger);
		expect([read.errno, read.body.toString()]).toEqual([0, "1\n"]);
	});
});

describe("what the kernel is told unasked", () => {
	it("is the name of what is gone, once, where it knows it", async () => {
		const below = await lookup("below");
		await lookup("three", below);
		kernel.session.withdraw(["below", "three"]);
		kernel.session.withdraw(["below", "three"]);
		kernel.session.withdraw(["one"]);
		kernel.session.withdraw([]);
		await lookup("two");
		const { notifyInvalidateEntryOut: out, notification } = abi;
		expect(kernel.notifications.map(({ code }) => code)).toEqual([
			notification.invalidateEntry,
		]);
		const { body = Buffer.alloc(0) } = kernel.notifications[0] ?? {};
		expect(Number(body.readBigUInt64LE(out.parent))).toBe(below);
		expect(body.readUInt32LE(out.namelen)).toBe(5);
		expect(body.toString("utf8", out.bytes)).toBe("three\0");
	});

	it("is every name of the root, for another machine", async () => {
		await lookup("one");
		await lookup("three", await lookup("below"));
		kernel.session.withdrawAll();
		await lookup("two");
		const told = kernel.notifications.map(({ body }) =>
			body.toString("utf8", abi.notifyInvalidateEntryOut.bytes),
		);
		expect(told).toEqual(["one\0", "below\0"]);
	});

	it("is that a size is no longer so, when something longer is opened", async () => {
		const node = await lookup("one");
		await open(node);
		expect(kernel.notifications).toEqual([]);
		replace("one", {
			open: async () => snapshotHandle(Buffer.from("longer\n")),
		});
		expect(await lookup("one")).toBe(node);
		await open(node);
		const { notifyInvalidateInodeOut: out, notification } = abi;
		const [{ code, body } = { code: 0, body: Buffer.alloc(0) }] =
			kernel.notifications;
		expect(code).toBe(notification.invalidateInode);
		expect(Number(body.readBigUInt64LE(out.ino))).toBe(node);
		expect(body.readBigInt64LE(out.off)).toBe(-1n);
	});

	it("is that there is more to read, for who polls", async () => {
		let wake: (() => void) | undefined;
		replace("one", {
			open: async () => ({
				...snapshotHandle(Buffer.from("")),
				poll: (wanted) => {
					wake = wanted;
					return false;
				},
			}),
		});
		const node = await lookup("one");
		const { pollIn, pollOut } = abi;
		const handle = await open(node);
		const { body } = await kernel.ask(
			opcode.poll,
			node,
			struct(
				pollIn.bytes,
				[pollIn.fh, handle],
				[pollIn.kh, 99n],
				[pollIn.flags, abi.pollWantsNotification],
			),
		);
		expect(body.readUInt32LE(pollOut.revents)).toBe(0);
		wake?.();
		const woken = kernel.notifications.filter(
			({ code }) => code === abi.notification.poll,
		);
		expect(woken.map(({ body }) => body.readBigUInt64LE(0))).toEqual([99n]);
	});
});

describe("the end", () => {
	it("of a mount is noticed, and answers those who wait", async () => {
		replace("one", { open: () => new Promise(() => {}) });
		const node = await lookup("one");
		const request = Buffer.alloc(abi.openIn.bytes);
		const waiting = Array.from({ length: 1000 }, () =>
			kernel.ask(opcode.open, node, request),
		);
		await lookup("two"); // in between
		kernel.end();
		const answers = await Promise.all(waiting);
		expect(new Set(answers.map(({ errno }) => errno))).toEqual(
			new Set([ENODEV]),
		);
		expect(kernel.hasEnded).toBe(true);
	});

	it("before negotiation fails the mount", async () => {
		kernel = new FakeKernel(new FileSystem(root));
		kernel.end();
		await expect(kernel.session.ready).rejects.toThrow(/ended the mount/);
	});

	it("of the session refuses all that is asked", async () => {
		replace("one", { open: () => new Promise(() => {}) });
		const node = await lookup("one");
		const request = Buffer.alloc(abi.openIn.bytes);
		const waiting = kernel.ask(opcode.open, node, request);
		await lookup("two");
		const unread = kernel.ask(opcode.lookup, abi.rootId, names("two"));
		kernel.session.refuseAll();
		expect((await waiting).errno).toBe(ENODEV);
		expect((await unread).errno).toBe(ENODEV);
		expect((await kernel.ask(opcode.getattr, 1)).errno).toBe(ENODEV);
		await kernel.session.close();
	});
});
