/** How a daemon ends, and that nothing stays behind. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
	chmod,
	chown,
	mkdir,
	open,
	readdir,
	readFile,
	rename,
	rm,
	rmdir,
	symlink,
	writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { expectAll, FaultBench, tiny } from "../support/faultBench.ts";
import { HostileServer } from "../support/hostileServer.ts";
import { gone, lacksMount, run } from "../support/mounted.ts";
import { OrdinaryUser } from "../support/ordinaryUser.ts";

const bench = new FaultBench("endings");

/** Node's own way to crash it at will: no signal and no call of qomfs does this. */
const crashAt = (script: string) => [
	"--import",
	`data:text/javascript,process.once("SIGUSR2",()=>{${script}})`,
];

const crashes: readonly (readonly [string, NodeJS.Signals, string])[] = [
	["kill -9", "SIGKILL", ""],
	["SIGSEGV", "SIGSEGV", ""],
	["SIGABRT", "SIGABRT", ""],
	["an uncaught error", "SIGUSR2", 'throw(new(Error)("on%20purpose"))'],
	["a rejected promise", "SIGUSR2", "Promise.reject(1)"],
	["process.exit", "SIGUSR2", "process.exit(3)"],
];

describe.skipIf(lacksMount)("a daemon", () => {
	it("ends when umount(8) unmounts", async ({ skip }) => {
		skip(process.getuid?.() !== 0, "only root may use umount(8)");
		await bench.mount((await bench.boot(tiny)).socket);
		const pid = await bench.daemonPid();
		bench.tally.fault();
		expect(await run("umount", [bench.mountpoint])).toMatchObject({
			status: 0,
		});
		await gone(pid);
	});

	it("ends when fusermount3 -u unmounts, with a machine that is lost", async () => {
		await bench.mount((await bench.boot(tiny)).socket);
		const pid = await bench.daemonPid();
		await bench.kill("SIGKILL");
		await bench.untilLost();
		expect(await run("fusermount3", ["-u", bench.mountpoint])).toMatchObject({
			status: 0,
		});
		await gone(pid);
	});

	it.each([
		["fusermount3", "-u"],
		["fusermount3", "-uz"],
	])("that is busy survives or ends cleanly: %s %s", async (command, flag) => {
		await bench.mount((await bench.boot(tiny)).socket);
		const pid = await bench.daemonPid();
		const file = await open(bench.at("objects/io0/type"));
		bench.tally.fault();
		const { status } = await run(command, [flag, bench.mountpoint]);
		if (flag === "-u") {
			expect(status).not.toBe(0);
			expectAll([await bench.tally.read(bench.at("objects/io0/type"))], ["ok"]);
			await file.close();
			await run(command, [flag, bench.mountpoint]);
		} else {
			expect(await bench.mountType()).toBe("");
			await file.close();
		}
		await gone(pid);
	});

	it.each(crashes)(
		"that dies by %s leaves no dead mount, and nobody hangs",
		async (_what, signal, script) => {
			const { socket } = await bench.boot(tiny);
			const nodeArgs = script ? crashAt(script) : [];
			const args = [socket, bench.mountpoint, "-o", "timeout=3"];
			expect(await bench.box.qomfs(args, { nodeArgs })).toMatchObject({
				status: 0,
			});
			const pid = await bench.daemonPid();
			await readdir(bench.at("objects/io0"));
			await bench.kill("SIGSTOP");
			const waiting = bench.tally.crowd(
				5,
				'cat "$M/objects/io0/poll-max-ns"',
				bench.mountpoint,
				3000,
			);
			await bench.untilWaiting(5);
			bench.tally.fault();
			process.kill(pid, signal);
			await gone(pid);
			expect(await bench.box.leftovers()).toEqual([]);
			expectAll(await waiting, [
				"ECONNABORTED",
				"ENOTCONN",
				"ENODEV",
				"ENOENT",
				"EIO",
				"ETIMEDOUT",
			]);
			// The place can be used again.
			await bench.kill("SIGCONT");
			await bench.mount(socket);
			expectAll([await bench.tally.read(bench.at("objects/io0/type"))], ["ok"]);
		},
	);

	it.for<NodeJS.Signals>(["SIGTERM", "SIGKILL"])(
		"that ends by %s leaves alone what was mounted over it",
		async (signal, { skip }) => {
			skip(process.getuid?.() !== 0, "only root may mount over it");
			await bench.mount((await bench.boot(tiny)).socket);
			const pid = await bench.daemonPid();
			await run("mount", ["-t", "tmpfs", "other", bench.mountpoint]);
			bench.tally.fault();
			process.kill(pid, signal);
			await gone(pid);
			expect(await bench.mountType()).toMatch(/tmpfs$/);
			await run("umount", [bench.mountpoint]);
			await run("fusermount3", ["-uz", bench.mountpoint]);
		},
	);

	it.for<NodeJS.Signals>(["SIGTERM", "SIGKILL"])(
		"that ends by %s leaves nothing where a directory above has another name",
		async (signal) => {
			const { socket } = await bench.boot(tiny);
			const [above, renamed] = ["a'bove\\ 1\n", "re na\tmed7"].map((name) =>
				join(bench.box.directory, name),
			) as [string, string];
			await mkdir(join(above, "vm"), { recursive: true });
			expect(await bench.box.qomfs([socket, join(above, "vm")])).toMatchObject({
				status: 0,
			});
			const status = await readFile(join(above, "vm/.qomfs/status"), "utf8");
			await rename(above, renamed);
			bench.tally.fault();
			process.kill(JSON.parse(status).pid, signal);
			await gone(JSON.parse(status).pid);
			await expect.poll(() => bench.box.leftovers()).toEqual([]);
			expect(await readdir(join(renamed, "vm"))).toEqual([]);
		},
	);

	it("that ends detaches a bind mount of its own, too, and says so", async ({
		skip,
	}) => {
		skip(process.getuid?.() !== 0, "only root may make bind mounts");
		const { socket } = await bench.boot(tiny);
		const other = join(bench.box.directory, "other");
		await mkdir(other);
		const daemon = await bench.box.foreground(["-f", socket, bench.mountpoint]);
		await run("mount", ["--bind", bench.mountpoint, other]);
		bench.tally.fault();
		daemon.process.kill("SIGTERM");
		expect(await daemon.ended).toBe(0);
		expect(daemon.stderr()).toMatch(/in use; it is detached/);
		expect(await readdir(other)).toEqual([]);
	});

	it("ends where another mount namespace holds the mount", async ({ skip }) => {
		skip(process.getuid?.() !== 0, "only root may make mount namespaces");
		await bench.mount((await bench.boot(tiny)).socket);
		const pid = await bench.daemonPid();
		const script = "echo ready; exec sleep 600";
		const holder = spawn("unshare", ["-m", "sh", "-c", script]);
		await once(holder.stdout, "data");
		bench.tally.fault();
		process.kill(pid);
		await gone(pid);
		expect(await bench.mountType()).toBe("");
		holder.kill("SIGKILL");
	});

	it.each([
		["filled", /not empty/],
		["replaced by a symlink", /took its place/],
	])(
		"is not mounted on a directory that was %s while it connected",
		async (what, message) => {
			const socket = join(bench.box.directory, "slow.sock");
			const slow = await HostileServer.listen(socket);
			const { greeting } = slow;
			slow.greeting = "";
			const mounting = bench.box.qomfs([socket, bench.mountpoint]);
			await expect.poll(() => slow.connections.length).toBe(1);
			if (what === "filled") await writeFile(bench.at("new"), "");
			else {
				await rmdir(bench.mountpoint);
				await mkdir(join(bench.box.directory, "elsewhere"));
				await symlink("elsewhere", bench.mountpoint);
			}
			bench.tally.fault();
			slow.each((peer) => peer.write(greeting ?? ""));
			expect(await mounting).toMatchObject({
				status: 1,
				stderr: expect.stringMatching(message),
			});
			await slow.close();
			await rm(bench.mountpoint, { recursive: true });
			expect(await bench.mountType()).toBe("");
		},
	);

	describe("of an ordinary user", () => {
		let user: OrdinaryUser | string;

		beforeEach(async () => {
			user = await OrdinaryUser.create();
		});

		afterEach(async () => {
			if (typeof user !== "string") await user.remove();
		});

		const prepare = async (id: number) => {
			const { socket } = await bench.boot(tiny);
			await chmod(bench.directory, 0o755);
			await chmod(socket, 0o777);
			if (process.getuid?.() === 0) await chown(bench.mountpoint, id, id);
			return socket;
		};

		it("mounts, reads, survives a loss, and unmounts", async (context) => {
			if (typeof user === "string") return context.skip(user);
			const socket = await prepare(user.id);
			expect(await user.qomfs([socket, bench.mountpoint])).toMatchObject({
				...{ status: 0, stderr: "" },
			});
			const read = (path: string) =>
				(user as OrdinaryUser).run("cat", [bench.at(path)]);
			expect(await read("objects/io0/type")).toMatchObject({
				stdout: "iothread\n",
			});
			await bench.kill("SIGKILL");
			expect((await read("objects/io0/type")).stderr).toMatch(/No such device/);
			expect((await read(".qomfs/status")).stdout).toMatch(/reconnecting/);
			expect(await user.qomfs(["umount", bench.mountpoint])).toMatchObject({
				status: 0,
			});
			expect(await user.mounts(bench.box.directory)).toEqual([]);
		});

		it("is told whose a mount is that he may not end", async (context) => {
			context.skip(process.getuid?.() !== 0, "needs somebody else");
			await bench.mount((await bench.boot(tiny)).socket);
			// One who comes later sees the mount.
			const later = await OrdinaryUser.create();
			if (typeof later === "string") return context.skip(later);
			expect(await later.qomfs(["umount", bench.mountpoint])).toMatchObject({
				...{ status: 1, stderr: expect.stringMatching(/belongs to root, who/) },
			});
			await later.remove();
		});

		it.for(crashes)(
			"that dies by %s leaves no dead mount",
			async ([_what, signal, script], context) => {
				if (typeof user === "string") return context.skip(user);
				const socket = await prepare(user.id);
				const nodeArgs = script ? crashAt(script) : [];
				expect(
					await user.qomfs([socket, bench.mountpoint], nodeArgs),
				).toMatchObject({ status: 0, stderr: "" });
				const { stdout } = await user.run("cat", [bench.at(".qomfs/status")]);
				const { pid } = JSON.parse(stdout);
				expect(await user.mounts(bench.box.directory)).toEqual([
					bench.mountpoint,
				]);
				bench.tally.fault();
				process.kill(pid, signal);
				await gone(pid);
				await expect
					.poll(() => (user as OrdinaryUser).mounts(bench.box.directory))
					.toEqual([]);
			},
		);
	});
});
