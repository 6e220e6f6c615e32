/** Who may mount, for whom, and what fusermount3 refuses. */
import { chmod, chown, copyFile, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FaultBench, tiny } from "../support/faultBench.ts";
import { lacksMount, run } from "../support/mounted.ts";
import { OrdinaryUser } from "../support/ordinaryUser.ts";

const bench = new FaultBench("who may mount");
const stranger = 65_532;

/** Reads as a user who is neither root nor whoever has mounted. */
const readAs = (uid: number, path: string) =>
	run("setpriv", [
		...[`--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"],
		...["cat", bench.at(path)],
	]);

describe.skipIf(lacksMount)("root", () => {
	const isRoot = process.getuid?.() === 0;

	it("may let others in, whatever /etc/fuse.conf says", async ({ skip }) => {
		skip(!isRoot, "needs root");
		const secret = ["-object", "secret,id=sec0,data=hello"];
		const { socket } = await bench.boot([...tiny, ...secret]);
		await bench.mount(socket, "allow_other");
		expect(await readAs(stranger, "objects/io0/type")).toMatchObject({
			...{ status: 0, stdout: "iothread\n" },
		});
		// Not more than the permissions say.
		expect(await readAs(stranger, "objects/sec0/data")).not.toMatchObject({
			status: 0,
		});
	});

	it("keeps others out otherwise", async ({ skip }) => {
		skip(!isRoot, "needs root");
		await bench.mount((await bench.boot(tiny)).socket);
		const { status, stderr } = await readAs(stranger, "objects/io0/type");
		expect(status).toBe(1);
		expect(stderr).toMatch(/Permission denied/);
	});
});

describe.skipIf(lacksMount)("an ordinary user", () => {
	let user: OrdinaryUser | string;

	beforeEach(async () => {
		user = await OrdinaryUser.create();
	});

	afterEach(async () => {
		if (typeof user !== "string") await user.remove();
	});

	/** A machine, and a directory, of theirs. */
	async function prepare(id: number): Promise<string> {
		const { socket } = await bench.boot(tiny);
		await chmod(bench.directory, 0o755);
		await chmod(socket, 0o777);
		if (process.getuid?.() === 0) await chown(bench.mountpoint, id, id);
		return socket;
	}

	it("may not let others in, unless /etc/fuse.conf says so", async (context) => {
		if (typeof user === "string") return context.skip(user);
		const rules = await readFile("/etc/fuse.conf", "utf8").catch(() => "");
		context.skip(/^user_allow_other/m.test(rules), "/etc/fuse.conf says so");
		const socket = await prepare(user.id);
		const options = ["-o", "allow_other"];
		expect(await user.qomfs([socket, bench.mountpoint, ...options])).toEqual({
			status: 1,
			stdout: "",
			stderr:
				"qomfs: allow_other and allow_root need the line 'user_allow_other' in /etc/fuse.conf\n",
		});
	});

	it("may not mount on a directory of somebody else", async (context) => {
		if (typeof user === "string") return context.skip(user);
		context.skip(process.getuid?.() !== 0, "needs somebody else");
		const socket = await prepare(stranger);
		await chmod(bench.mountpoint, 0o755);
		const { status, stderr } = await user.qomfs([socket, bench.mountpoint]);
		expect(status).toBe(1);
		expect(stderr).toMatch(/^qomfs: .*mnt: you may not write there.*\n$/);
	});

	it("may not mount where nothing may gain privileges", async (context) => {
		if (typeof user === "string") return context.skip(user);
		const socket = await prepare(user.id);
		const { status, stderr } = await user.qomfs(
			[socket, bench.mountpoint],
			[],
			{},
			["setpriv", "--no-new-privs"],
		);
		expect([status, stderr]).toEqual([
			1,
			expect.stringMatching(
				/^qomfs: fusermount3 may not mount: .*no_new_privs.*\n$/,
			),
		]);
	});

	it("may not mount by a fusermount3 that has lost its setuid bit", async (context) => {
		if (typeof user === "string") return context.skip(user);
		context.skip(process.getuid?.() !== 0, "root may mount without the bit");
		const socket = await prepare(user.id);
		const bin = join(bench.box.directory, "bin");
		await mkdir(bin);
		const { stdout } = await run("sh", ["-c", "command -v fusermount3"]);
		const copy = join(bin, "fusermount3");
		await copyFile(stdout.trim(), copy);
		await chmod(copy, 0o755);
		const { status, stderr } = await user.qomfs(
			[socket, bench.mountpoint],
			[],
			{ PATH: `${bin}:${process.env.PATH}` },
		);
		expect([status, stderr]).toEqual([
			1,
			expect.stringMatching(
				/^qomfs: fusermount3 may not mount: .*setuid bit.*\n$/,
			),
		]);
	});
});
