/** What commands write with `-o`. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
	lstat,
	mkdtemp,
	readdir,
	readFile,
	rm,
	symlink,
	writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { writeWholeFile } from "../../src/cli/wholeFile.ts";

let directory: string;
const at = (name: string) => join(directory, name);

beforeEach(async () => {
	directory = await mkdtemp(join(tmpdir(), "qomfs-whole-"));
});

afterEach(() => rm(directory, { recursive: true }));

describe("a whole file", () => {
	it("is not there, and the old one is, if its text fails on the way", async () => {
		await writeFile(at("f"), "old");
		const pieces = (async function* () {
			yield "new";
			throw new Error("lost");
		})();
		await expect(writeWholeFile(at("f"), pieces)).rejects.toThrow("lost");
		expect(await readFile(at("f"), "utf8")).toBe("old");
		expect(await readdir(directory)).toEqual(["f"]);
	});

	it("waits for the reader of a FIFO, who gets all of it", async () => {
		execFileSync("mkfifo", [at("fifo")]);
		const written = writeWholeFile(at("fifo"), ["a", "b".repeat(200_000)]);
		const cat = spawn("cat", [at("fifo")]);
		let length = 0;
		cat.stdout.on("data", (chunk) => {
			length += chunk.length;
		});
		await once(cat, "close");
		await written;
		expect(length).toBe(200_001);
	});

	it("stops waiting for a reader when it is told to", async () => {
		execFileSync("mkfifo", [at("fifo")]);
		const aborter = new AbortController();
		const written = writeWholeFile(at("fifo"), ["a"], {
			signal: aborter.signal,
		});
		aborter.abort();
		await expect(written).rejects.toThrow(/abort/i);
	});

	it("does not take the place of a link that leads round in circles", async () => {
		await symlink("loop", at("loop"));
		await expect(writeWholeFile(at("loop"), ["a"])).rejects.toThrow(
			/cannot write .*ELOOP/,
		);
		expect((await lstat(at("loop"))).isSymbolicLink()).toBe(true);
	});
});
