/** The session against a kernel that does what a real one cannot be made to do. */
import { constants } from "node:os";
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import * as abi from "../../../src/fuse/kernel/abi.ts";
import { opcode } from "../../../src/fuse/kernel/abi.ts";
import type { Directory } from "../../../src/vfs/node.ts";
import {
	FakeKernel,
	names,
	openRequest,
	readRequest,
	replace,
	struct,
} from "../../support/fakeKernel.ts";
import { smallRoot } from "../../support/smallTree.ts";

const { EBADF, EINVAL, EIO, ENODEV, ENOENT, ENOSYS, EPROTO } = constants.errno;

let root: Directory;
let kernel: FakeKernel;

beforeEach(async () => {
	root = smallRoot();
	kernel = await FakeKernel.negotiated(root);
});

describe("negotiation", () => {
	it.each([
		["an older kernel", 31, 31],
		["one as old as can be", abi.oldestMinorVersion, abi.oldestMinorVersion],
		["a newer one", 99, abi.minorVersion],
	])("with %s is about the older of the two", async (_who, minor, agreed) => {
		kernel = new FakeKernel(root);
		const { errno, body } = await kernel.negotiate(minor);
		await kernel.session.ready;
		expect(errno).toBe(0);
		expect(body).toHaveLength(abi.initOut.bytes);
		expect(body.readUInt32LE(abi.initOut.major)).toBe(abi.majorVersion);
		expect(body.readUInt32LE(abi.initOut.minor)).toBe(agreed);
	});

	it("takes no flag that the kernel does not offer", async () => {
		kernel = new FakeKernel(root);
		const offered =
			abi.initFlag.readdirplus | abi.initFlag.bigWrites | (1 << 14);
		const { body } = await kernel.negotiate(31, { flags: offered });
		expect(body.readUInt32LE(abi.initOut.flags)).toBe(
			abi.initFlag.readdirplus | abi.initFlag.bigWrites,
		);
	});

	it("asks a kernel of the next major version to come down", async () => {
		kernel = new FakeKernel(root);
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
		kernel = new FakeKernel(root);
		expect((await kernel.negotiate(minor, { major })).errno).toBe(EPROTO);
		await expect(kernel.session.ready).rejects.toThrow(/backend=fuse-native/);
	});
});

describe("a request", () => {
	it("to agree that is cut short fails the mount", async () => {
		kernel = new FakeKernel(root);
		const answer = await kernel.ask(opcode.init, 0, Buffer.alloc(3));
		expect(answer.errno).toBe(EPROTO);
		await expect(kernel.session.ready).rejects.toThrow(/too old/);
	});

	it.each([0, 7, 20, 46, 50, 51, 52, 4096, 0xffff_ffff])(
		"with the unknown number %d is not known",
		async (code) => {
			expect((await kernel.ask(code, abi.rootId)).errno).toBe(ENOSYS);
			await kernel.lookup("one");
		},
	);

	it("for a node that the kernel was not told of fails alone", async () => {
		for (const code of [opcode.lookup, opcode.getattr, opcode.open])
			expect((await kernel.ask(code, 99, Buffer.alloc(64))).errno).toBe(EIO);
		await kernel.lookup("one");
	});

	it("for a handle that is not open fails alone", async () => {
		const node = await kernel.lookup("one");
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
		const one = await kernel.lookup("one");
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
		expect(await kernel.lookup("below")).toBeGreaterThan(1);
	});

	it("that fails in a way nobody foresaw is EIO for that one caller", async () => {
		replace(root, "two", {
			open: () => {
				throw new TypeError("a defect");
			},
		});
		const node = await kernel.lookup("two");
		const request = openRequest();
		expect((await kernel.ask(opcode.open, node, request)).errno).toBe(EIO);
		await kernel.open(await kernel.lookup("one"));
	});
});

describe("a node", () => {
	it("keeps its number until the kernel has forgotten it", async () => {
		const node = await kernel.lookup("one");
		expect(await kernel.lookup("one")).toBe(node);
		const forget = (count: bigint) =>
			kernel.send(
				opcode.forget,
				node,
				struct(abi.forgetIn.bytes, [abi.forgetIn.nlookup, count]),
			);
		forget(1n);
		expect(await kernel.lookup("one")).toBe(node);
		forget(2n);
		const again = await kernel.lookup("one");
		expect(again).not.toBe(node);
		const { errno } = await kernel.ask(
			...([opcode.getattr, node, Buffer.alloc(abi.getattrIn.bytes)] as const),
		);
		expect(errno).toBe(EIO);
	});

	it("is forgotten with others in one message, which is not answered", async () => {
		const one = await kernel.lookup("one");
		const two = await kernel.lookup("two");
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
		expect(await kernel.lookup("one")).not.toBe(one);
		expect(await kernel.lookup("two")).not.toBe(two);
		expect(kernel.unexpected).toEqual([]);
	});
});

describe("the end", () => {
	it("of a mount is noticed, and answers those who wait", async () => {
		replace(root, "one", { open: () => new Promise(() => {}) });
		const node = await kernel.lookup("one");
		const request = openRequest();
		const waiting = Array.from({ length: 1000 }, () =>
			kernel.ask(opcode.open, node, request),
		);
		await kernel.lookup("two"); // in between
		kernel.end();
		const answers = await Promise.all(waiting);
		expect(new Set(answers.map(({ errno }) => errno))).toEqual(
			new Set([ENODEV]),
		);
		expect(kernel.hasEnded).toBe(true);
	});

	it("before negotiation fails the mount", async () => {
		kernel = new FakeKernel(root);
		kernel.end();
		await expect(kernel.session.ready).rejects.toThrow(/ended the mount/);
	});

	it("of the session refuses all that is asked", async () => {
		replace(root, "one", { open: () => new Promise(() => {}) });
		const node = await kernel.lookup("one");
		const request = openRequest();
		const waiting = kernel.ask(opcode.open, node, request);
		await kernel.lookup("two");
		const unread = kernel.ask(opcode.lookup, abi.rootId, names("two"));
		kernel.session.refuseAll();
		expect((await waiting).errno).toBe(ENODEV);
		expect((await unread).errno).toBe(ENODEV);
		expect((await kernel.ask(opcode.getattr, 1)).errno).toBe(ENODEV);
		await kernel.session.close();
	});
});
