/** `qomfs snapshot`, and what can be done with its file. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
	chmod,
	lchown,
	mkdir,
	mkdtemp,
	readdir,
	readFile,
	rm,
	stat,
	symlink,
	truncate,
	writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync, gzipSync } from "node:zlib";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
	armMachine,
	defaultQemu,
	otherProgram,
	type Qemu,
	smallMachine,
} from "../../tools/virtualMachine.ts";
import {
	lacksMount,
	lacksQemu,
	mountQomfs,
	run,
	startTestMachine,
} from "../support/mounted.ts";
import { ToolMachine } from "../support/toolMachine.ts";
import { expectRefusal } from "../support/tools.ts";

let directory: string;

beforeAll(async () => {
	directory = await mkdtemp(join(tmpdir(), "qomfs-snapshots-"));
});

afterAll(() => rm(directory, { recursive: true }));

const at = (name: string) => join(directory, name);

describe.skipIf(lacksQemu)("qomfs snapshot", () => {
	let machine: ToolMachine;

	beforeAll(async () => {
		machine = await ToolMachine.start();
		await machine.tools.output("qomfs", "snapshot", "-o", at("vm.json"));
		const described = ["--describe", "-o", at("described.json.gz")];
		await machine.tools.output("qomfs", "snapshot", ...described);
	});

	afterAll(() => machine?.stop());

	it("writes what the schema in the package allows, compressed if the name says so", async () => {
		const schema = new Ajv2020({ allowUnionTypes: true }).compile(
			JSON.parse(
				await readFile(
					new URL("../../docs/snapshot.schema.json", import.meta.url),
					"utf8",
				),
			),
		);
		const texts = [
			await readFile(at("vm.json"), "utf8"),
			gunzipSync(await readFile(at("described.json.gz"))).toString(),
		];
		for (const text of texts) {
			const document = JSON.parse(text);
			expect([schema(document), schema.errors]).toEqual([true, null]);
			const paths = document.objects.map(({ path }: { path: string }) => path);
			expect(paths.toSorted()).toEqual(
				(await machine.objectPaths()).toSorted(),
			);
			expect(text).toContain("18446744073709551615");
			expect(text).not.toContain('"hello"');
		}
	});

	it("writes on stdout, for pipes", async () => {
		const line =
			'qomfs snapshot | jq -r \'.machine, (.objects | length), (.objects[] | select(.path == "/objects/io0") | .properties."poll-max-ns".value)\'';
		const { stdout, stderr } = await machine.tools.sh(line);
		expect(stderr).toBe("");
		const [type, count, value] = stdout.split("\n");
		expect(type).toBe(await machine.get("/machine", "type"));
		expect(Number(count)).toBe((await machine.objectPaths()).length);
		expect(value).toBe("32768");
	});

	it("keeps secrets only if they are wanted, in a file for one's own eyes", async () => {
		const open = await stat(at("vm.json"));
		expect(open.mode & 0o044).toBe(0o044);
		const options = ["--with-secrets", "-o", at("secret.json")];
		await machine.tools.output("qomfs", "snapshot", ...options);
		expect((await stat(at("secret.json"))).mode & 0o777).toBe(0o600);
		expect(await readFile(at("secret.json"), "utf8")).toContain('"hello"');
		await machine.tools.sh(
			`umask 022; qomfs snapshot --with-secrets > ${at("redirected.json")}`,
		);
		expect((await stat(at("redirected.json"))).mode & 0o777).toBe(0o600);
		const get = async (file: string) =>
			machine.tools.run("qom-get", "-s", at(file), "sec0.data");
		expect(await get("secret.json")).toMatchObject({ stdout: "hello\n" });
		expectRefusal(await get("vm.json"), 1, /saved without secrets/);
	});

	it("makes of a snapshot the same snapshot", async () => {
		const { stdout } = await machine.tools.run(
			"qomfs",
			...["snapshot", at("described.json.gz"), "--describe"],
		);
		const text = gunzipSync(await readFile(at("described.json.gz"))).toString();
		expect(stdout).toBe(text);
	});

	describe("is read by", () => {
		it.each([
			["qom-list", "-l", "/objects/io0", "net0"],
			["qom-list", "/machine/peripheral/*"],
			["qom-get", "net0.mac", "/machine.memory", "rng0/rng.type"],
			["qom-get", "--json", "/objects/io0.*"],
			["qom-tree", "--json", "/machine/peripheral"],
			["qom-tree", "--draw", "/objects"],
			["qomfs", "find", "-type", "virtio-device"],
			["qomfs", "find", "-prop", "bootindex=-1"],
			["qomfs", "find", "-link-to", "/objects/io0"],
			["qomfs", "complete", "bash", "qom-get net0.m"],
		])("%s %s %s %s", async (tool, ...args) => {
			const live = await machine.tools.run(tool, ...args);
			const { socket } = machine.tools;
			machine.tools.socket = at("described.json.gz");
			const saved = await machine.tools.run(tool, ...args);
			machine.tools.socket = socket;
			expect(saved).toEqual(live);
			expect(live.stdout).not.toBe("");
		});

		it("what asks for descriptions, if it was saved with them", async () => {
			const list = (source: string) =>
				machine.tools.output("qom-list", "-s", source, "-l", "rng0");
			const { socket = "" } = machine.tools;
			expect(await list(at("described.json.gz"))).toBe(await list(socket));
			expect(await list(at("vm.json"))).not.toBe(await list(socket));
		});

		it("qomfs find -type with an interface, if it was saved with them", async () => {
			const find = (source: string) =>
				machine.tools.run(
					"qomfs",
					...["find", "-s", source, "-type", "hotplug-handler"],
				);
			const { socket = "" } = machine.tools;
			expect(await find(at("described.json.gz"))).toEqual(await find(socket));
			expectRefusal(await find(at("vm.json")), 1, /--describe/);
		});
	});

	it("is not taken by what needs a running machine, and never changed", async () => {
		const { tools } = machine;
		const file = at("vm.json");
		const before = await readFile(file);
		const lines: [string, ...string[]][] = [
			["qmp", "-s", file, "query-name"],
			["qmp-shell", file, "-c", "query-name"],
			["qomfs", "events", "-s", file],
		];
		for (const line of lines)
			expectRefusal(await tools.run(...line), 3, /needs a running machine/);
		expectRefusal(
			await tools.run("qom-set", "-s", file, "io0.poll-max-ns", "1"),
			1,
			/a snapshot cannot be changed/,
		);
		expectRefusal(
			await tools.run("qom-get", "-s", file, "nte0.mac"),
			1,
			/there is \/machine\/peripheral\/net0/,
		);
		expect(await readFile(file)).toEqual(before);
	});

	it("writes through a link, replaces a file as a whole, and leaves nothing beside it", async () => {
		await mkdir(at("place"));
		await writeFile(at("place/old.json"), "old");
		await symlink("old.json", at("place/link.json"));
		await machine.tools.output(
			"qomfs",
			"snapshot",
			"-o",
			at("place/link.json"),
		);
		expect(await readFile(at("place/old.json"), "utf8")).toMatch(/^\{"format/);
		expect((await readdir(at("place"))).toSorted()).toEqual([
			"link.json",
			"old.json",
		]);
	});

	it("leaves the old file and nothing else if it fails or is interrupted", async () => {
		await mkdir(at("other"));
		const file = at("other/vm.json");
		await writeFile(file, "old");
		const args = ["-o", file, "-s", join(directory, "nosuch.sock")];
		const failed = await machine.tools.run("qomfs", "snapshot", ...args);
		expectRefusal(failed, 3, /no such socket/);
		const { vm, tools } = machine;
		const running = tools.start("qomfs", "snapshot", "-o", file);
		const files = async () => (await readdir(at("other"))).toSorted();
		while ((await files()).length === 1) await sleep(1);
		process.kill(vm.pid, "SIGSTOP"); // so that it is under way when the signal comes
		try {
			expect(await files()).toHaveLength(2);
			running.process.kill("SIGINT");
			expect(await running.ended).toBe("SIGINT");
		} finally {
			process.kill(vm.pid, "SIGCONT");
		}
		expect(await files()).toEqual([basename(file)]);
		expect(await readFile(file, "utf8")).toBe("old");
	});

	it("refuses a place where it cannot write, and two sources", async () => {
		const { tools } = machine;
		expectRefusal(
			await tools.run("qomfs", "snapshot", "-o", at("nosuch/vm.json")),
			1,
			/cannot write .*nosuch\/vm\.json: no such directory/,
		);
		expectRefusal(
			await tools.run("qomfs", "snapshot", "a.sock", "-s", "b.sock"),
			2,
			/two sources/,
		);
		expectRefusal(
			await tools.run("qomfs", "snapshot", "-o", ""),
			2,
			/option '-o, --output <file>' argument '' is invalid/,
		);
	});

	it("keeps the mode of a file that it replaces, and adds to what is open already", async () => {
		const { tools } = machine;
		const kept = at("kept.json");
		await writeFile(kept, "old", { mode: 0o640 });
		await tools.output("qomfs", "snapshot", at("vm.json"), "-o", kept);
		expect((await stat(kept)).mode & 0o777).toBe(0o640);
		const line = `qomfs snapshot ${at("vm.json")} -o /dev/stdout`;
		await tools.sh(`(echo head; ${line}; echo tail) > ${at("app.txt")}`);
		const text = await readFile(at("app.txt"), "utf8");
		expect(text).toMatch(/^head\n\{"format".*\}\ntail\n$/s);
	});

	it("follows no link of a stranger where everybody may write, and gives secrets to no pipe", async (context) => {
		context.skip(process.getuid?.() !== 0, "only root can play the stranger");
		const { tools } = machine;
		await mkdir(at("sticky"));
		await chmod(at("sticky"), 0o1777);
		await writeFile(at("victim"), "mine", { mode: 0o600 });
		await symlink(at("victim"), at("sticky/link"));
		await lchown(at("sticky/link"), 65534, 65534);
		expectRefusal(
			await tools.run(
				"qomfs",
				"snapshot",
				at("vm.json"),
				"-o",
				at("sticky/link"),
			),
			1,
			/a link of somebody else/,
		);
		expect(await readFile(at("victim"), "utf8")).toBe("mine");
		await run("mkfifo", [at("fifo")]);
		expectRefusal(
			await tools.run("qomfs", "snapshot", "--with-secrets", "-o", at("fifo")),
			1,
			/no regular file, which secrets need/,
		);
		expectRefusal(
			await tools.run("qomfs", "snapshot", "-o", directory),
			1,
			/it is no regular file/,
		);
	});

	it("is not waited for, because it never changes, and is missed by its name", async () => {
		const { tools } = machine;
		expectRefusal(
			await tools.run(
				"qom-get",
				"-s",
				at("vm.json"),
				"--until",
				"1",
				"net0.mac",
			),
			2,
			/a snapshot never changes/,
		);
		expectRefusal(
			await tools.run("qom-get", "-s", at("nosuch.json"), "net0.mac"),
			3,
			/nosuch\.json: no such file/,
		);
	});

	it("shows a bar on a terminal while it works, and nothing of it stays", async () => {
		const shown = await machine.tools.terminal(
			`qomfs snapshot -o ${at("shown.json")}`,
		);
		expect(shown).toMatch(/% of \d+/);
		expect(shown).not.toMatch(/NaN|undefined/);
		expect(shown.endsWith("\n")).toBe(false);
	});
});

describe("a damaged snapshot", () => {
	const head =
		'{"format":"qomfs-snapshot","version":1,\n"time":"2026-11-25T00:00:00Z",\n"qemu":null,\n"machine":null,\n"types":[],\n"objects":[';
	const root =
		'{"path":"/","type":"container","properties":{"type":{"type":"string","value":"container"}}}';

	it.each<[string, string | Buffer, RegExp]>([
		["an empty file", "", /: an empty file; it is no/],
		["another file", "#!/bin/sh\n", /: neither a monitor's socket nor a snap/],
		["another file in binary", Buffer.from([0x7f, 0x45, 0xff]), /: neither/],
		["one that was cut", head, /damaged: it ends too early, in line 6/],
		["a newer one", `${head.replace(":1", ":9")}${root}]}`, /of version 9/],
		[
			"compressed data that were cut",
			gzipSync(`${head}${root}]}`).subarray(0, 60),
			/damaged: the compressed data end too early/,
		],
		[
			"compressed data that are wrong",
			Buffer.concat([
				gzipSync(`${head}${root}]}`).subarray(0, -8),
				Buffer.alloc(8),
			]),
			/damaged: the compressed data are wrong/,
		],
		[
			"text that is no UTF-8",
			Buffer.concat([Buffer.from(`${head}\n`), Buffer.from([0xff])]),
			/damaged: not UTF-8 in line 7/,
		],
		[
			"data without an end",
			gzipSync(Buffer.alloc(300 * 2 ** 20)),
			/larger than any machine/,
		],
		[
			"more values than memory has room for",
			gzipSync(`${head.replace("[],", `[${"0,".repeat(11e6)}0],`)}${root}]}`),
			/larger than any machine/,
		],
		[
			"a value that is nested without an end",
			`${head}${root.replace('"container"}}', `${"[".repeat(5000)}${"]".repeat(5000)}}}`)}]}`,
			/nested too deeply/,
		],
		[
			"an object without its parent",
			`${head}${root},${root.replace('"/"', '"/a/b"')}]}`,
			/damaged: objects\[1\] \(\/a\/b\) has no parent: no object \/a stands/,
		],
	])("is refused with one clear line: %s", async (_what, bytes, message) => {
		await writeFile(at("bad.json"), bytes);
		await mkdir(at("mnt"), { recursive: true });
		for (const args of [
			["find", "-s", at("bad.json")],
			[at("bad.json"), at("mnt")],
		]) {
			const bin = new URL("../../bin/qomfs.js", import.meta.url).pathname;
			const finished = await run(process.execPath, [bin, ...args]);
			expectRefusal(finished, 3, message);
			expect(finished.stderr).toContain(at("bad.json"));
		}
	});
});

/** One machine for each architecture. */
const machines: readonly (readonly [
	name: string,
	args: readonly string[],
	qemu: Qemu | undefined,
])[] = [
	["x86", smallMachine, defaultQemu],
	["ARM", armMachine, otherProgram("qemu-system-aarch64")],
	[
		"RISC-V",
		["-M", "virt", "-m", "128", "-bios", "none"],
		otherProgram("qemu-system-riscv64"),
	],
];

