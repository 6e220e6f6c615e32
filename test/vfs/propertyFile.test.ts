import { constants } from "node:fs";
import { beforeEach, describe, expect, it } from "vitest";
import { CommandError, TimeoutError } from "../../src/errors.ts";
import { errnoName } from "../../src/vfs/errno.ts";
import { FileSystem, type OpenFile } from "../../src/vfs/fileSystem.ts";
import type { VolumeOptions } from "../../src/vfs/volume.ts";
import { RecordingSource, refused } from "../support/recordingSource.ts";
import { nodeAt, rootOf, volumeFor } from "../support/volumes.ts";

const { O_RDONLY, O_WRONLY, O_RDWR, O_APPEND, O_TRUNC } = constants;

let source: RecordingSource;
let fs: FileSystem;
let volume: ReturnType<typeof volumeFor>;

function start(options: Partial<VolumeOptions> = {}): void {
	source = new RecordingSource({
		"/": [
			["a", "child<thing>"],
			["b", "child<thing>"],
			["c", "child<other>"],
			["s", "child<secret>"],
			["name", "str", "root's"],
		],
		"/a": [
			["type", "string", "thing"],
			["count", "int", 1],
			["name", "str", "é"],
			["struct", "Struct", { x: 1 }],
			["crash", "Crash"],
		],
		"/b": [["count", "int", 2]],
		"/c": [["count", "int", 3]],
		"/s": [["data", "string", "s3cr3t"]],
	});
	volume = volumeFor({ sinceMs: () => 1234, ...options });
	fs = new FileSystem(rootOf(source, volume));
}

beforeEach(() => start());

async function open(path: string, flags = O_WRONLY): Promise<OpenFile> {
	const file = await fs.open(await nodeAt(fs, path), flags);
	source.takeAsked();
	return file;
}

/** Writes pieces one after the other, each where the last one ended. */
async function writePieces(
	file: OpenFile,
	...pieces: (string | Buffer)[]
): Promise<void> {
	let position = 0;
	for (const piece of pieces) {
		const bytes = Buffer.from(piece as string);
		await fs.write(file, bytes, position);
		position += bytes.length;
	}
}

async function errnoOfFailing(promise: Promise<unknown>): Promise<string> {
	const [outcome] = await Promise.allSettled([promise]);
	if (outcome.status === "fulfilled") throw new Error("it did not fail");
	return errnoName(outcome.reason);
}

const read = async (file: OpenFile, length = 100, position = 0) =>
	Buffer.from(await fs.read(file, length, position)).toString();
const attributes = async (path: string) => fs.getattr(await nodeAt(fs, path));

describe("a file that is open for reading", () => {
	it("shows the value of its opening, however the property changes", async () => {
		const file = await open("/a/count", O_RDONLY);
		source.change("/a", "count", 99);
		expect(await read(file)).toBe("1\n");
		expect(await read(file, 1, 1)).toBe("\n");
		expect(await read(file, 10, 2)).toBe("");
		expect(source.takeAsked()).toEqual([]);
	});

	it("takes no writes", async () => {
		const file = await open("/a/count", O_RDONLY);
		expect(await errnoOfFailing(fs.write(file, Buffer.from("2\n"), 0))).toBe(
			"EBADF",
		);
		expect(source.takeAsked()).toEqual([]);
	});

	it("has the size of what it shows, in bytes", async () => {
		const file = await open("/a/name", O_RDONLY);
		source.change("/a", "name", "longer");
		expect(await fs.getattr(file.node, file)).toMatchObject({ size: 3 });
		expect(source.takeAsked()).toEqual([]);
		expect(await fs.getattr(file.node)).toMatchObject({ size: 7 });
	});
});

