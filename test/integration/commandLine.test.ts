/** The command line as a user meets it: what it says, when it returns, what it costs. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, open, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
	afterAll,
	afterEach,
	beforeAll,
	beforeEach,
	describe,
	expect,
	it,
} from "vitest";
import { HostileServer } from "../support/hostileServer.ts";
import {
	gone,
	lacksMount,
	type Mounted,
	mountQomfs,
	qomfsBin,
	run,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";
import { RawQmp } from "../support/rawQmp.ts";
import { Sandbox } from "../support/sandbox.ts";

const silent = { status: 0, stdout: "", stderr: "" };

describe("help", () => {
	it("is printed on stdout, for every command", async () => {
		const box = await Sandbox.create();
		for (const [args, expected] of [
			[["--help"], /Usage: qomfs.*\bumount\b/s],
			[["mount", "--help"], /Usage: qomfs mount.*cache_timeout=SEC/s],
			[["umount", "--help"], /Usage: qomfs umount/],
		] as const) {
			const { status, stdout, stderr } = await box.qomfs(args);
			expect([status, stderr]).toEqual([0, ""]);
			expect(stdout).toMatch(expected);
		}
		await box.remove();
	});

	it("is what 'qomfs' alone prints, as the error that it is", async () => {
		const box = await Sandbox.create();
		const { stdout } = await box.qomfs(["--help"]);
		expect(await run(process.execPath, [qomfsBin])).toEqual({
			...{ status: 2, stdout: "", stderr: stdout },
		});
		await box.remove();
	});

	it("of all is what 'help' and 'help help' print, of a tool what its own does", async () => {
		const box = await Sandbox.create();
		const all = await box.qomfs(["--help"]);
		for (const words of [["help"], ["help", "help"]])
			expect(await box.qomfs(words)).toEqual(all);
		const tool = await box.qomfs(["qom-get", "--help"]);
		expect(await box.qomfs(["help", "qom-get"])).toEqual(tool);
		await box.remove();
	});

	it("for what is no command is refused like that command", async () => {
		const box = await Sandbox.create();
		for (const word of ["nosuch", "snapshto"]) {
			const refused = await box.qomfs([word]);
			expect(refused.status).toBe(2);
			expect(await box.qomfs(["help", word])).toEqual(refused);
		}
		expect(await box.qomfs(["help", "/"])).toMatchObject({
			status: 2,
			stderr: "qomfs: unknown command '/'; 'qomfs --help' lists them\n",
		});
		expect(await box.qomfs(["help", "types", "x"])).toMatchObject({
			...{ status: 2, stdout: "" },
			stderr:
				"qomfs: unexpected argument 'x'; 'qomfs help types' takes no more\n",
		});
		await box.remove();
	});

	it("tells the version of the package", async () => {
		const file = new URL("../../package.json", import.meta.url);
		const { version } = JSON.parse(await readFile(file, "utf8"));
		const box = await Sandbox.create();
		expect(await box.qomfs(["--version"])).toEqual({
			...silent,
			stdout: `${version}\n`,
		});
		await box.remove();
	});
});

describe.skipIf(lacksMount)("qomfs", () => {
	let vm: TestMachine;
	let qmp: RawQmp;
	let box: Sandbox;

	beforeAll(async () => {
		vm = await startTestMachine();
		qmp = await RawQmp.connect(vm.secondSocket);
	});

	afterAll(async () => {
		qmp?.close();
		await vm?.stop();
	});

	beforeEach(async () => {
		box = await Sandbox.create();
	});

	afterEach(async () => {
		await box.remove();
	});

	const cat = (path: string) => run("cat", [join(box.mountpoint, path)]);

	const daemonPid = async (): Promise<number> =>
		JSON.parse((await cat(".qomfs/status")).stdout).pid;

	const mountColumn = async (column: string) =>
		(
			await run("findmnt", ["-n", "-r", "-o", column, box.mountpoint])
		).stdout.trimEnd();

	describe("mounting", () => {
		it("returns when it is up, and prints nothing; umount ends mount and daemon", async () => {
			expect(await box.qomfs([vm.socket, box.mountpoint])).toEqual(silent);
			expect((await cat("machine/type")).stdout).toMatch(
				/^pc-q35-.*-machine\n$/,
			);
			const pid = await daemonPid();
			expect(await box.qomfs(["umount", box.mountpoint])).toEqual(silent);
			expect(await mountColumn("TARGET")).toBe("");
			await gone(pid);
			expect(await box.leftovers()).toEqual([]);
		});

		it.each([
			["the word mount first", (args: string[]) => ["mount", ...args]],
			["options first", (args: string[]) => ["-o", "ro", ...args]],
			["options last", (args: string[]) => ["mount", ...args, "-o", "ro"]],
			["--", (args: string[]) => ["mount", "-o", "ro", "--", ...args]],
		])("goes to the background with %s", async (_name, words) => {
			expect(await box.qomfs(words([vm.socket, box.mountpoint]))).toEqual(
				silent,
			);
			expect((await cat("machine/type")).status).toBe(0);
			expect(await box.qomfs(["umount", box.mountpoint])).toEqual(silent);
			expect(await box.leftovers()).toEqual([]);
		});

		it("is ended by fusermount3 -u from outside", async () => {
			expect(await box.qomfs(["mount", vm.socket, box.mountpoint])).toEqual(
				silent,
			);
			await run("fusermount3", ["-u", box.mountpoint]);
			expect(await box.leftovers()).toEqual([]);
		});

		it.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
			"with -f stays until %s, which unmounts",
			async (signal) => {
				const mount = await box.foreground([vm.socket, box.mountpoint, "-f"]);
				expect((await cat("machine/type")).status).toBe(0);
				expect(mount.process.exitCode).toBe(null);
				mount.process.kill(signal);
				expect(await mount.ended).toBe(0);
				expect(mount.stdout()).toBe("");
				expect(mount.stderr()).toMatch(
					/^qomfs: pc-q35-.* is mounted on .*; Ctrl-C unmounts\n$/,
				);
				expect(await box.leftovers()).toEqual([]);
			},
		);

		it("in the background unmounts at SIGTERM as well", async () => {
			await box.qomfs([vm.socket, box.mountpoint]);
			process.kill(await daemonPid(), "SIGTERM");
			expect(await box.leftovers()).toEqual([]);
		});

		it("that is in use is detached at SIGINT, and says so", async () => {
			const mount = await box.foreground([vm.socket, box.mountpoint, "-f"]);
			const file = await open(join(box.mountpoint, "machine/type"));
			mount.process.kill("SIGINT");
			const status = await mount.ended;
			await file.close().catch(() => {}); // there is nobody to tell any more
			expect(status).toBe(0);
			expect(mount.stderr()).toMatch(/in use|busy/);
			expect(mount.stderr()).not.toMatch(/^ +at /m);
			expect(await box.leftovers()).toEqual([]);
		});

		it("that is interrupted while it waits leaves nothing", async () => {
			const silent = await HostileServer.listen(
				join(box.directory, "silent.sock"),
			);
			silent.greeting = undefined;
			const launcher = spawn(
				process.execPath,
				[
					...[new URL("../../bin/qomfs.js", import.meta.url).pathname],
					...[silent.address, box.mountpoint, "-o", "connect_timeout=60"],
				],
				{ stdio: "ignore" },
			);
			await expect
				.poll(() => silent.connections.length, { timeout: 30_000 })
				.toBe(1);
			launcher.kill("SIGINT");
			const [status] = await once(launcher, "exit");
			expect(status).not.toBe(0);
			await silent.close();
			expect(await box.leftovers()).toEqual([]);
		});
	});

	describe("umount", () => {
		it.each([
			["an ordinary directory", () => box.mountpoint],
			["a path that is not there", () => join(box.directory, "nosuch")],
			["a mount of another kind", () => "/proc"],
		])("refuses %s", async (_what, path) => {
			const { status, stdout, stderr } = await box.qomfs(["umount", path()]);
			expect([status, stdout]).toEqual([1, ""]);
			expect(stderr).toBe(
				`qomfs: ${path()}: no qomfs is mounted there; 'findmnt -t fuse.qomfs' lists them\n`,
			);
		});

		it("of a busy mount says so, and the mount still works", async () => {
			await box.qomfs([vm.socket, box.mountpoint]);
			const file = await open(join(box.mountpoint, "machine/type"));
			const { status, stdout, stderr } = await box.qomfs([
				"umount",
				box.mountpoint,
			]);
			expect([status, stdout]).toEqual([1, ""]);
			expect(stderr).toMatch(
				/^qomfs: .*: in use; leave it .*fusermount3 -uz.*\n$/,
			);
			expect((await cat("machine/type")).status).toBe(0);
			await file.close();
			expect(await box.qomfs(["umount", box.mountpoint])).toEqual(silent);
			expect(await box.leftovers()).toEqual([]);
		});

		it("takes every path that mount has taken", async () => {
			const link = join(box.directory, "link");
			await symlink("mnt", link);
			expect(await box.qomfs([vm.socket, link])).toEqual(silent);
			expect(await box.qomfs(["umount", link])).toEqual(silent);
			expect(await box.leftovers()).toEqual([]);
		});

		it("has nothing to do where the daemon was killed: no dead mount stays", async () => {
			await box.qomfs([vm.socket, box.mountpoint]);
			const pid = await daemonPid();
			process.kill(pid, "SIGKILL");
			await gone(pid);
			await expect.poll(() => box.leftovers()).toEqual([]);
		});
	});

	describe("debug output", () => {
		/** libfuse's own, and the binding's. */
		const foreign = /unique:|opcode|FUSE library|LOOKUP|fuse-native|fuse-napi/;

		it.each<[string, string[], NodeJS.ProcessEnv]>([
			["DEBUG=qomfs:* -f", ["-f"], { DEBUG: "qomfs:*" }],
			["-d", ["-d"], {}],
			["DEBUG=other -d", ["-d"], { DEBUG: "other" }],
		])(
			"of %s shows our channels on stderr, and no others",
			async (_what, flags, env) => {
				const mount = await box.foreground(
					[vm.socket, box.mountpoint, ...flags],
					env,
				);
				await run("ls", [join(box.mountpoint, "machine")]);
				await cat("machine/nosuch");
				mount.process.kill("SIGINT");
				expect(await mount.ended).toBe(0);
				expect(mount.stdout()).toBe("");
				for (const channel of ["qmp:send", "qmp:recv", "cache", "vfs"])
					expect(mount.stderr()).toContain(`qomfs:${channel} `);
				expect(mount.stderr()).not.toMatch(foreign);
			},
		);

		it("of one channel shows that alone", async () => {
			const mount = await box.foreground([vm.socket, box.mountpoint, "-f"], {
				DEBUG: "qomfs:qmp:send",
			});
			await run("ls", [join(box.mountpoint, "machine")]);
			mount.process.kill("SIGINT");
			await mount.ended;
			expect(mount.stderr()).toContain("qomfs:qmp:send ");
			expect(mount.stderr()).not.toMatch(/qomfs:(?!qmp:send)\w/);
			expect(mount.stderr()).not.toMatch(foreign);
		});
	});

	describe("options", () => {
		it("name the source in findmnt: SOURCE, with a comma as ?", async () => {
			const socket = join(box.directory, "a,b c.sock");
			await symlink(vm.socket, socket);
			expect(await box.qomfs([socket, box.mountpoint])).toEqual(silent);
			const { stdout } = await run("findmnt", [
				...["-n", "-o", "SOURCE", box.mountpoint],
			]);
			expect(stdout.trim()).toBe(join(box.directory, "a?b c.sock"));
			expect((await cat("machine/type")).status).toBe(0);
			await box.qomfs(["umount", box.mountpoint]);
		});

		it("name the source in findmnt: fsname", async () => {
			await box.qomfs([vm.socket, box.mountpoint, "-o", "fsname=web1,ro"]);
			expect(await mountColumn("SOURCE")).toBe("web1");
			expect(await mountColumn("FSTYPE")).toBe("fuse.qomfs");
			await box.qomfs(["umount", box.mountpoint]);
		});

		it("set owner, group and permissions", async () => {
			const options = ["-o", "uid=1234,gid=4321", "-o", "umask=027"];
			await box.qomfs([vm.socket, box.mountpoint, ...options]);
			const stat = async (path: string) =>
				(
					await run("stat", ["-c", "%u %g %a", join(box.mountpoint, path)])
				).stdout.trim();
			expect(await stat("")).toBe("1234 4321 750");
			expect(await stat("machine")).toBe("1234 4321 750");
			expect(await stat("machine/graphics")).toBe("1234 4321 640");
			expect(await stat("machine/type")).toBe("1234 4321 440");
			expect(await stat("objects/sec0/data")).toBe("1234 4321 600");
			await box.qomfs(["umount", box.mountpoint]);
		});

		it("may be given twice, before or after the rest", async () => {
			const args = ["-o", "ro", vm.socket, "-o", "fsname=x", box.mountpoint];
			expect(await box.qomfs(args)).toEqual(silent);
			expect(await mountColumn("SOURCE")).toBe("x");
			await box.qomfs(["umount", box.mountpoint]);
		});

		it("leave names of mount points alone: blanks, commas, accents, links", async () => {
			const mountpoint = join(box.directory, "my vm, größer #1");
			await mkdir(mountpoint);
			const link = join(box.directory, "link");
			await symlink(".", link);
			const through = join(link, "my vm, größer #1");
			expect(await box.qomfs([vm.socket, through])).toEqual(silent);
			expect((await run("cat", [join(mountpoint, "type")])).status).toBe(0);
			expect(await box.qomfs(["umount", `${through}/`])).toEqual(silent);
			expect(await box.leftovers()).toEqual([]);
		});
	});

	describe("the QMP commands that it sends", () => {
		let mounted: Mounted;

		afterEach(async () => {
			await mounted?.unmount();
		});

		/** How many a shell line causes; its own success is checked too. */
		async function cost(line: string): Promise<number> {
			const { commands } = await mounted.status();
			expect(await mounted.sh(line)).toMatchObject({ status: 0, stderr: "" });
			return (await mounted.status()).commands - commands;
		}

		it("are few: for mounting, listing and reading", async () => {
			mounted = await mountQomfs(
				vm.socket,
				"cache_timeout=60,value_timeout=2,own_monitor=no",
			);
			const { commands, qemu } = await mounted.status();
			expect(commands).toBeLessThanOrEqual(4);
			// From 10.1 on, values come with the listing; budgets.test.ts has the figures.
			const [major = 0, minor = 0] = qemu.split(".").map(Number);
			const bulk = major > 10 || (major === 10 && minor >= 1);
			expect(await cost('ls "$M"')).toBe(1);
			expect(await cost('ls "$M/machine"')).toBe(1);
			expect(await cost('ls "$M/machine/peripheral"')).toBe(1);
			expect(await cost('ls "$M/machine/peripheral"')).toBe(0);
			expect(await cost('cat "$M/machine/peripheral/type"')).toBe(bulk ? 0 : 1);
			expect(await cost('echo "$M"/machine/*')).toBe(0);
			expect(await cost('test ! -e "$M/machine/nosuch"')).toBe(0);
			expect(await cost('find "$M"')).toBeGreaterThan(bulk ? 5 : 50);
			expect(await cost('find "$M"')).toBe(0);
			expect(await cost('find "$M" -type l -name "parent_*"')).toBe(0);
			expect(await cost('cat "$M/machine/peripheral/rng0/max-bytes"')).toBe(1);
			expect(await cost('ls -l "$M/machine/graphics"')).toBe(1);
		});

		it("are as few when the same property is read again at once", async () => {
			mounted = await mountQomfs(vm.socket, "cache_timeout=60,value_timeout=2");
			await mounted.sh('cat "$M/machine/type"');
			expect(await cost('cat "$M/machine/type"')).toBe(1);
			expect(await cost('cat "$M/machine/type"')).toBe(1);
		});

		it("are no more for a reading that may keep no value", async () => {
			mounted = await mountQomfs(vm.socket, "cache_timeout=60,value_timeout=0");
			await mounted.sh('ls "$M" "$M/machine"');
			expect(await cost('cat "$M/machine/type"')).toBe(1);
		});
	});

	it("shows a plugged object within cache_timeout, and drops an unplugged one", async () => {
		const mounted = await mountQomfs(vm.socket, "cache_timeout=0.2");
		const hot = { "qom-type": "iothread", id: "hot0" };
		const list = async () =>
			(await mounted.sh('ls "$M/objects"')).stdout.split("\n");
		const exists = async () =>
			(await mounted.sh('test -e "$M/objects/hot0"')).status === 0;
		try {
			for (let round = 0; round < 5; round++) {
				// Everything that can be remembered has just been, at ever another age.
				expect(await list()).not.toContain("hot0");
				expect(await exists()).toBe(false);
				await sleep(round * 40); // what the mount remembers grows older
				await qmp.execute("object-add", hot);
				await sleep(200); // cache_timeout is over
				expect(await exists()).toBe(true);
				expect(await list()).toContain("hot0");
				expect((await mounted.sh('cat "$M"/objects/hot0/type')).stdout).toBe(
					"iothread\n",
				);
				await sleep(round * 40); // what the mount remembers grows older
				await qmp.execute("object-del", { id: "hot0" });
				await sleep(200); // cache_timeout is over
				expect(await exists()).toBe(false);
				expect(await list()).not.toContain("hot0");
			}
		} finally {
			await mounted.unmount();
		}
	});

	it("stays mounted when QEMU is killed: reading says that no device is there", async () => {
		const timeoutSec = 100; // whoever waited would wait for so long
		const doomed = await startTestMachine();
		try {
			await box.qomfs([
				doomed.socket,
				box.mountpoint,
				"-o",
				`cache_timeout=0,timeout=${timeoutSec}`,
			]);
			expect((await cat("machine/type")).status).toBe(0);
			const file = await open(join(box.mountpoint, "machine/type"));
			doomed.process.kill("SIGKILL");
			await once(doomed.process, "exit");
			const startMs = performance.now();
			for (const command of ["cat", "stat", "ls"]) {
				const path = join(box.mountpoint, "machine/type");
				const { status, stderr } = await run(command, [path]);
				expect(status).not.toBe(0);
				expect(stderr).toMatch(/No such device/);
			}
			expect((await run("ls", [box.mountpoint])).stderr).toMatch(
				/No such device/,
			);
			expect(performance.now() - startMs).toBeLessThan(timeoutSec * 1000);
			// What was read before it died can be read on.
			const { buffer } = await file.read(Buffer.alloc(6), 0, 6, 0);
			expect(buffer.toString()).toBe("pc-q35");
			await file.close();
			expect(await mountColumn("FSTYPE")).toBe("fuse.qomfs");
			const { connection } = JSON.parse((await cat(".qomfs/status")).stdout);
			expect(connection).not.toBe("connected");
			expect(await box.qomfs(["umount", box.mountpoint])).toEqual(silent);
			expect(await box.leftovers()).toEqual([]);
		} finally {
			await doomed.stop();
		}
	});
});
