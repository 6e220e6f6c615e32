/**
 * What the file system promises, in process and through the kernel. It is given a machine with
 * `/objects/io0` (an iothread) and `/machine/peripheral/rng0` (a device with links).
 */
import { constants } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

export interface Seen {
	readonly kind: "directory" | "file" | "symlink";
	/** Permission bits. */
	readonly mode: number;
	readonly size: number;
}

/** The system calls, by paths that begin with a slash; each rejects with the name of an errno as `code`. */
export interface FileSystemUnderTest {
	readdir(path: string): Promise<readonly string[]>;
	lstat(path: string): Promise<Seen>;
	readlink(path: string): Promise<string>;
	read(path: string): Promise<string>;
	/** One open, one write(2). */
	write(path: string, text: string): Promise<void>;
	mkdir(path: string): Promise<void>;
	unlink(path: string): Promise<void>;
	symlink(target: string, path: string): Promise<void>;
	/** @param wanted as access(2) takes it */
	access(path: string, wanted: number): Promise<void>;
	close(): Promise<void>;
}

export function fileSystemContract(
	name: string,
	start: () => Promise<FileSystemUnderTest>,
): void {
	describe(`the file system ${name}`, () => {
		let fs: FileSystemUnderTest;

		beforeAll(async () => {
			fs = await start();
		});

		afterAll(() => fs?.close());

		it("shows objects as directories, links as symlinks, the rest as files", async () => {
			expect(await fs.readdir("/")).toEqual(
				expect.arrayContaining(["objects", "machine", "type"]),
			);
			expect(await fs.lstat("/")).toMatchObject({ kind: "directory" });
			expect(await fs.lstat("/objects/io0")).toMatchObject({
				kind: "directory",
				mode: 0o755,
			});
			expect(await fs.lstat("/objects/io0/poll-max-ns")).toMatchObject({
				kind: "file",
				mode: 0o644,
			});
			expect(await fs.lstat("/machine/peripheral/rng0/rng")).toMatchObject({
				kind: "symlink",
			});
		});

		it("knows the size of a value and the length of a target before they are read", async () => {
			const value = await fs.read("/objects/io0/poll-max-ns");
			expect(value).toMatch(/^\d+\n$/);
			expect((await fs.lstat("/objects/io0/poll-max-ns")).size).toBe(
				value.length,
			);
			const target = await fs.readlink("/machine/peripheral/rng0/rng");
			expect(target).not.toMatch(/^\/|^$/);
			expect((await fs.lstat("/machine/peripheral/rng0/rng")).size).toBe(
				target.length,
			);
		});

		it("finds by name what it does not list", async () => {
			expect(await fs.readdir("/")).not.toContain(".qomfs");
			expect(await fs.readdir("/.qomfs")).toEqual(
				expect.arrayContaining(["status", "events", "errors"]),
			);
			expect(await fs.lstat("/.qomfs/status")).toMatchObject({ size: 0 });
			expect(JSON.parse(await fs.read("/.qomfs/status"))).toBeTypeOf("object");
			expect(await fs.readdir("/objects/io0")).not.toContain(".json");
			expect(JSON.parse(await fs.read("/objects/io0/.json"))).toMatchObject({
				path: "/objects/io0",
				type: "iothread",
			});
		});

		it("permits what the modes say", async () => {
			const { R_OK, W_OK, X_OK } = constants;
			const property = "/objects/io0/poll-max-ns";
			await fs.access("/objects/io0", R_OK | X_OK);
			await fs.access(property, R_OK | W_OK);
			await expect(fs.access(property, X_OK)).rejects.toMatchObject({
				code: "EACCES",
			});
		});

		it("writes as a user types, and reads what QEMU made of it", async () => {
			await fs.write("/objects/io0/poll-max-ns", "8K\n");
			expect(await fs.read("/objects/io0/poll-max-ns")).toBe("8192\n");
		});

		it("keeps the reason of a refusal", async () => {
			await expect(
				fs.write("/objects/io0/poll-max-ns", "many\n"),
			).rejects.toMatchObject({ code: "EINVAL" });
			expect(await fs.read("/objects/io0/poll-max-ns")).toBe("8192\n");
			const errors = (await fs.read("/.qomfs/errors")).trimEnd().split("\n");
			expect(JSON.parse(errors.at(-1) ?? "")).toMatchObject({
				operation: "write",
				path: "/objects/io0/poll-max-ns",
				errno: "EINVAL",
			});
		});

		it.each([
			["lstat", "/nosuch", "ENOENT"],
			["lstat", "/objects/nosuch", "ENOENT"],
			["lstat", "/objects/io0/constructor", "ENOENT"],
			["lstat", "/.qomfs/nosuch", "ENOENT"],
			["readdir", "/objects/io0/type", "ENOTDIR"],
			["lstat", "/objects/io0/type/x", "ENOTDIR"],
			["readlink", "/objects/io0/type", "EINVAL"],
			["read", "/objects/io0", "EISDIR"],
			["mkdir", "/objects/new", "EPERM"],
			["unlink", "/objects/io0/type", "EPERM"],
		] as const)("refuses %s of %s: %s", async (call, path, code) => {
			await expect(fs[call](path)).rejects.toMatchObject({ code });
		});

		it("guards links, and what was learnt to be read-only shows it", async () => {
			await expect(
				fs.symlink("../io0", "/objects/Cu123456"),
			).rejects.toMatchObject({ code: "EPERM" });
			await expect(fs.write("/objects/type", "x\n")).rejects.toMatchObject({
				code: "EACCES",
			});
			expect((await fs.lstat("/objects/type")).mode).toBe(0o444);
		});
	});
}
