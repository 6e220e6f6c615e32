/** What `ln -sfn` does: a link of a temporary name, renamed over the one that it replaces. */
import { beforeEach, describe, expect, it } from "vitest";
import { errnoName } from "../../src/vfs/errno.ts";
import { FileSystem } from "../../src/vfs/fileSystem.ts";
import type { Node } from "../../src/vfs/node.ts";
import type { VolumeOptions } from "../../src/vfs/volume.ts";
import { RecordingSource, refused } from "../support/recordingSource.ts";
import { nodeAt, rootOf, volumeFor } from "../support/volumes.ts";

let source: RecordingSource;
let fs: FileSystem;
let a: Node;

async function start(options: Partial<VolumeOptions> = {}): Promise<void> {
	source = new RecordingSource({
		"/": [
			["a", "child<thing>"],
			["b", "child<thing>"],
		],
		"/a": [
			["bus", "link<bus>", "/b"],
			["count", "int", 1],
			["sub", "child<x>"],
		],
		"/a/sub": [],
		"/b": [["bus", "link<bus>", ""]],
	});
	const volume = volumeFor({ unsafeWrites: true, ...options });
	fs = new FileSystem(rootOf(source, volume));
	a = await nodeAt(fs, "/a");
	source.takeAsked();
}

beforeEach(() => start());

const name = "CuAb12_9";
const outcome = (promise: Promise<unknown>) =>
	promise.then(() => "ok", errnoName);
const setsAsked = () =>
	source.takeAsked().filter((request) => request.startsWith("set "));

describe("a new symlink", () => {
	it("is there at once, without QEMU's knowledge, until it is removed", async () => {
		await fs.symlink(a, name, "../b");
		const link = await fs.lookup(a, name);
		expect(await fs.getattr(link)).toMatchObject({ kind: "symlink", size: 4 });
		expect(await fs.readlink(link)).toBe("../b");
		expect((await fs.readdir(a)).map((entry) => entry.name)).not.toContain(
			name,
		);
		expect(setsAsked()).toEqual([]);
		await fs.unlink(a, name);
		expect(await outcome(fs.lookup(a, name))).toBe("ENOENT");
	});

	it.each(["new", "Cu12345", "Cu1234567", "xCu123456", "Cu12-456"])(
		"of the name %s would be there to stay: it cannot be made",
		async (name) => {
			expect(await outcome(fs.symlink(a, name, "../b"))).toBe("EPERM");
			expect(await outcome(fs.lookup(a, name))).toBe("ENOENT");
		},
	);

	it("is guarded", async () => {
		await start({ unsafeWrites: false });
		expect(await outcome(fs.symlink(a, name, "../b"))).toBe("EPERM");
		expect(fs.root.volume.errors.last(`/a/${name}`)?.desc).toMatch(
			/-o unsafe_writes/,
		);
	});

	it("cannot be made where all is read-only", async () => {
		await start({ readOnly: true });
		expect(await outcome(fs.symlink(a, name, "../b"))).toBe("EROFS");
		expect(await outcome(fs.unlink(a, "bus"))).toBe("EROFS");
		expect(await outcome(fs.rename(a, name, a, "bus"))).toBe("EROFS");
	});

	it("is one of sixteen at most", async () => {
		for (let n = 10; n < 26; n++) await fs.symlink(a, `Cu1234${n}`, "x");
		expect(await outcome(fs.symlink(a, name, "x"))).toBe("EPERM");
		await fs.unlink(a, "Cu123410");
		expect(await outcome(fs.symlink(a, name, "x"))).toBe("ok");
	});
});

describe("renamed over a link", () => {
	it.each([
		["../b", "/b"],
		["sub", "/a/sub"],
		["/b", "/b"],
		["/mnt/a/sub", "/a/sub"],
		["/mnt", "/"],
		["/mnta", "/mnta"],
		["(unset)", ""],
		["./../a//sub/.", "/a/sub"],
	])("it leads that to %s", async (target, value) => {
		await fs.symlink(a, name, target);
		await fs.rename(a, name, a, "bus");
		expect(setsAsked()).toEqual([`set /a.bus ${JSON.stringify(value)}`]);
		expect(await outcome(fs.lookup(a, name))).toBe("ENOENT");
	});

	it("of another directory, its target counts from there", async () => {
		await fs.symlink(a, name, "../a/sub");
		await fs.rename(a, name, await nodeAt(fs, "/b"), "bus");
		expect(setsAsked()).toEqual(['set /b.bus "/a/sub"']);
	});

	it("that QEMU refuses to change, it stays for ln to remove", async () => {
		source.refuses = (request) =>
			request.startsWith("set ")
				? refused("fixed", "/a", "bus", "after it was realized")
				: undefined;
		await fs.symlink(a, name, "../b");
		expect(await outcome(fs.rename(a, name, a, "bus"))).toBe("EPERM");
		expect(fs.root.volume.errors.last("/a/bus")).toMatchObject({
			...{ operation: "rename", desc: "after it was realized" },
		});
		expect(await outcome(fs.unlink(a, name))).toBe("ok");
	});

	it("with a target above the tree sets nothing", async () => {
		await fs.symlink(a, name, "../../b");
		expect(await outcome(fs.rename(a, name, a, "bus"))).toBe("EINVAL");
		expect(setsAsked()).toEqual([]);
	});
});

describe("nothing else is renamed or removed", () => {
	it.each([
		["a new link to a value", name, "count"],
		["a new link to a child", name, "sub"],
		["a new link to a new name", name, "nosuch"],
		["a link of QEMU's", "bus", "bus"],
		["a value", "count", "bus"],
		["what is not there", "nosuch", "bus"],
	])("%s", async (_what, from, to) => {
		await fs.symlink(a, name, "../b");
		expect(await outcome(fs.rename(a, from, a, to))).toBe("EPERM");
		expect(setsAsked()).toEqual([]);
		expect(await outcome(fs.lookup(a, name))).toBe("ok");
	});

	it.each(["bus", "count", "sub", "nosuch"])("%s", async (name) => {
		expect(await outcome(fs.unlink(a, name))).toBe("EPERM");
	});
});