describe.skipIf(lacksMount)("a mounted snapshot", () => {
	/** What the clock shows, and who holds the monitor: docs/snapshots.md names both. */
	const documented =
		/^diff .*\/(machine\/rtc-time|date|compat_monitor\d+\/connected)$/;

	it.each(machines)("is like the machine, on %s", async (name, args, qemu) => {
		if (!qemu) return expect(process.env.QOMFS_QEMU_ROOT).toBeUndefined();
		const vm = await startTestMachine([...args, "-S"], qemu);
		const file = at(`${name}.json`);
		const bin = new URL("../../bin/qomfs.js", import.meta.url).pathname;
		await run(process.execPath, [bin, "snapshot", vm.socket, "-o", file]);
		const live = await mountQomfs(vm.socket);
		const saved = await mountQomfs(file);
		try {
			const { stdout } = await run("diff", [
				...["-r", "--no-dereference", live.path, saved.path],
			]);
			const headings = stdout
				.split("\n")
				.filter((line) => /^(diff|Only|File|Symbolic)/.test(line));
			expect(headings.filter((line) => !documented.test(line))).toEqual([]);
			expect(headings.length).toBeLessThan(5);
			const count = async (path: string) =>
				(await run("find", [path])).stdout.split("\n").length;
			expect(await count(saved.path)).toBe(await count(live.path));
			expect(await count(saved.path)).toBeGreaterThan(1000);
		} finally {
			await saved.unmount();
			await live.unmount();
			await vm.stop();
		}
		return undefined;
	});

	it("cannot be written, tells what it is, and is listed by qomfs status", async () => {
		const saved = await mountQomfs(at("x86.json"));
		const bin = new URL("../../bin/qomfs.js", import.meta.url).pathname;
		try {
			const { stderr } = await saved.sh('echo 1 > "$M/objects/io0/poll-grow"');
			expect(stderr).toContain("Read-only file system");
			const { stdout } = await saved.sh(
				'stat -c "%A %s" "$M/objects/io0/poll-grow"; cat "$M/objects/sec0/data"; cat "$M/machine/peripheral/net0/.json" | jq -r .type',
			);
			expect(stdout).toBe("-r--r--r-- 2\nvirtio-net-pci\n");
			expect(await saved.status()).toMatchObject({
				connection: "snapshot",
				source: at("x86.json"),
				qemu: expect.stringMatching(/^\d+\.\d+\.\d+$/),
				machine: expect.stringMatching(/^pc-q35-/),
			});
			const status = await run(process.execPath, [bin, "status", saved.path]);
			expect(status.stdout).toMatch(/ snapshot +pc-q35-/);
			expect(status.stdout).not.toMatch(/NaN|undefined/);
		} finally {
			await saved.unmount();
		}
	});

	it("is a source itself", async () => {
		const saved = await mountQomfs(at("x86.json"));
		const bin = new URL("../../bin/qomfs.js", import.meta.url).pathname;
		try {
			const finished = await run(process.execPath, [
				...[bin, "diff", saved.path, at("x86.json")],
			]);
			expect(finished).toEqual({ status: 0, stdout: "", stderr: "" });
		} finally {
			await saved.unmount();
		}
	});

	it("needs its file only to begin with", async () => {
		const saved = await mountQomfs(at("x86.json"));
		try {
			await truncate(at("x86.json"), 0);
			const { stdout } = await saved.sh('cat "$M/objects/io0/type"');
			expect(stdout).toBe("iothread\n");
		} finally {
			await saved.unmount();
		}
	});
});

describe("a snapshot in a pipe", () => {
	it("is read by commands", async () => {
		const file = new URL("../../tools/recorded-machine.json", import.meta.url);
		const bin = new URL("../../bin", import.meta.url).pathname;
		const child = spawn(
			"bash",
			[
				"-c",
				`"$0" ${bin}/qom-get.js -s <(cat ${file.pathname}) net0.mac`,
				process.execPath,
			],
			{ stdio: ["ignore", "pipe", "inherit"] },
		);
		let said = "";
		child.stdout.on("data", (chunk) => {
			said += chunk;
		});
		await once(child, "close");
		expect(said).toBe("52:54:00:12:34:56\n");
	});
});
