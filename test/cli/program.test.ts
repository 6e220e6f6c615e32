/** How command lines are read from the definitions of the commands. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Program } from "../../src/cli/command.ts";
import { launcherNames } from "../../src/cli/launchers.ts";
import { createProgram } from "../../src/cli/program.ts";
import { registry } from "../../src/cli/registry.ts";

function loadedIn({ subcommands }: Program): string[] {
	return subcommands
		.filter(({ definition }) => definition !== undefined)
		.map(({ command }) => command.name());
}

const listed = Object.entries(registry)
	.filter(([, registered]) => !("isOnlyLauncher" in registered))
	.map(([name]) => name);

describe("the program", () => {
	it("has a launcher for every name in package.json", () => {
		const { bin } = JSON.parse(
			readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
		);
		expect([...launcherNames].sort()).toEqual(Object.keys(bin).sort());
	});

	it.each([
		["get io0.type", ["mount", "get"]],
		["vm.sock mnt", ["mount"]],
		["umount mnt", ["mount", "umount"]],
		["", ["mount"]],
		["-V", ["mount"]],
		["--help", listed],
		["help get", listed],
	])(
		"loads for 'qomfs %s' only the commands that may be meant",
		async (line, names) => {
			const program = await createProgram("qomfs", line.split(" "));
			expect(loadedIn(program)).toEqual(names);
		},
	);

	it("loads every command for the manual", async () => {
		expect(loadedIn(await createProgram("qomfs"))).toEqual(listed);
	});

	it.each(launcherNames.filter((name) => name !== "qomfs"))(
		"has the one command of %s, and nothing below it",
		async (name) => {
			const { definition, subcommands } = await createProgram(name, []);
			expect(definition).toBeDefined();
			expect(subcommands).toEqual([]);
		},
	);
});

describe("completion", () => {
	/** What completes the last word of a command line. */
	async function complete(line: string): Promise<string | undefined> {
		const { command } = await import("../../src/cli/commands/complete.ts");
		const written: string[] = [];
		const { write } = process.stdout;
		process.stdout.write = (text) => written.push(String(text)) > 0;
		try {
			await command.run(
				["zsh", line],
				{},
				{
					name: "qomfs complete",
					helpText: () => "",
					isTyped: () => false,
					endWith() {},
					programOf: createProgram,
				},
			);
		} finally {
			process.stdout.write = write;
		}
		return written.join("").trimEnd();
	}

	it.each([
		["qomfs umo", "umount"],
		["qomfs -", "--version\n--help"],
		["qomfs mount --deb", "--debug"],
		["/usr/bin/qomfs completion z", "zsh"],
		["qomfs vm.sock mnt -o ro,uid", "ro,uid="],
		["qomfs vm.sock mnt -o ro -o uid", "uid="],
		["qomfs -f vm.sock mnt -oro -o gi", "gid="],
		["qom-fuse -s vm.sock mnt -o um", "umask="],
		["qomfs find / -type pc -pri", "-print0"],
		["qomfs find -print", "-print0"],
		["qom-get --watch io0.type --unt", "--until"],
		["qmp --js", "--json"],
	])("of %j is %j", async (line, words) => {
		expect(await complete(line)).toBe(words);
	});

	it.each(["qomfs ", "qom-tree --dep", "qmp --path "])(
		"of %j asks no machine",
		async (line) => {
			await expect(complete(line)).resolves.toBeDefined();
		},
	);

	it.each(["qomfs mount ", "qomfs why ", "qom-fuse ", "qmp-shell -l "])(
		"of %j leaves file names to the shell",
		async (line) => {
			expect(await complete(line)).toBe("");
		},
	);

	it.each([
		"qomfs nosuch",
		"qomfs completion bash ",
		"qom-tree --depth x ",
		"qom-tree / ",
		"qom-get --nosu",
	])("of %j is refused, so that the shell offers nothing", async (line) => {
		await expect(complete(line)).rejects.toThrow();
	});
});
