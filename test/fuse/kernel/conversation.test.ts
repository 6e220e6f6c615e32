/** Listings, interrupts and notifications, as the kernel sees them. */
import { constants } from "node:os";
import { beforeEach, describe, expect, it } from "vitest";
import * as abi from "../../../src/fuse/kernel/abi.ts";
import { opcode } from "../../../src/fuse/kernel/abi.ts";
import {
	type FileHandle,
	snapshotHandle,
} from "../../../src/vfs/fileHandle.ts";
import type { Directory } from "../../../src/vfs/node.ts";
import {
	FakeKernel,
	names,
	openRequest,
	readRequest,
	replace,
	struct,
	writeRequest,
} from "../../support/fakeKernel.ts";
import { smallRoot } from "../../support/smallTree.ts";

const { EACCES, EINTR } = constants.errno;

let root: Directory;
let kernel: FakeKernel;

beforeEach(async () => {
	root = smallRoot();
	kernel = await FakeKernel.negotiated(root);
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
		const request = openRequest();
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

describe("a size that is not known", () => {
	it("is more than any in an entry, where it lasts for no time", async () => {
		replace(root, "one", {
			known: () => ({ kind: "file", mode: 0o644, size: undefined, mtimeMs: 0 }),
		});
		const { body } = await kernel.ask(opcode.lookup, 1, names("one"));
		const { entryOut, attr } = abi;
		const size = body.readBigUInt64LE(entryOut.attr + attr.size);
		expect(size).toBeGreaterThanOrEqual(1n << 20n);
		expect(body.readBigUInt64LE(entryOut.attr_valid)).toBe(0n);
		expect(body.readUInt32LE(entryOut.attr_valid_nsec)).toBe(0);
	});
});

describe("an interrupt", () => {
	const stuck = () => Promise.withResolvers<FileHandle>();

	it("ends a waiting open at once, and what comes later is dropped", async () => {
		const opening = stuck();
		replace(root, "one", { open: () => opening.promise });
		const node = await kernel.lookup("one");
		const answer = kernel.ask(...([opcode.open, node, openRequest()] as const));
		kernel.interrupt(kernel.lastUnique);
		expect((await answer).errno).toBe(EINTR);
		let isReleased = false;
		opening.resolve({
			...snapshotHandle(Buffer.from("late")),
			release: () => {
				isReleased = true;
			},
		});
		await kernel.lookup("two");
		expect(isReleased).toBe(true);
		expect(kernel.unexpected).toEqual([]);
	});

	it("of a write is recorded, for QEMU may have been asked already", async () => {
		const never = new Promise<never>(() => {});
		replace(root, "one", {
			open: async () => ({
				...snapshotHandle(Buffer.from("")),
				write: () => never,
			}),
		});
		const node = await kernel.lookup("one");
		const handle = await kernel.open(node, 1);
		const answer = kernel.ask(opcode.write, node, writeRequest(handle, "5\n"));
		kernel.interrupt(kernel.lastUnique);
		expect((await answer).errno).toBe(EINTR);
		const record = root.volume.errors.last("/one");
		expect(record).toMatchObject({ errno: "EINTR" });
		expect(record?.desc).toMatch(/outcome is unknown/);
	});

	it("of what was answered, or never asked, does nothing", async () => {
		await kernel.lookup("one");
		kernel.interrupt(kernel.lastUnique);
		kernel.interrupt(4711);
		await kernel.lookup("one");
		expect(kernel.unexpected).toEqual([]);
	});
});

describe("a mount with allow_root", () => {
	it("refuses others than root and its own user, but not what they were given", async () => {
		kernel = await FakeKernel.negotiated(root, { allowRoot: true });
		const ask = (code: number, node: number, body: Buffer, uid: number) =>
			kernel.ask(code, node, body, uid);
		const stranger = 65_533;
		const name = names("one");
		expect((await ask(opcode.lookup, 1, name, stranger)).errno).toBe(EACCES);
		expect((await ask(opcode.lookup, 1, name, 0)).errno).toBe(0);
		const own = process.getuid?.() ?? 0;
		expect((await ask(opcode.lookup, 1, name, own)).errno).toBe(0);
		const node = await kernel.lookup("one");
		const handle = await kernel.open(node);
		const read = await ask(opcode.read, node, readRequest(handle), stranger);
		expect([read.errno, read.body.toString()]).toEqual([0, "1\n"]);
	});
});

describe("what the kernel is told unasked", () => {
	it("is the name of what is gone, once, where it knows it", async () => {
		const below = await kernel.lookup("below");
		await kernel.lookup("three", below);
		kernel.session.withdraw(["below", "three"]);
		kernel.session.withdraw(["below", "three"]);
		kernel.session.withdraw(["one"]);
		kernel.session.withdraw([]);
		await kernel.lookup("two");
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
		await kernel.lookup("one");
		await kernel.lookup("three", await kernel.lookup("below"));
		void kernel.session.withdrawAll();
		await kernel.lookup("two");
		const told = kernel.notifications.map(({ body }) =>
			body.toString("utf8", abi.notifyInvalidateEntryOut.bytes),
		);
		expect(told).toEqual(["one\0", "below\0"]);
	});

	it("is that a size is no longer so, when something longer is opened", async () => {
		const node = await kernel.lookup("one");
		await kernel.open(node);
		expect(kernel.notifications).toEqual([]);
		replace(root, "one", {
			open: async () => snapshotHandle(Buffer.from("longer\n")),
		});
		expect(await kernel.lookup("one")).toBe(node);
		await kernel.open(node);
		const { notifyInvalidateInodeOut: out, notification } = abi;
		const [{ code, body } = { code: 0, body: Buffer.alloc(0) }] =
			kernel.notifications;
		expect(code).toBe(notification.invalidateInode);
		expect(Number(body.readBigUInt64LE(out.ino))).toBe(node);
		expect(body.readBigInt64LE(out.off)).toBe(-1n);
	});

	it("is that there is more to read, for who polls", async () => {
		let wake: (() => void) | undefined;
		replace(root, "one", {
			open: async () => ({
				...snapshotHandle(Buffer.from("")),
				poll: (wanted) => {
					wake = wanted;
					return false;
				},
			}),
		});
		const node = await kernel.lookup("one");
		const { pollIn, pollOut } = abi;
		const handle = await kernel.open(node);
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
