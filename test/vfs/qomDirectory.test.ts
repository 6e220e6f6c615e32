import { constants } from "node:fs";
import { beforeEach, describe, expect, it } from "vitest";
import { CachedSource } from "../../src/cache/cachedSource.ts";
import { parseJson } from "../../src/json.ts";
import { errnoName } from "../../src/vfs/errno.ts";
import { FileSystem } from "../../src/vfs/fileSystem.ts";
import type { Node } from "../../src/vfs/node.ts";
import { qomRoot } from "../../src/vfs/qomDirectory.ts";
import { RecordingSource } from "../support/recordingSource.ts";
import { nodeAt, volumeFor } from "../support/volumes.ts";

const tree = {
	"/": [
		["type", "string", "container"],
		["a", "child<thing>"],
		["s", "child<secret>"],
	],
	"/a": [
		["type", "string", "thing"],
		["sub", "child<x>"],
		["count", "int", 12],
		["bus", "link<bus>", "/s"],
		["empty", "link<bus>", ""],
		["crash", "Crash"],
		["bad/name", "int", 1],
		["..", "int", 2],
		["count", "child<x>"],
	],
	"/a/sub": [["type", "string", "x"]],
	"/s": [
		["type", "string", "secret"],
		["data", "string", "s3cr3t"],
	],
} as const;

let source: RecordingSource;
let fs: FileSystem;

function start(givesValues: boolean, hidden?: [string, Node]): void {
	source = new RecordingSource(tree, { givesValues });
	const view = new CachedSource(source, {
		listTtlMs: 60_000,
		valueTtlMs: 60_000,
	});
	const volume = volumeFor({ sinceMs: () => 1234 });
	fs = new FileSystem(qomRoot(view, volume, new Map(hidden && [hidden])));
}

const entriesOf = async (path: string) => fs.readdir(await nodeAt(fs, path));

describe("an object's entries", () => {
	beforeEach(() => start(true));

	it("are its properties, directories last, without names that no file can have", async () => {
		const entries = await entriesOf("/a");
		expect(entries.map(({ name, node }) => [name, node.kind])).toEqual([
			["type", "file"],
			["count", "file"],
			["bus", "symlink"],
			["empty", "symlink"],
			["crash", "file"],
			["sub", "directory"],
		]);
	});

	it("have sizes where values came along, and nothing was asked for them", async () => {
		const entries = await entriesOf("/a");
		const known = new Map(
			entries.map(({ name, node }) => [name, node.known()]),
		);
		expect(known.get("count")).toEqual({
			...{ kind: "file", mode: 0o644, size: 3, mtimeMs: 1234 },
		});
		expect(known.get("type")).toMatchObject({ mode: 0o444, size: 6 });
		expect(known.get("bus")).toMatchObject({
			...{ kind: "symlink", mode: 0o777, size: "../s".length },
		});
		expect(known.get("empty")).toMatchObject({ size: "(unset)".length });
		expect(known.get("sub")).toMatchObject({ kind: "directory", mode: 0o755 });
		expect(known.get("crash")).toMatchObject({ mode: 0o644, size: undefined });
		expect(source.asked.some((request) => request.startsWith("get "))).toBe(
			false,
		);
	});

	it("have the attributes that asking for them gives", async () => {
		for (const { node } of await entriesOf("/a")) {
			const known = node.known();
			if (known.size !== undefined)
				expect(await fs.getattr(node)).toEqual(known);
		}
	});

	it("have no sizes where QEMU gives no values with a listing", async () => {
		start(false);
		for (const { node } of await entriesOf("/a"))
			expect(node.known().size !== undefined).toBe(node.kind === "directory");
	});
});

describe("an object's names", () => {
	beforeEach(() => start(false));

	it("cost one listing, however many are looked up", async () => {
		const directory = await nodeAt(fs, "/a");
		source.takeAsked();
		for (const name of ["count", "bus", "sub", "crash"])
			await fs.lookup(directory, name);
		expect(await fs.lookup(directory, "nosuch").catch(errnoName)).toBe(
			"ENOENT",
		);
		expect(source.takeAsked()).toEqual(["list /a"]);
	});

	it("that are not there are no failure that would be recorded", async () => {
		await fs.lookup(fs.root, "nosuch").catch(() => {});
		expect(fs.root.volume.errors.file.size).toBe(0);
	});

	it("of what is hidden are found before QEMU's own, in the root alone", async () => {
		const hidden = await nodeAt(fs, "/a/count");
		start(false, ["a", hidden]);
		expect(await fs.lookup(fs.root, "a")).toBe(hidden);
		expect(source.asked).toEqual([]);
		const directory = await nodeAt(fs, "/s");
		expect(await fs.lookup(directory, "a").catch(errnoName)).toBe("ENOENT");
	});
});

describe("a link", () => {
	beforeEach(() => start(false));

	const targetOf = async (path: string) => fs.readlink(await nodeAt(fs, path));

	it("leads to its object from where it is", async () => {
		expect(await targetOf("/a/bus")).toBe("../s");
		expect(await targetOf("/a/empty")).toBe("(unset)");
	});

	it.each([["x"], ["/a/../b"], [5], ["//"]])(
		"to %j, which is no path, is EIO and leads nowhere",
		async (value) => {
			source.change("/a", "bus", value);
			expect(await targetOf("/a/bus").catch(errnoName)).toBe("EIO");
		},
	);
});

describe("extended attributes of an object", () => {
	beforeEach(() => start(false));

	it("tell its type, as it was listed, and its path", async () => {
		const directory = await nodeAt(fs, "/a/sub");
		source.takeAsked();
		expect(await fs.listxattr(directory)).toEqual([
			...["user.qom.type", "user.qom.path"],
		]);
		expect(await fs.getxattr(directory, "user.qom.type")).toBe("x");
		expect(await fs.getxattr(directory, "user.qom.path")).toBe("/a/sub");
		expect(source.takeAsked()).toEqual([]);
	});

	it("of the root ask for its type", async () => {
		expect(await fs.getxattr(fs.root, "user.qom.type")).toBe("container");
	});
});

describe(".json", () => {
	beforeEach(() => start(false));

	const documentOf = async (path: string) => {
		const file = await fs.open(await nodeAt(fs, `${path}/.json`), 0);
		const text = Buffer.from(await fs.read(file, 1 << 20, 0)).toString();
		expect(text.indexOf("\n")).toBe(text.length - 1);
		return parseJson(text);
	};

	it("is the whole object, with the reason where there is no value", async () => {
		expect(await documentOf("/a")).toMatchObject({
			...{ path: "/a", type: "thing" },
			properties: {
				count: { type: "int", value: 12 },
				bus: { type: "link<bus>", value: "/s" },
				crash: { type: "Crash", error: "No crash occurred" },
			},
		});
	});

	it("hides a secret", async () => {
		const document = await documentOf("/s");
		expect(document).toMatchObject({
			properties: { data: { type: "string", value: null, redacted: true } },
		});
		expect(source.asked).not.toContain("get /s.data");
	});

	it("is not among the entries, has no size before it is read, and is not written", async () => {
		const names = (await entriesOf("/a")).map(({ name }) => name);
		expect(names).not.toContain(".json");
		const node = await nodeAt(fs, "/a/.json");
		expect(await fs.getattr(node)).toMatchObject({ size: 0, mode: 0o444 });
		expect(await fs.open(node, constants.O_WRONLY).catch(errnoName)).toBe(
			"EACCES",
		);
	});
});
