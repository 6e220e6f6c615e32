/** Descriptions of types on disk: only in a place of our own, and nothing else there is touched. */
import { execFileSync } from "node:child_process";
import {
	chmod,
	mkdir,
	mkdtemp,
	readdir,
	rm,
	symlink,
	writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
	keptDescriptions,
	noAnswer,
} from "../../src/machine/introspection/kept.ts";

const version = { major: 11, minor: 1, micro: 2, package: "x" };
const known = {
	properties: new Map([
		[
			"p",
			{ type: "int", description: undefined, defaultValue: 2n ** 64n - 1n },
		],
	]),
};

let cache: string;
let types: string;

beforeEach(async () => {
	cache = await mkdtemp(join(tmpdir(), "qomfs-kept-"));
	types = join(cache, "qomfs/types");
	vi.stubEnv("XDG_CACHE_HOME", cache);
});

afterEach(async () => {
	vi.unstubAllEnvs();
	await rm(cache, { recursive: true });
});

describe("what is kept of types", () => {
	it("is there again, for the same build alone", async () => {
		await (await keptDescriptions("a", version)).write("t", known);
		expect(await (await keptDescriptions("a", version)).read("t")).toEqual(
			known,
		);
		expect(await (await keptDescriptions("b", version)).read("t")).toBe(
			undefined,
		);
	});

	it("is not that there was no answer", async () => {
		const kept = await keptDescriptions("a", version);
		await kept.write("t", { properties: new Map(), refusal: noAnswer });
		expect(await kept.read("t")).toBe(undefined);
	});

	it("is nothing where others may write", async () => {
		await mkdir(types, { recursive: true });
		await chmod(types, 0o777);
		const kept = await keptDescriptions("a", version);
		await kept.write("t", known);
		expect(await kept.read("t")).toBe(undefined);
	});

	it("is nothing where a link leads elsewhere, and nothing is removed there", async () => {
		const elsewhere = join(cache, "elsewhere");
		const names = Array.from({ length: 12 }, (_none, n) => `${n}`);
		for (const name of names)
			await mkdir(join(elsewhere, name), { recursive: true });
		await mkdir(join(cache, "qomfs"));
		await symlink(elsewhere, types);
		await (await keptDescriptions("a", version)).write("t", known);
		expect(await readdir(elsewhere)).toEqual(expect.arrayContaining(names));
	});

	it("is of eight builds, and what else is there stays", async () => {
		await mkdir(join(types, "mine"), { recursive: true });
		for (let build = 0; build < 12; build++)
			await keptDescriptions(`${build}`, version);
		expect(await readdir(types)).toHaveLength(9);
		expect(await readdir(types)).toContain("mine");
	});

	it("is asked anew if it is no file, or damaged", async () => {
		const kept = await keptDescriptions("a", version);
		const [build = ""] = await readdir(types);
		execFileSync("mkfifo", [join(types, build, "fifo.json")]);
		await symlink("/dev/zero", join(types, build, "link.json"));
		await writeFile(join(types, build, "cut.json"), '{"properties":{"p"');
		for (const type of ["fifo", "link", "cut"])
			expect(await kept.read(type)).toBe(undefined);
	});
});
