/** How a daemon ends, and that nothing stays behind. */
import { chmod, chown, open, readdir } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { expectAll, FaultBench, tiny } from "../support/faultBench.ts";
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
