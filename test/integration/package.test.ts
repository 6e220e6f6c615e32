/** What is published: packed, installed elsewhere, and used from there. */
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
	type Finished,
	gone,
	lacksMount,
	run,
	startTestMachine,
} from "../support/mounted.ts";

const project = new URL("../..", import.meta.url).pathname;

let directory: string;
let tarball: string;

/** With the Node that runs the tests. */
function npm(args: readonly string[], cwd: string): Promise<Finished> {
	const path = `${dirname(process.execPath)}${delimiter}${process.env.PATH}`;
	return run("npm", [...args, "--no-audit", "--no-fund"], {
		cwd,
		env: { ...process.env, PATH: path },
		timeout: 110_000,
	});
}

beforeAll(async () => {
	directory = await mkdtemp(join(tmpdir(), "qomfs-package-"));
	const pack = ["pack", "--ignore-scripts", "--pack-destination", directory];
	const { status, stderr } = await npm(pack, project);
	expect([status, stderr]).toEqual([0, expect.anything()]);
	const [name = ""] = await readdir(directory);
	tarball = join(directory, name);
});

afterAll(async () => {
	await rm(directory, { recursive: true });
});

it("the package holds the launchers, what was built and the documents, no more", async () => {
	const { stdout } = await run("tar", ["-tzf", tarball]);
	const files = stdout.trimEnd().split("\n");
	expect(files).toContain("package/package.json");
	expect(files).toContain("package/LICENSE");
	expect(files).toContain("package/bin/qomfs.js");
	expect(files).toContain("package/bin/qmp-shell.js");
	expect(files).toContain("package/dist/man/qom-get.1");
	expect(files).toContain("package/dist/cli/launch.js");
	expect(files).toContain("package/dist/index.d.ts");
	const others = files.filter(
		(file) =>
			!/^package\/(bin\/[\w-]+\.js|dist\/([\w-]+\/)*[\w-]+\.(d\.ts|js)|dist\/cli\/(main\.cjs|LICENSES)|dist\/page\/client\/(page\.css|LICENSES)|dist\/man\/[\w-]+\.\d)$/.test(
				file,
			) &&
			!/^package\/(package\.json|LICENSE|(README|CHANGELOG|CONTRIBUTING|(docs|man)\/[\w.-]+)\.md|docs\/snapshot\.schema\.json|contrib\/systemd\/(system|user)\/qomfs@\.(path|service))$/.test(
				file,
			),
	);
	expect(others).toEqual([]);
});

it.skipIf(lacksMount)(
	"the package installs into an empty folder and mounts from there",
	async () => {
		const folder = join(directory, "elsewhere");
		const mountpoint = join(directory, "mnt");
		await mkdir(folder);
		await mkdir(mountpoint);
		await writeFile(join(folder, "package.json"), "{}");
		const install = ["install", "--prefer-offline", tarball];
		expect(await npm(install, folder)).toMatchObject({ status: 0 });
		const qomfs = (...args: string[]) =>
			run(process.execPath, [join(folder, "node_modules/.bin/qomfs"), ...args]);
		const vm = await startTestMachine();
		const cat = async (path: string) =>
			(await run("cat", [join(mountpoint, path)])).stdout;
		try {
			expect(await qomfs(vm.socket, mountpoint)).toEqual({
				status: 0,
				stdout: "",
				stderr: "",
			});
			expect(await cat("machine/type")).toMatch(/^pc-q35-.*-machine\n$/);
			const { pid } = JSON.parse(await cat(".qomfs/status"));
			expect(await qomfs("umount", mountpoint)).toMatchObject({ status: 0 });
			await gone(pid);
			// The binding is optional.
			await rm(join(folder, "node_modules/fuse-native"), { recursive: true });
			expect(await qomfs(vm.socket, mountpoint)).toMatchObject({ status: 0 });
			expect(await cat("objects/io0/type")).toBe("iothread\n");
			await qomfs("umount", mountpoint);
			const bound = ["-o", "backend=fuse-native"];
			expect(await qomfs(vm.socket, mountpoint, ...bound)).toEqual({
				status: 1,
				stdout: "",
				stderr: expect.stringMatching(
					/^qomfs: .*the FUSE binding is not installed: .*\n$/,
				),
			});
			// As a library.
			const library = await run(
				process.execPath,
				["-e", 'import("qomfs").then(() => console.log("loaded"))'],
				{ cwd: folder },
			);
			expect(library).toEqual({ status: 0, stdout: "loaded\n", stderr: "" });
		} finally {
			await run("fusermount3", ["-uz", "--", mountpoint]);
			await vm.stop();
		}
	},
);
