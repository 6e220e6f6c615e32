/** Several machines in one mount. */
import {
	mkdir,
	mkdtemp,
	rename,
	rm,
	symlink,
	writeFile,
} from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
	machineDirectory,
	startVirtualMachine,
	type VirtualMachine,
} from "../../tools/virtualMachine.ts";
import {
	lacksMount,
	type Mounted,
	mountQomfs,
	qomfsBin,
	run,
	runQomfs,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";
import { expectRefusal } from "../support/tools.ts";

/** As small as a machine can be. */
const tiny = ["-M", "none", "-m", "16", "-object", "iothread,id=io0"];

const saved = new URL("../../tools/recorded-machine.json", import.meta.url)
	.pathname;

describe.skipIf(lacksMount)("a mount of several machines", () => {
	let directory: string;
	let one: TestMachine;
	let two: TestMachine;
	let mounted: Mounted | undefined;

	beforeAll(async () => {
		directory = await mkdtemp(join(tmpdir(), "qomfs-machines-"));
		[one, two] = await Promise.all([
			startTestMachine(tiny),
			startTestMachine(tiny),
		]);
	});

	afterEach(async () => {
		await mounted?.unmount();
		mounted = undefined;
	});

	afterAll(async () => {
		await one?.stop();
		await two?.stop();
		await rm(directory, { recursive: true });
	});

	/** Mounts them, and runs a line of shell. */
	async function mount(...sources: string[]): Promise<Mounted> {
		mounted = await mountQomfs(sources);
		return mounted;
	}

	const output = async (line: string) => {
		const finished = await mounted?.sh(line);
		expect(finished).toMatchObject({ status: 0, stderr: "" });
		return finished?.stdout;
	};

	/** `.qomfs/status` above all. */
	const status = () => (mounted as Mounted).status();

	it("has a directory for each, with a .qomfs of its own, and one above with the list", async () => {
		const nosuch = join(directory, "nosuch.sock");
		await mount(
			`a=${one.socket}`,
			`b b=${two.socket}`,
			`down=${nosuch}`,
			`old=${saved}`,
		);
		expect(await output('ls "$M"')).toBe("a\nb b\ndown\nold\n");
		expect(await output('ls -A "$M/down"')).toBe("");
		expect(
			await output('cat "$M/b b/objects/io0/type" "$M/old/objects/io0/type"'),
		).toBe("iothread\niothread\n");
		const above = await status();
		expect(above).toMatchObject({
			connection: "3 of 4 machines are there",
			machines: [
				{ name: "a", connection: "connected", source: one.socket },
				{ name: "b b", connection: "connected", source: two.socket },
				{ name: "down", connection: "reconnecting", source: nosuch },
				{ name: "old", connection: "snapshot" },
			],
		});
		for (const name of ["a", "b b"]) {
			const own = JSON.parse(
				(await output(`cat "$M/${name}/.qomfs/status"`)) ?? "",
			);
			expect(own).toMatchObject({ connection: "connected" });
		}
		const { stdout } = await runQomfs("status", mounted?.path ?? "");
		const rows = stdout.trimEnd().split("\n").slice(1);
		expect(
			rows.map((row) =>
				row.replace(/^.*\/vm(\/\S+( b)?)? +(.*?) {2}.*$/, "$1 $3"),
			),
		).toEqual([
			" 3 of 4 machines are there",
			"/a connected",
			"/b b connected",
			"/down reconnecting",
			"/old snapshot",
		]);
	});

	it("keeps them apart: values, errors, and the ways to their monitors", async () => {
		await mount(`a=${one.socket}`, `b=${two.socket}`);
		await output(
			'echo 11 > "$M/a/objects/io0/poll-max-ns"; echo 22 > "$M/b/objects/io0/poll-max-ns"',
		);
		expect(await output('cat "$M"/*/objects/io0/poll-max-ns')).toBe("11\n22\n");
		await mounted?.sh('echo x > "$M/b/objects/io0/poll-grow"');
		const why = await runQomfs(
			"why",
			join(mounted?.path ?? "", "b/objects/io0/poll-grow"),
		);
		expect(why.stdout).toContain("Invalid parameter type for 'poll-grow'");
		const other = await runQomfs(
			"why",
			join(mounted?.path ?? "", "a/objects/io0/poll-grow"),
		);
		expectRefusal(other, 1, /nothing has failed here/);
		for (const [name, value] of [
			["a", "11\n"],
			["b", "22\n"],
		] as const) {
			const bin = join(qomfsBin, "../qom-get.js");
			const place = join(mounted?.path ?? "", name);
			const got = await run(process.execPath, [
				bin,
				"-s",
				place,
				"io0.poll-max-ns",
			]);
			expect(got).toMatchObject({ stdout: value, stderr: "" });
		}
	});

	it("is slowed by no machine that hangs", async () => {
		await mount(`a=${one.socket}`, `b=${two.socket}`);
		const read = () => output('cat "$M/a/objects/io0/poll-max-ns"');
		await read();
		process.kill(two.pid, "SIGSTOP");
		const hanging = mounted?.sh('cat "$M"/b/objects/io0/*');
		try {
			const before = (await status()).machines[0].commands;
			for (let count = 0; count < 20; count++) await read();
			const { machines } = await status();
			// All were answered while the other one answers nothing.
			expect(machines[0].commands - before).toBeGreaterThanOrEqual(20);
		} finally {
			process.kill(two.pid, "SIGCONT");
			await hanging;
		}
	});

	it("empties the directory of a machine that ends, and fills it when it is back", async () => {
		const place = await machineDirectory();
		const start = () => startVirtualMachine(place, [...tiny, "-S"]);
		let vm: VirtualMachine = await start();
		try {
			await mount(`a=${one.socket}`, `vm=${vm.socket}`);
			const listed = () => output('ls "$M/vm"');
			expect(await listed()).toContain("objects");
			await vm.stop();
			await expect.poll(listed, { timeout: 10_000 }).toBe("");
			expect(await output('cat "$M/a/objects/io0/type"')).toBe("iothread\n");
			vm = await start();
			await expect.poll(listed, { timeout: 20_000 }).toContain("objects");
			expect(await output('cat "$M/vm/objects/io0/type"')).toBe("iothread\n");
		} finally {
			await vm.stop();
			await rm(place, { recursive: true });
		}
	});

	describe("of a directory of monitors", () => {
		/** A socket that says nothing. */
		async function mute(path: string): Promise<() => void> {
			const server = createServer();
			await new Promise<void>((resolve) => server.listen(path, resolve));
			return () => server.close();
		}

		it("knows the layouts of Proxmox and of libvirt, and takes no other socket", async () => {
			const proxmox = join(directory, "qemu-server");
			const libvirt = join(directory, "libvirt");
			await mkdir(proxmox);
			await mkdir(join(libvirt, "domain-3-mail server"), { recursive: true });
			await symlink(one.socket, join(proxmox, "100.qmp"));
			const silence = await mute(join(proxmox, "100.vnc"));
			await writeFile(join(proxmox, "100.pid"), "1");
			await symlink(
				two.socket,
				join(libvirt, "domain-3-mail server/monitor.sock"),
			);
			try {
				await mount(proxmox);
				expect(await output('ls "$M"; cat "$M/100/objects/io0/type"')).toBe(
					"100\niothread\n",
				);
				await mounted?.unmount();
				await mount(libvirt);
				expect(
					await output('ls "$M"; cat "$M/mail server/objects/io0/type"'),
				).toBe("mail server\niothread\n");
			} finally {
				silence();
			}
		});

		it("calls none of them what the mount has already", async () => {
			const place = join(directory, "odd");
			await mkdir(place);
			const silences = await Promise.all(
				[".qomfs.sock", "..qmp", "a.qmp", "a.sock"].map((name) =>
					mute(join(place, name)),
				),
			);
			await mount(place);
			expect(await output('ls -A "$M"')).toBe("..qmp\n.qomfs.sock\na\na.2\n");
			for (const silence of silences) silence();
		});

		it("follows monitors that appear and vanish", async () => {
			const place = join(directory, "coming");
			await mkdir(place);
			await symlink(one.socket, join(place, "one.sock"));
			await mount(place);
			const listed = () => output('ls "$M"');
			expect(await listed()).toBe("one\n");
			await symlink(two.socket, join(place, "two.sock"));
			await expect.poll(listed, { timeout: 10_000 }).toBe("one\ntwo\n");
			await expect
				.poll(
					() => output('cat "$M/two/objects/io0/type" 2> /dev/null || true'),
					{ timeout: 10_000 },
				)
				.toBe("iothread\n");
			await rename(join(place, "one.sock"), join(directory, "gone.sock"));
			await expect.poll(listed, { timeout: 10_000 }).toBe("two\n");
			expect((await status()).machines).toHaveLength(1);
		});

		it("is refused if there is none, unless it is to wait", async () => {
			const place = join(directory, "empty");
			const mountpoint = join(directory, "mnt");
			await mkdir(place);
			await mkdir(mountpoint, { recursive: true });
			expectRefusal(
				await runQomfs(place, mountpoint),
				2,
				/no monitor in it; -o delay_connect/,
			);
			mounted = await mountQomfs(place, "delay_connect");
			expect(await output('ls "$M"')).toBe("");
			await symlink(one.socket, join(place, "late.qmp"));
			await expect
				.poll(() => output('ls "$M"'), { timeout: 10_000 })
				.toBe("late\n");
		});
	});

	it.each<[string, readonly string[], number, RegExp]>([
		["names that are missing", ["a.sock", "b.sock"], 2, /write NAME=SOURCE/],
		[
			"a name twice",
			["a=x.sock", "a=y.sock"],
			2,
			/two machines are called 'a'/,
		],
		[
			"a name that no file can have",
			[`${"x".repeat(300)}=a.sock`],
			2,
			/cannot be the name/,
		],
		["a name that is taken", [".qomfs=a.sock"], 2, /cannot be the name/],
		[
			"a file that is none",
			["a=/dev/null", `b=${qomfsBin}`],
			3,
			/neither a monitor's/,
		],
		["an address that is none", ["a=x:y:z"], 2, /not a monitor's address/],
	])("refuses %s", async (_what, sources, status, message) => {
		const mountpoint = join(directory, "mnt");
		await mkdir(mountpoint, { recursive: true });
		expectRefusal(await runQomfs(...sources, mountpoint), status, message);
	});

	it("lets its machines be watched, by their directories or their monitors, however many there are", async () => {
		const others = Array.from(
			{ length: 9 },
			(_none, index) => `m${index}=${join(directory, `nosuch${index}`)}`,
		);
		await mount(...others, `a=${one.socket}`);
		for (const source of [join(mounted?.path ?? "", "a"), one.socket]) {
			const words = [source, "io0.poll-max-ns", "--for", "0.2"];
			expect(await runQomfs("watch", ...words)).toMatchObject({
				status: 0,
				stderr: expect.stringContaining("watching 1 value"),
			});
		}
	});

	it("is there at once, whatever is down", async () => {
		const sources = Array.from({ length: 30 }, (_none, index) =>
			index % 3 === 0
				? `m${index}=${saved}`
				: `m${index}=${join(directory, `nosuch${index}`)}`,
		);
		await mount(...sources, `last=${one.socket}`);
		expect((await output('ls "$M" | wc -l'))?.trim()).toBe("31");
		expect(
			await output('cat "$M/last/objects/io0/type" "$M/m27/objects/io0/type"'),
		).toBe("iothread\niothread\n");
	});
});
