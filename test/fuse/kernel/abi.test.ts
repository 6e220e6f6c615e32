import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import * as abi from "../../../src/fuse/kernel/abi.ts";

/** Ours, each with the name that linux/fuse.h has for it. */
const structs = {
	inHeader: "fuse_in_header",
	outHeader: "fuse_out_header",
	initIn: "fuse_init_in",
	initOut: "fuse_init_out",
	attr: "fuse_attr",
	attrOut: "fuse_attr_out",
	entryOut: "fuse_entry_out",
	dirent: "fuse_dirent",
	getattrIn: "fuse_getattr_in",
	setattrIn: "fuse_setattr_in",
	openIn: "fuse_open_in",
	openOut: "fuse_open_out",
	readIn: "fuse_read_in",
	writeIn: "fuse_write_in",
	writeOut: "fuse_write_out",
	releaseIn: "fuse_release_in",
	forgetIn: "fuse_forget_in",
	batchForgetIn: "fuse_batch_forget_in",
	forgetOne: "fuse_forget_one",
	interruptIn: "fuse_interrupt_in",
	renameIn: "fuse_rename_in",
	rename2In: "fuse_rename2_in",
	getxattrIn: "fuse_getxattr_in",
	getxattrOut: "fuse_getxattr_out",
	accessIn: "fuse_access_in",
	statfsOut: "fuse_statfs_out",
	pollIn: "fuse_poll_in",
	pollOut: "fuse_poll_out",
	notifyPollOut: "fuse_notify_poll_wakeup_out",
	notifyInvalidateInodeOut: "fuse_notify_inval_inode_out",
	notifyInvalidateEntryOut: "fuse_notify_inval_entry_out",
} as const;

const fieldOf: Record<string, string> = { statfsOut: "st." };

const constants: readonly (readonly [name: string, value: number])[] = [
	["FUSE_KERNEL_VERSION", abi.majorVersion],
	["FUSE_ROOT_ID", abi.rootId],
	["FUSE_GETATTR_FH", abi.getattrHasHandle],
	["FUSE_POLL_SCHEDULE_NOTIFY", abi.pollWantsNotification],
	["FUSE_NOTIFY_POLL", abi.notification.poll],
	["FUSE_NOTIFY_INVAL_INODE", abi.notification.invalidateInode],
	["FUSE_NOTIFY_INVAL_ENTRY", abi.notification.invalidateEntry],
	["FUSE_ASYNC_READ", abi.initFlag.asyncRead],
	["FUSE_ATOMIC_O_TRUNC", abi.initFlag.atomicTruncate],
	["FUSE_BIG_WRITES", abi.initFlag.bigWrites],
	["FUSE_DO_READDIRPLUS", abi.initFlag.readdirplus],
	["FUSE_PARALLEL_DIROPS", abi.initFlag.parallelDirectoryOperations],
	["FUSE_MAX_PAGES", abi.initFlag.maxPages],
	["FOPEN_DIRECT_IO", abi.openFlag.directIo],
	["FOPEN_NOFLUSH", abi.openFlag.noFlush],
	["FATTR_MODE", abi.setattrValid.mode],
	["FATTR_UID", abi.setattrValid.uid],
	["FATTR_GID", abi.setattrValid.gid],
	["FATTR_SIZE", abi.setattrValid.size],
	...Object.entries(abi.opcode).map(
		([name, value]) =>
			[
				`FUSE_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`,
				value,
			] as const,
	),
];

/** Expressions of C, each with what it must be. */
function expected(): Map<string, number> {
	const all = new Map(constants);
	const layouts: Record<string, unknown> = { ...abi };
	for (const [name, struct] of Object.entries(structs)) {
		const layout = layouts[name] as Record<string, number>;
		for (const [field, value] of Object.entries(layout))
			all.set(
				field === "bytes"
					? `sizeof(struct ${struct})`
					: `offsetof(struct ${struct}, ${fieldOf[name] ?? ""}${field})`,
				value,
			);
	}
	return all;
}

/** Has the C compiler tell what the header says; text where it cannot. */
function computed(
	expressions: readonly string[],
): Map<string, number> | string {
	if (spawnSync("cc", ["--version"]).status !== 0) return "no C compiler";
	const directory = mkdtempSync(join(tmpdir(), "qomfs-abi-"));
	try {
		const lines = expressions.map(
			(expression) => `printf("%lu\\n", (unsigned long)(${expression}));`,
		);
		const source = join(directory, "abi.c");
		writeFileSync(
			source,
			`#include <stddef.h>\n#include <stdio.h>\n#include <linux/fuse.h>\nint main(void) {\n${lines.join("\n")}\n}\n`,
		);
		const program = join(directory, "abi");
		const { status, stderr } = spawnSync("cc", ["-o", program, source], {
			encoding: "utf8",
		});
		if (status !== 0 && /fuse\.h: No such file/.test(stderr))
			return "no linux/fuse.h";
		expect([status, stderr]).toEqual([0, ""]);
		const values = execFileSync(program, { encoding: "utf8" }).split("\n");
		return new Map(
			expressions.map((expression, index) => [
				expression,
				Number(values[index]),
			]),
		);
	} finally {
		rmSync(directory, { recursive: true });
	}
}

describe("the layouts", () => {
	it("are those of linux/fuse.h", ({ skip }) => {
		const ours = expected();
		const header = computed([...ours.keys()]);
		if (typeof header === "string") return skip(header);
		expect(Object.fromEntries(ours)).toEqual(Object.fromEntries(header));
	});

	it("are all compared", () => {
		const layouts = Object.entries(abi).filter(
			([, value]) => typeof value === "object" && "bytes" in value,
		);
		expect(layouts.map(([name]) => name).sort()).toEqual(
			Object.keys(structs).sort(),
		);
	});
});
