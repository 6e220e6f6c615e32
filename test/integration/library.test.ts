/** The library as plain JavaScript uses it, in a process of its own. */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
	lacksMount,
	lacksQemu,
	run,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";
import { RawQmp } from "../support/rawQmp.ts";
import { running } from "../support/tools.ts";

const project = new URL("../..", import.meta.url).pathname;

let directory: string;

beforeAll(async () => {
	directory = await mkdtemp(join(tmpdir(), "qomfs-library-"));
});

afterAll(async () => {
	await rm(directory, { recursive: true });
});

const fixtures = new URL("../fixtures/library/", import.meta.url).pathname;

/** What a program of the fixtures prints as JSON; it must succeed in silence. */
async function result(program: string, ...args: string[]): Promise<unknown> {
	const file = join(fixtures, `${program}.mjs`);
	const finished = await run(process.execPath, [file, ...args]);
	expect(finished).toMatchObject({ status: 0, stderr: "" });
	return JSON.parse(finished.stdout);
}

describe("importing the library", () => {
	it("loads no FUSE binding, opens nothing and lets the process end", async () => {
		expect(await result("imported")).toEqual({
			mapped: [],
			cached: [],
			active: [],
		});
	});

	it("gives everything that it promises", async () => {
		expect(await result("exported")).toEqual(Array(8).fill("function"));
	});

	it("needs no types that are not there: a program in TypeScript compiles", async () => {
		const { status, stdout } = await run(
			join(project, "node_modules/.bin/tsc"),
			[
				...[
					"--noEmit",
					"--strict",
					"--module",
					"nodenext",
					"--target",
					"es2024",
				],
				...[
					"--lib",
					"es2024,esnext.disposable,esnext.array",
					"--exactOptionalPropertyTypes",
				],
				...[
					"--types",
					"node",
					"--typeRoots",
					join(project, "node_modules/@types"),
				],
				join(fixtures, "typed.ts"),
			],
			{ cwd: directory },
		);
		expect([status, stdout]).toEqual([0, ""]);
	});
});

describe("the package", () => {
	it("has no problem for publint", async () => {
		const { publint } = await import("publint");
		const { messages } = await publint({ pkgDir: project });
		expect(messages).toEqual([]);
	});

	it("has right types for whoever imports it; require() gets ESM, and no more is wrong", async () => {
		const { checkPackage, createPackageFromTarballData } = await import(
			"@arethetypeswrong/core"
		);
		const pack = ["pack", "--ignore-scripts", "--pack-destination", directory];
		const { status, stdout } = await run("npm", pack, {
			cwd: project,
			env: {
				...process.env,
				PATH: `${join(process.execPath, "..")}:${process.env.PATH}`,
			},
		});
		expect(status).toBe(0);
		const tarball = await readFile(
			join(directory, stdout.trim().split("\n").at(-1) ?? ""),
		);
		const analysis = await checkPackage(createPackageFromTarballData(tarball));
		expect(analysis.types).toMatchObject({ kind: "included" });
		const problems = "problems" in analysis ? analysis.problems : [];
		const kinds = new Set(
			problems
				// The resolution of Node before 12.7, which knows no "exports".
				.filter(
					(problem) =>
						!(
							"resolutionKind" in problem && problem.resolutionKind === "node10"
						),
				)
				.map(({ kind }) => kind),
		);
		kinds.delete("CJSResolvesToESM");
		expect([...kinds]).toEqual([]);
	});
});

describe.skipIf(lacksQemu)("a program", () => {
	let vm: TestMachine;
	let qmp: RawQmp;

	beforeAll(async () => {
		vm = await startTestMachine();
		qmp = await RawQmp.connect(vm.secondSocket);
	});

	afterAll(async () => {
		qmp?.close();
		await vm?.stop();
	});

	it("runs commands, lists, gets and sets, no digit lost, and ends by itself", async () => {
		expect(await result("commands", vm.socket)).toMatchObject({
			status: "prelaunch",
			kind: "bigint",
			names: expect.arrayContaining(["type", "io0", "sec0"]),
			greeting: true,
		});
		expect(
			await qmp.execute("qom-get", { path: "/machine", property: "append" }),
		).toBe("from a program");
	});

	it("gets errors of our classes, with QEMU's text", async () => {
		expect(await result("errors", vm.socket)).toEqual([
			["QomError", true, "no such object", null],
			["QomError", true, "no such property", null],
			["QomError", true, "invalid", "boolean"],
			["QomError", true, "not writable", null],
			["CommandError", true, "CommandNotFound", null],
			["DisconnectedError", true, null, null],
			["ConnectError", true, null, null],
			["AddressError", true, null, null],
		]);
	});

	it("leaves the monitor to the next with close() and with await using", async () => {
		expect(await result("closing", vm.socket)).toEqual([
			"container",
			"container",
			"container",
			true,
		]);
	});

	it("hears events until it does not want to any more", async () => {
		expect(await result("events", vm.socket)).toEqual(["RESUME", "STOP"]);
	});

	it("walks, matches, writes as users do, and reads whole objects", async () => {
		expect(await result("walking", vm.socket)).toEqual({
			paths: true,
			matched: ["/objects/io0"],
			set: 8192,
			secret: { type: "string", value: null, redacted: true },
		});
	});

	it.skipIf(lacksMount)(
		"mounts, serves another process, and unmounts; koffi comes with the mount",
		async () => {
			const mountpoint = join(directory, "mnt");
			await mkdir(mountpoint);
			const program = spawn(
				process.execPath,
				[join(fixtures, "mounting.mjs"), vm.socket, mountpoint],
				{ stdio: ["pipe", "pipe", "pipe"] },
			);
			const mounting = running(program);
			const [line = ""] = await mounting.seen(1);
			const read = await run("cat", [join(mountpoint, "machine/type")]);
			const write = await run("bash", [
				"-c",
				'echo 1 > "$0"',
				join(mountpoint, "objects/io0/poll-max-ns"),
			]);
			program.stdin.end();
			const status = await mounting.ended;
			await run("fusermount3", ["-uz", "--", mountpoint]);
			expect(read.stdout).toMatch(/^pc-q35-.*-machine\n$/);
			expect(write.stderr).toMatch(/Read-only file system/);
			expect([status, mounting.stderr()]).toEqual([0, ""]);
			expect(JSON.parse(line)).toEqual({
				before: false,
				after: true,
				title: expect.stringMatching(/^pc-q35-.* of QEMU \d+\.\d+\.\d+$/),
				mountpoint,
			});
		},
	);

	it.skipIf(lacksMount)("gets our errors from mount, too", async () => {
		expect(
			await result(
				"mountErrors",
				...[vm.socket, await mkdtemp(join(directory, "mnt-"))],
			),
		).toEqual(["MountError", "ConnectError"]);
	});
});
