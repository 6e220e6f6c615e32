import { readFileSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import { findMount, readMounts } from "../../src/fuse/mountTable.ts";

vi.mock("node:fs", { spy: true });

/** The next reading of the kernel's list gives these lines. */
function kernelSays(...lines: string[]): void {
	vi.mocked(readFileSync).mockReturnValueOnce(`${lines.join("\n")}\n`);
}

describe("the kernel's list of mounts", () => {
	it("has /proc in it", () => {
		expect(findMount("/proc")?.type).toBe("proc");
	});

	it("has nothing where nothing is mounted", () => {
		expect(findMount("/proc/self/nosuch")).toBeUndefined();
	});

	it("is read line by line, with any number of optional fields", () => {
		kernelSays(
			"36 35 98:0 /root /mnt rw,noatime master:1 shared:7 - ext3 /dev/sda1 rw",
			"40 36 0:50 / /mnt/vm rw,nosuid - fuse.qomfs /run/qmp.sock rw,user_id=0",
		);
		expect(readMounts()).toStrictEqual([
			{
				id: "36",
				device: "98:0",
				mountpoint: "/mnt",
				type: "ext3",
				source: "/dev/sda1",
				userId: undefined,
			},
			{
				id: "40",
				device: "0:50",
				mountpoint: "/mnt/vm",
				type: "fuse.qomfs",
				source: "/run/qmp.sock",
				userId: 0,
			},
		]);
	});

	it("may hold blanks, backslashes, dashes and letters of any language", () => {
		kernelSays(
			"40 36 0:50 / /mnt/a\\040-\\040b\\011\\012\\134040é rw - fuse.qomfs my\\040vm rw",
		);
		expect(readMounts()).toStrictEqual([
			{
				id: "40",
				device: "0:50",
				mountpoint: "/mnt/a - b\t\n\\040é",
				type: "fuse.qomfs",
				source: "my vm",
				userId: undefined,
			},
		]);
	});

	it("names the topmost of a stack, and takes no path for its neighbour", () => {
		const lines = [
			"40 36 0:50 / /mnt rw - tmpfs below rw",
			"41 40 0:51 / /mnt rw - fuse.qomfs top rw",
			"42 36 0:52 / /mnt2 rw - tmpfs neighbour rw",
		];
		kernelSays(...lines);
		expect(findMount("/mnt")?.source).toBe("top");
		kernelSays(...lines);
		expect(findMount("/mn")).toBeUndefined();
	});
});
