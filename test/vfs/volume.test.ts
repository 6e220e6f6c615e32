import { constants } from "node:fs";
import { describe, expect, it } from "vitest";
import { QomError, TimeoutError } from "../../src/errors.ts";
import { errnoName } from "../../src/vfs/errno.ts";
import { FileSystem } from "../../src/vfs/fileSystem.ts";
import { RecordingSource } from "../support/recordingSource.ts";
import { nodeAt, rootOf, volumeFor } from "../support/volumes.ts";

describe("those who wait for the machine", () => {
	it("are at most so many; one more fails at once", async () => {
		const volume = volumeFor({ mostWaiting: 2 });
		const { promise, resolve } = Promise.withResolvers<string>();
		const waiting = [volume.wait(() => promise), volume.wait(() => promise)];
		let asked = 0;
		const late = volume.wait(async () => asked++);
		await expect(late).rejects.toThrow(TimeoutError);
		await expect(late).rejects.toThrow("2 others wait for QEMU already");
		expect(asked).toBe(0);
		resolve("answer");
		expect(await Promise.all(waiting)).toEqual(["answer", "answer"]);
	});

	it("make room for others, whether they succeed or fail", async () => {
		const volume = volumeFor({ mostWaiting: 1 });
		await volume.wait(async () => {});
		const failure = new Error("refused");
		await expect(volume.wait(() => Promise.reject(failure))).rejects.toBe(
			failure,
		);
		const throwing = volume.wait(() => {
			throw failure;
		});
		await expect(throwing).rejects.toBe(failure);
		expect(await volume.wait(async () => "there is room")).toBe(
			"there is room",
		);
	});

	it("do not keep others from what needs no machine", async () => {
		const source = new RecordingSource({
			"/": [
				["value", "Struct", { x: 1 }],
				["other", "string", "y"],
			],
		});
		const volume = volumeFor({ mostWaiting: 1 });
		const fs = new FileSystem(rootOf(source, volume));
		const [value, other] = [
			await nodeAt(fs, "/value"),
			await nodeAt(fs, "/other"),
		];
		const reader = await fs.open(value, constants.O_RDONLY);
		const writer = await fs.open(value, constants.O_WRONLY);
		await fs.write(writer, Buffer.from('{"x":'), 0);
		const { promise, resolve } = Promise.withResolvers<void>();
		source.held = promise;
		const stuck = fs.open(other, constants.O_RDONLY);
		expect(await fs.getattr(fs.root)).toMatchObject({ kind: "directory" });
		expect(await fs.open(other, constants.O_RDONLY).catch(errnoName)).toBe(
			"ETIMEDOUT",
		);
		expect(Buffer.from(await fs.read(reader, 100, 0)).toString()).toBe(
			'{"x":1}\n',
		);
		await fs.release(reader);
		expect(await fs.release(writer).catch(errnoName)).toBe("EINVAL");
		expect(volume.errors.last("/value")).toMatchObject({ errno: "EINVAL" });
		resolve();
		await stuck;
	});
});

describe("the last failures", () => {
	const { errors } = volumeFor();
	const refusal = new QomError(
		"busy",
		{ path: "/a", property: "b" },
		{ desc: "in use", class: "GenericError" },
	);

	it("are kept with QEMU's own words", () => {
		errors.record("write", "/a/b", refusal, false);
		expect(errors.last("/a/b")).toEqual({
			time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
			...{ operation: "write", path: "/a/b" },
			...{ class: "GenericError", desc: "in use", errno: "EBUSY" },
		});
	});

	it("have no class where QEMU was not asked", () => {
		errors.record("open", "/a/b", new TimeoutError("no answer"), false);
		expect(errors.last("/a/b")).toMatchObject({
			...{ operation: "open", class: null, desc: "no answer" },
		});
	});

	it("do not tell of an exception's insides", () => {
		errors.record("open", "/a/b", new TypeError("x is undefined"), false);
		expect(errors.last("/a/b")).toMatchObject({
			...{ desc: "internal error", errno: "EIO" },
		});
	});

	it("of a secret are kept without their text", async () => {
		errors.record("write", "/a/secret", refusal, true);
		expect(errors.last("/a/secret")).toMatchObject({
			...{ desc: null, redacted: true, errno: "EBUSY" },
		});
		const bytes = await errors.file.open().read(1 << 20, 0);
		const lines = Buffer.from(bytes).toString().trimEnd().split("\n");
		expect(JSON.parse(lines.at(-1) ?? "")).toEqual(errors.last("/a/secret"));
	});

	it("are 256 paths, of which the one that failed longest ago goes first", () => {
		const { errors } = volumeFor();
		for (let n = 0; n < 256; n++)
			errors.record("open", `/${n}`, refusal, false);
		errors.record("open", "/0", refusal, false);
		errors.record("open", "/new", refusal, false);
		expect(errors.last("/1")).toBe(undefined);
		for (const path of ["/0", "/2", "/255", "/new"])
			expect(errors.last(path), path).toBeDefined();
	});
});
