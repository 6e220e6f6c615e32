/** The programs in docs/library.md, run as they stand. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
	mkdir,
	mkdtemp,
	readFile,
	rm,
	symlink,
	writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
	lacksMount,
	lacksQemu,
	run,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";

const project = new URL("../..", import.meta.url).pathname;

let directory: string;
let vm: TestMachine;
/** Files that hold them, in the document's order. */
let programs: readonly string[];

describe.skipIf(lacksQemu)("the library's programs", () => {
	beforeAll(async () => {
		directory = await mkdtemp(join(tmpdir(), "qomfs-programs-"));
		// So that they can import "qomfs" by its name.
		await mkdir(join(directory, "node_modules"));
		await symlink(project, join(directory, "node_modules/qomfs"));
		const text = await readFile(join(project, "docs/library.md"), "utf8");
		const blocks = [...text.matchAll(/^```js\n(.*?)^```$/gms)];
		programs = await Promise.all(
			blocks.map(async ([, program = ""], index) => {
				const file = join(directory, `${index}.mjs`);
				await writeFile(file, program);
				return file;
			}),
		);
		vm = await startTestMachine();
	});

	afterAll(async () => {
		await vm?.stop();
		await rm(directory, { recursive: true });
	});

	it("connect, ask, and print QEMU's refusal", async () => {
		expect(programs).toHaveLength(2);
		const [program = ""] = programs;
		const finished = await run(process.execPath, [program, vm.socket]);
		expect(finished).toMatchObject({ status: 0, stderr: "" });
		expect(finished.stdout).toMatch(/running: (true|false)/);
		expect(finished.stdout).toMatch(/^pc-q35-.*-machine$/m);
		expect(finished.stdout).toMatch(/^out of range .*poll-max-ns/m);
	});

	it.skipIf(lacksMount)("mount until they are told to end", async () => {
		const mountpoint = join(directory, "mnt");
		await mkdir(mountpoint);
		const [, program = ""] = programs;
		const child = spawn(process.execPath, [program, vm.socket, mountpoint], {
			stdio: ["ignore", "ignore", "inherit"],
		});
		try {
			await expect
				.poll(async () => (await run("ls", [mountpoint])).stdout, {
					timeout: 10_000,
				})
				.toContain("machine");
			const { stdout } = await run("stat", ["-c", "%a", `${mountpoint}/type`]);
			expect(stdout).toBe("444\n");
		} finally {
			child.kill("SIGTERM");
			if (child.exitCode === null) await once(child, "exit");
		}
		expect(child.exitCode).toBe(0);
		expect((await run("ls", [mountpoint])).stdout).toBe("");
	});
});
