/** The library as plain JavaScript uses it, in a process of its own. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
	type Finished,
	lacksMount,
	lacksQemu,
	run,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";
import { RawQmp } from "../support/rawQmp.ts";

const project = new URL("../..", import.meta.url).pathname;
const index = new URL("../../dist/index.js", import.meta.url).href;

let directory: string;

beforeAll(async () => {
	directory = await mkdtemp(join(tmpdir(), "qomfs-library-"));
});

afterAll(async () => {
	await rm(directory, { recursive: true });
});

/** Runs a program that begins with `import * as qomfs`, its arguments in `args`. */
async function program(text: string, ...args: string[]): Promise<Finished> {
	const file = join(directory, `program-${performance.now()}.mjs`);
	await writeFile(
		file,
		`import * as qomfs from ${JSON.stringify(index)};\nconst args = process.argv.slice(2);\n${text}`,
	);
	return run(process.execPath, [file, ...args], { cwd: directory });
}

/** What such a program prints as JSON. */
async function result(text: string, ...args: string[]): Promise<unknown> {
	const finished = await program(text, ...args);
	expect(finished).toMatchObject({ status: 0, stderr: "" });
	return JSON.parse(finished.stdout);
}

describe("importing the library", () => {
	it("loads no FUSE binding, opens nothing and lets the process end", async () => {
		expect(
			await result(`
				import { readFileSync } from "node:fs";
				import { createRequire } from "node:module";
				const maps = readFileSync("/proc/self/maps", "utf8");
				const cached = Object.keys(createRequire(import.meta.url).cache);
				console.log(JSON.stringify({
					mapped: maps.split("\\n").filter((line) => /fuse|\\.node$/.test(line)),
					cached: cached.filter((name) => /fuse/.test(name)),
					active: process.getActiveResourcesInfo().filter((name) => !/TTY|Pipe/.test(name)),
				}));
			`),
		).toEqual({ mapped: [], cached: [], active: [] });
	});

	it("gives everything that it promises", async () => {
		expect(
			await result(
				'console.log(JSON.stringify(["connect", "mount", "walk", "matchObjects", "write", "objectDocument", "QomError", "BusyError"].map((name) => typeof qomfs[name])))',
			),
		).toEqual(Array(8).fill("function"));
	});

	it("needs no types that are not there: a program in TypeScript compiles", async () => {
		// The types alone, as a strict program that checks libraries sees them.
		const text = `import { connect, mount, walk, QomError, type Json, type QomSource } from ${JSON.stringify(index.replace("file://", ""))};\nexport async function f(): Promise<Json> { await using machine = await connect("/x"); const source: QomSource = machine.source; for await (const { path } of walk(source, "/")) console.log(path); try { return await machine.source.get("/", "type"); } catch (error) { if (error instanceof QomError) return error.desc; throw error; } }\nexport const g = () => mount("/x", "/y", { readOnly: true });\n`;
		const own = join(directory, "program.ts");
		await writeFile(own, text);
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
				own,
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
		expect(
			await result(
				`
				const machine = await qomfs.connect(args[0]);
				const { source: qom } = machine;
				const status = await machine.execute("query-status");
				const big = await qom.get("/machine/unattached/device[0]", "lbr-fmt");
				await qom.set("/machine/peripheral/rng0", "type", "x").catch((error) => console.error(error instanceof qomfs.QomError ? "" : error));
				await qom.set("/machine", "append", "from a program");
				const names = (await qom.list("/objects")).map(({ name }) => name);
				await machine.close();
				process.stdout.write(qomfs.formatJson({ status: status.status, kind: typeof big, big, names, greeting: machine.version.major > 6, append: "" }));
			`.replace(
					/console\.error\([^;]*\)\);/,
					"{ if (!(error instanceof qomfs.QomError)) throw error; });",
				),
				vm.socket,
			),
		).toMatchObject({
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
		expect(
			await result(
				`
				const machine = await qomfs.connect(args[0]);
				const seen = [];
				const note = (error) => seen.push([error.name, error instanceof qomfs.QomfsError, error.refusal ?? error.class ?? null, error.expected ?? null]);
				await machine.source.get("/nosuch", "type").catch(note);
				await machine.source.get("/objects/io0", "nosuch").catch(note);
				await machine.source.set("/objects/mem0", "dump", "on").catch(note);
				await machine.source.set("/machine/peripheral/net0", "type", "x").catch(note);
				await machine.execute("no-such-command").catch(note);
				await machine.close();
				await machine.execute("query-status").catch(note);
				await qomfs.connect("/nosuch.sock").catch(note);
				await qomfs.connect("a:b:c").catch(note);
				console.log(JSON.stringify(seen));
			`,
				vm.socket,
			),
		).toEqual([
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
		expect(
			await result(
				`
				const seen = [];
				for (let n = 0; n < 3; n++) {
					const machine = await qomfs.connect(args[0]);
					seen.push(await machine.source.get("/", "type"));
					await machine[n ? "close" : Symbol.asyncDispose]();
				}
				const holder = await qomfs.connect(args[0]);
				await qomfs.connect(args[0], { connectTimeoutMs: 500 }).catch((error) => seen.push(error instanceof qomfs.ConnectError));
				await holder.close();
				await holder.close();
				console.log(JSON.stringify(seen));
			`,
				vm.socket,
			),
		).toEqual(["container", "container", "container", true]);
	});

	it("hears events until it does not want to any more", async () => {
		expect(
			await result(
				`
				const machine = await qomfs.connect(args[0]);
				const names = [];
				const remove = machine.subscribe({ onEvent: ({ name }) => names.push(name) });
				await machine.execute("cont");
				await machine.execute("stop");
				remove();
				await machine.execute("cont");
				await machine.execute("stop");
				await machine.close();
				console.log(JSON.stringify(names));
			`,
				vm.socket,
			),
		).toEqual(["RESUME", "STOP"]);
	});

	it("walks, matches, writes as users do, and reads whole objects", async () => {
		expect(
			await result(
				`
				const machine = await qomfs.connect(args[0]);
				const { source: qom } = machine;
				const paths = (await Array.fromAsync(qomfs.walk(qom, "/objects", 1))).map(({ path }) => path);
				const matched = await qomfs.matchObjects(qom, "/objects/io*");
				const set = await qomfs.write(qom, { object: "/objects/io0", info: { name: "poll-max-ns", type: "int" }, text: "8K" });
				const contents = (await qom.contents(["/objects/sec0"])).get("/objects/sec0");
				const document = await qomfs.objectDocument(qom, "/objects/sec0", contents);
				await machine.close();
				console.log(qomfs.formatJson({ paths: paths.includes("/objects/io0"), matched, set, secret: document.properties.data }));
			`,
				vm.socket,
			),
		).toEqual({
			paths: true,
			matched: ["/objects/io0"],
			set: 8192,
			secret: { type: "string", value: null, redacted: true },
		});
	});

	it.skipIf(lacksMount)(
		"mounts, serves another process, and unmounts; the binding comes with the mount",
		async () => {
			const mountpoint = join(directory, "mnt");
			await mkdir(mountpoint);
			const running = program(
				`
				import { readFileSync, existsSync } from "node:fs";
				import { setTimeout as sleep } from "node:timers/promises";
				const isLoaded = () => /fuse.*\\.node$/m.test(readFileSync("/proc/self/maps", "utf8"));
				const before = isLoaded();
				const mounted = await qomfs.mount(args[0], args[1], { readOnly: true });
				const after = isLoaded();
				while (!existsSync(args[2])) await sleep(50);
				await mounted.unmount();
				await mounted.ended;
				console.log(JSON.stringify({ before, after, title: mounted.title, mountpoint: mounted.mountpoint }));
			`,
				...[vm.socket, mountpoint, join(directory, "stop")],
			);
			const file = join(mountpoint, "machine/type");
			let read = await run("cat", [file]);
			for (let n = 0; n < 300 && read.status !== 0; n++) {
				await sleep(100);
				read = await run("cat", [file]);
			}
			const write = await run("bash", [
				"-c",
				'echo 1 > "$0"',
				join(mountpoint, "objects/io0/poll-max-ns"),
			]);
			await writeFile(join(directory, "stop"), "");
			const finished = await running;
			await run("fusermount3", ["-uz", "--", mountpoint]);
			expect(read.stdout).toMatch(/^pc-q35-.*-machine\n$/);
			expect(write.stderr).toMatch(/Read-only file system/);
			expect(finished).toMatchObject({ status: 0, stderr: "" });
			expect(JSON.parse(finished.stdout)).toEqual({
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
				`
				const seen = [];
				const note = (error) => seen.push(error.name);
				await qomfs.mount(args[0], "/nosuch/place").catch(note);
				await qomfs.mount("/nosuch.sock", args[1]).catch(note);
				console.log(JSON.stringify(seen));
			`,
				...[vm.socket, await mkdtemp(join(directory, "mnt-"))],
			),
		).toEqual(["MountError", "ConnectError"]);
	});
});