describe("a file that is open for writing", () => {
	it("is opened, and closed, without asking QEMU", async () => {
		const node = await nodeAt(fs, "/a/count");
		source.takeAsked();
		for (const flags of [
			O_WRONLY,
			O_RDWR,
			O_WRONLY | O_TRUNC,
			O_RDONLY | O_TRUNC,
		])
			await fs.release(await fs.open(node, flags));
		expect(source.takeAsked()).toEqual([]);
		expect(volume.errors.last("/a/count")).toBe(undefined);
	});

	it("sets one value per line", async () => {
		const file = await open("/a/count");
		await writePieces(file, "5\n", "6\n", "0x10\n");
		expect(source.takeAsked()).toEqual([
			"set /a.count 5",
			"set /a.count 6",
			"set /a.count 16",
		]);
	});

	it("puts the pieces of one value together", async () => {
		await open("/a/struct", O_RDONLY); // from now on its kind is known
		const file = await open("/a/struct");
		await writePieces(file, '{"x":', "2", "}");
		expect(source.takeAsked()).toEqual(['set /a.struct {"x":2}']);
	});

	it("keeps the pieces of two handles apart", async () => {
		await open("/a/struct", O_RDONLY); // from now on its kind is known
		const [one, two] = [await open("/a/struct"), await open("/a/struct")];
		await fs.write(one, Buffer.from('{"x":'), 0);
		await fs.write(two, Buffer.from('{"y":'), 0);
		await fs.write(one, Buffer.from("1}\n"), 5);
		await fs.write(two, Buffer.from("2}\n"), 5);
		expect(source.takeAsked()).toEqual([
			'set /a.struct {"x":1}',
			'set /a.struct {"y":2}',
		]);
	});

	it("takes what is appended as a continuation, wherever the kernel puts it", async () => {
		const file = await open("/a/name", O_WRONLY | O_APPEND);
		await fs.write(file, Buffer.from("caf\u00c3", "latin1"), 40);
		await fs.write(file, Buffer.from("\u00a9\n", "latin1"), 3);
		expect(source.takeAsked()).toEqual(['set /a.name "café"']);
	});

	it("begins anew after a refusal", async () => {
		const file = await open("/a/count");
		source.refuses = (request) =>
			request === 'set /a.count "zz"'
				? refused("invalid", "/a", "count", "no number", "integer")
				: undefined;
		expect(await errnoOfFailing(fs.write(file, Buffer.from("zz"), 0))).toBe(
			"EINVAL",
		);
		await fs.write(file, Buffer.from("7\n"), 2);
		expect(source.takeAsked().at(-1)).toBe("set /a.count 7");
		await fs.release(file);
	});

	it("tells at its close of what was never complete", async () => {
		await open("/a/struct", O_RDONLY);
		const file = await open("/a/struct");
		await writePieces(file, '{"x":');
		expect(await errnoOfFailing(fs.release(file))).toBe("EINVAL");
		expect(source.takeAsked()).toEqual([]);
		expect(volume.errors.last("/a/struct")).toMatchObject({
			...{ operation: "close", errno: "EINVAL", class: null },
		});
	});

	it("alone is not read", async () => {
		const file = await open("/a/count");
		expect(await errnoOfFailing(read(file))).toBe("EBADF");
	});

	it("moves the time of its last change when it is set, and not before", async () => {
		expect(await attributes("/a/count")).toMatchObject({ mtimeMs: 1234 });
		const file = await open("/a/count");
		expect(await attributes("/a/count")).toMatchObject({ mtimeMs: 1234 });
		const beforeMs = Date.now();
		await writePieces(file, "5\n");
		expect((await attributes("/a/count")).mtimeMs).toBeGreaterThanOrEqual(
			beforeMs,
		);
		expect(await attributes("/b/count")).toMatchObject({ mtimeMs: 1234 });
	});
});

describe("a file that is open for both", () => {
	it("shows one value until it is written, then what QEMU made of it", async () => {
		const file = await open("/a/count", O_RDWR);
		expect(await read(file)).toBe("1\n");
		source.change("/a", "count", 2);
		expect(await read(file)).toBe("1\n");
		await writePieces(file, "5\n");
		source.change("/a", "count", 4);
		expect(await read(file)).toBe("4\n");
	});

	it("can be read again after a read that failed", async () => {
		const file = await open("/a/count", O_RDWR);
		source.refuses = () => new TimeoutError("no answer");
		expect(await errnoOfFailing(read(file))).toBe("ETIMEDOUT");
		source.refuses = () => undefined;
		expect(await read(file)).toBe("1\n");
	});
});

describe("what a value is", () => {
	it("is learnt by reading, and decides what a text means", async () => {
		source.change("/a", "name", 7);
		const file = await open("/a/name");
		await writePieces(file, "8\n");
		expect(source.takeAsked()).toEqual(['set /a.name "8"']);
		source.change("/a", "name", 7);
		await open("/a/name", O_RDONLY);
		await fs.write(file, Buffer.from("8\n"), 0);
		expect(source.takeAsked()).toEqual(["set /a.name 8"]);
	});

	it("is learnt by a correction, which is not needed a second time", async () => {
		source.refuses = (request) =>
			request.startsWith('set /a.name "')
				? refused("invalid", "/a", "name", "expected: integer", "integer")
				: undefined;
		const file = await open("/a/name");
		await writePieces(file, "8\n", "9\n");
		expect(source.takeAsked()).toEqual([
			'set /a.name "8"',
			"set /a.name 8",
			"set /a.name 9",
		]);
	});
});

