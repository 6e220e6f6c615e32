/** mount(8), fstab(5), and what `qomfs install-helpers` does for them. */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
	lacksMount,
	run,
	runQomfs,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";

const project = new URL("../..", import.meta.url).pathname;
const script = new URL("../fixtures/fstab.sh", import.meta.url).pathname;
const isRoot = process.getuid?.() === 0;

let work: string;

beforeAll(async () => {
	work = await mkdtemp(join(tmpdir(), "qomfs-fstab-"));
	await chmod(work, 0o755);
});

afterAll(() => rm(work, { recursive: true, force: true }));

/** Others cannot reach a QEMU whose root is in the home directory of root. */
const isElsewhere = process.env.QOMFS_QEMU_ROOT !== undefined;

describe.skipIf(lacksMount || !isRoot || isElsewhere)("mount(8)", () => {
	let vm: TestMachine;

	beforeAll(async () => {
		vm = await startTestMachine();
		await chmod(vm.directory, 0o755);
		await chmod(vm.socket, 0o666);
	});

	afterAll(() => vm?.stop());

	it("mounts by type and by fstab, for root and for a user, and says what is wrong", async () => {
		const { stdout, stderr } = await run("unshare", [
			...["--mount", "sh", script, project, work, vm.socket],
		]);
		expect(stderr).toBe("");
		expect(stdout.trimEnd().split("\n")).toEqual([
			"# install",
			expect.stringMatching(
				/^write \/sbin\/mount.qomfs, which runs WORK\/\S+ WORK\/project\/bin\/qomfs.js$/,
			),
			"link /sbin/mount.fuse.qomfs to mount.qomfs",
			...["mount.fuse.qomfs", "mount.qomfs"],
			"# by type, without a PATH",
			...["0 ", "fuse.qomfs SOCKET", "iothread", "0 "],
			...["0 ", "fuse.qomfs SOCKET", "iothread", "0 "],
			"# what cannot be mounted",
			"0 ",
			"1 mount.qomfs: unknown option -o bogus",
			...["0 ", "0 "],
			"32 mount.qomfs: WORK/none: no such socket",
			"# fstab, by its user",
			...["0 ", "iothread", "0 "],
			...["0 ", "iothread"],
			"32 umount: WORK/theirs: must be superuser to unmount.",
			"0 ",
			"32 mount.qomfs",
			"# remove",
			"0 remove /sbin/mount.fuse.qomfs",
			"remove /sbin/mount.qomfs",
			"1 qomfs: /sbin/mount.qomfs is not of qomfs; move it away first",
			"0 qomfs: nothing to remove in /sbin",
			"something else",
		]);
	});
});

it("install-helpers only tells what it would do, if that is wanted", async () => {
	const { status, stdout } = await runQomfs(
		...["install-helpers", "--dry-run", "--directory", join(work, "none")],
	);
	expect(status).toBe(0);
	expect(stdout).toMatch(
		/^would write \S+\/none\/mount\.qomfs, which runs .*\nwould link \S+\/none\/mount\.fuse\.qomfs to mount\.qomfs\n$/,
	);
});

it.skipIf(isRoot)(
	"install-helpers tells an ordinary user what to do",
	async () => {
		expect(await runQomfs("install-helpers")).toMatchObject({
			status: 1,
			stderr: expect.stringContaining("sudo qomfs install-helpers"),
		});
	},
);