describe("the mode of a property", () => {
	const mode = async (path: string) => (await attributes(path)).mode;
	const refuseToWrite = (refusal: "not writable" | "fixed" | "busy") => {
		source.refuses = (request) =>
			request.startsWith("set ")
				? refused(refusal, "/a", "count", "it is not writable")
				: undefined;
	};

	it("is what a user may do, as far as it is known", async () => {
		expect(await mode("/a/count")).toBe(0o644);
		expect(await mode("/a/type")).toBe(0o444);
		expect(await mode("/s/data")).toBe(0o600);
	});

	it.each([
		["not writable", "EACCES"],
		["fixed", "EPERM"],
	] as const)(
		"is learnt from a refusal as %s, for all objects of the type",
		async (refusal, errno) => {
			refuseToWrite(refusal);
			const writing = writePieces(await open("/a/count"), "5\n");
			expect(await errnoOfFailing(writing)).toBe(errno);
			expect(await mode("/a/count")).toBe(0o444);
			expect(await mode("/b/count")).toBe(0o444);
			expect(await mode("/c/count")).toBe(0o644);
			expect(await mode("/a/name")).toBe(0o644);
			volume.learnt.clear();
			expect(await mode("/b/count")).toBe(0o644);
		},
	);

	it("stays where a property cannot be set just now", async () => {
		refuseToWrite("busy");
		await errnoOfFailing(writePieces(await open("/a/count"), "5\n"));
		expect(await mode("/a/count")).toBe(0o644);
	});

	it("gives nobody leave to write where all is read-only", async () => {
		start({ readOnly: true });
		expect(await mode("/a/count")).toBe(0o444);
		expect(await mode("/s/data")).toBe(0o400);
		expect(await mode("/a")).toBe(0o555);
		const node = await nodeAt(fs, "/a/count");
		expect(await errnoOfFailing(fs.open(node, O_WRONLY))).toBe("EROFS");
	});
});

describe("the size of a property", () => {
	it("that has no value is nothing, and only its open fails", async () => {
		expect(await attributes("/a/crash")).toMatchObject({ size: 0 });
		const node = await nodeAt(fs, "/a/crash");
		expect(await errnoOfFailing(fs.open(node, O_RDONLY))).toBe("ENODATA");
	});

	it.each([
		["no such object", "ENOENT"],
		["no such property", "ENOENT"],
	] as const)(
		"is not there where there is %s any more",
		async (refusal, errno) => {
			const node = await nodeAt(fs, "/a/count");
			source.refuses = () => refused(refusal, "/a", "count", "gone");
			expect(await errnoOfFailing(fs.getattr(node))).toBe(errno);
		},
	);
});

describe("extended attributes of a property", () => {
	const get = async (path: string, name: string) =>
		fs.getxattr(await nodeAt(fs, path), name);

	it("tell what QEMU knows, and ask for it only when they are read", async () => {
		const node = await nodeAt(fs, "/a/count");
		source.takeAsked();
		expect(await fs.getxattr(node, "user.qom.type")).toBe("int");
		expect(await fs.getxattr(node, "user.qom.path")).toBe("/a/count");
		expect(source.takeAsked()).toEqual([]);
		expect(await fs.getxattr(node, "user.qom.description")).toBe("how many");
		expect(await fs.getxattr(node, "user.qom.default")).toBe("3");
		expect(source.takeAsked()).toEqual(["describe thing"]);
	});

	it("are those that have a value", async () => {
		expect(await fs.listxattr(await nodeAt(fs, "/a/count"))).toEqual([
			...["user.qom.type", "user.qom.path"],
			...["user.qom.description", "user.qom.default"],
		]);
		expect(await fs.listxattr(await nodeAt(fs, "/a/name"))).toEqual([
			...["user.qom.type", "user.qom.path"],
		]);
	});

	it("of the root's properties ask for no description: its type is unknown", async () => {
		const node = await nodeAt(fs, "/name");
		source.takeAsked();
		expect(await fs.listxattr(node)).toEqual([
			...["user.qom.type", "user.qom.path"],
		]);
		expect(source.takeAsked()).toEqual([]);
	});

	it.each(["user.qom.nosuch", "user.qom.constructor", "user.type"])(
		"do not have %s",
		async (name) => {
			expect(await get("/a/count", name)).toBe(undefined);
		},
	);

	it.each(["security.capability", "system.posix_acl_access", "type"])(
		"are not what %s is",
		async (name) => {
			await expect(get("/a/count", name)).rejects.toMatchObject({
				code: "EOPNOTSUPP",
			});
		},
	);

	it("keep the reason of the last failure", async () => {
		source.refuses = (request) =>
			request.startsWith("set ")
				? refused("busy", "/a", "count", "in use")
				: undefined;
		await errnoOfFailing(writePieces(await open("/a/count"), "5\n"));
		expect(await get("/a/count", "user.qom.error")).toBe("EBUSY: in use");
		expect(await get("/a/name", "user.qom.error")).toBe(undefined);
	});

	it("keep no reason that could give a secret away", async () => {
		source.refuses = (request) =>
			request.startsWith("set ")
				? refused("invalid", "/s", "data", "bad 's3cr3t'")
				: undefined;
		await errnoOfFailing(writePieces(await open("/s/data"), "s3cr3t\n"));
		expect(await get("/s/data", "user.qom.error")).toBe("EINVAL: redacted");
	});

	it("do not make up for a QEMU that cannot describe the type", async () => {
		source.refuses = (request) =>
			request.startsWith("describe ")
				? new CommandError("x", "GenericError", "no")
				: undefined;
		expect(await errnoOfFailing(get("/a/count", "user.qom.description"))).toBe(
			"EIO",
		);
		expect(await get("/a/count", "user.qom.type")).toBe("int");
	});
});
