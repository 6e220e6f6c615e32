/** The manual says what --help says, for every launcher, and is sound roff. */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import type { Program } from "../src/cli/command.ts";
import { launcherNames } from "../src/cli/launchers.ts";
import { createProgram } from "../src/cli/program.ts";
import { manualPages, visibleCommands } from "../tools/manual.ts";
import { examplesIn } from "./support/examples.ts";

const project = new URL("..", import.meta.url).pathname;
const pages = new Map(
	(await manualPages()).map(({ file, roff }) => [file, roff]),
);
const files = [...pages.keys()];
const qomfs = await createProgram("qomfs");

/** Of other projects. */
const foreignPages = [
	...["diff(1)", "findmnt(8)", "fusermount3(1)", "getfattr(1)", "mount(8)"],
	...["fstab(5)", "inotify(7)", "mount.fuse3(8)", "systemd(1)"],
];

function roffOf(file: string): string {
	return pages.get(file) ?? "";
}

function sourceOf(file: string): string {
	return readFileSync(join(project, "man", `${file}.md`), "utf8");
}

/** What a reader sees of a line. */
function plain(roff: string): string {
	return roff
		.replace(/\\f[BIRP]|\\[|&]/g, "")
		.replace(/\\([-.])/g, "$1")
		.replaceAll("\\e", "\\");
}

/** Terms and what they mean, below the headings of --help's lists. */
function entriesOf(roff: string): Record<string, string> {
	const entries = [...roff.matchAll(/^\.TP\n(.*)\n(.*)$/gm)];
	return Object.fromEntries(
		entries.map(([, term = "", meaning = ""]) => [plain(term), plain(meaning)]),
	);
}

/** What --help prints, with no line broken. */
function helpText(command: Command): string {
	let text = "";
	command.configureOutput({
		writeOut: (part) => {
			text += part;
		},
		getOutHelpWidth: () => 1000,
	});
	command.outputHelp();
	return text;
}

/** The lists of --help, but for that of its commands. */
function entriesInHelp(command: Command): Record<string, string> {
	const text = helpText(command).replace(/^Commands:\n( {2}.*\n)*/m, "");
	const entries = [...text.matchAll(/^ {2}(\S.*?) {2,}(\S.*)$/gm)];
	return Object.fromEntries(
		entries.map(([, term = "", meaning = ""]) => [
			term.replace(/[<>]/g, ""),
			meaning.trim(),
		]),
	);
}

/** Everything that may stand behind a dash. */
function optionsInHelp(program: Program): string[] {
	const all = [program, ...visibleCommands(program)];
	return all.flatMap(({ command }) =>
		[...helpText(command).matchAll(/(?<![\w-])--?\w[\w-]*/g)].map(
			([word]) => word,
		),
	);
}

/** A hyphen that is meant as one. */
function titleOf(name: string): string {
	return name.replaceAll("-", "\\-");
}

/** The section or sub-section of that name. */
function partOf(roff: string, macro: ".SH" | ".SS", name: string): string {
	const begin = roff.indexOf(`\n${macro} ${name}\n`);
	if (begin < 0) return "";
	const rest = roff.slice(begin + 1);
	const end = rest.slice(1).search(macro === ".SH" ? /^\.SH/m : /^\.S[HS]/m);
	return end < 0 ? rest : rest.slice(0, end + 1);
}

describe("the manual", () => {
	it("has a page for every launcher, and one for the tree", () => {
		const wanted = [...launcherNames.map((name) => `${name}.1`), "qomfs.5"];
		expect(files.toSorted()).toEqual(wanted.toSorted());
		const { man } = JSON.parse(
			readFileSync(join(project, "package.json"), "utf8"),
		);
		expect(man.toSorted()).toEqual(
			wanted.map((file) => `./dist/man/${file}`).toSorted(),
		);
	});

	it.each(launcherNames)(
		"lists all that %s --help lists, and nothing else",
		async (name) => {
			const { command } = await createProgram(name);
			const roff = roffOf(`${name}.1`);
			const sections = ["ARGUMENTS", "OPTIONS", "MOUNT OPTIONS", "TESTS"];
			const entries = sections.map((title) =>
				entriesOf(partOf(roff, ".SH", title)),
			);
			const inHelp = entriesInHelp(command);
			expect(Object.assign({}, ...entries)).toEqual(inHelp);
			expect(Object.keys(inHelp).length).toBeGreaterThan(1);
		},
	);

	const subcommands = visibleCommands(qomfs).map(({ command }) => command);

	it.each(subcommands.map((command) => [command.name(), command] as const))(
		"has a sub-section for qomfs %s, with all that its --help lists",
		(name, command) => {
			const part = partOf(roffOf("qomfs.1"), ".SS", titleOf(name));
			expect(plain(part)).toContain(`qomfs ${name} `);
			expect(entriesOf(part)).toEqual(
				name === "help" ? {} : entriesInHelp(command),
			);
		},
	);

	it("has no sub-section for a command that is not there", () => {
		const part = partOf(roffOf("qomfs.1"), ".SH", "COMMANDS");
		const names = [...part.matchAll(/^\.SS (.*)$/gm)].map(([, name]) => name);
		expect(names).toEqual(
			subcommands.map((command) => titleOf(command.name())),
		);
	});

	it.each(files)(
		"speaks in %s of no option that is not there",
		async (file) => {
			const program = await createProgram(file.replace(/\.\d$/, ""));
			const known = optionsInHelp(program);
			const named = [...sourceOf(file).matchAll(/[`*](--?[A-Za-z][\w-]*)/g)]
				.map(([, option = ""]) => option)
				.filter((option) => !/^--[A-Z]/.test(option)); // a placeholder
			expect(named.filter((option) => !known.includes(option))).toEqual([]);
		},
	);

	it.each(files)("refers in %s to pages that exist", (file) => {
		const references = [
			...plain(roffOf(file)).matchAll(/\b([a-z][\w.-]*\(\d\))/g),
		].map(([, page = ""]) => page);
		const known = [
			...files.map((page) => page.replace(/\.(\d)$/, "($1)")),
			...foreignPages,
		];
		expect(references.length).toBeGreaterThan(1);
		expect(references.filter((page) => !known.includes(page))).toEqual([]);
	});

	it.each(files)("loses no line of the examples in %s", (file) => {
		const shown = plain(roffOf(file)).split("\n");
		const lines = examplesIn(sourceOf(file)).flatMap(
			({ command, expected }) => [
				...command
					.split("\n")
					.map((line, index) => `${index > 0 ? ">" : "$"} ${line}`),
				...expected,
			],
		);
		expect(lines.length).toBeGreaterThan(3);
		expect(lines.filter((line) => !shown.includes(line))).toEqual([]);
	});

	it.each(files)("has all terms of the lists in %s as tags", (file) => {
		const listed = sourceOf(file).match(/^- /gm)?.length ?? 0;
		const tags = roffOf(file).match(/^\.TP\n\\f.*\n\S/gm)?.length ?? 0;
		expect(tags).toBeGreaterThanOrEqual(listed);
		expect(roffOf(file)).not.toContain("\\(bu");
	});

	it("is the same at any time, in any place", () => {
		const made = [
			{ SOURCE_DATE_EPOCH: "0", TZ: "UTC", LC_ALL: "C" },
			{ TZ: "Asia/Tokyo", LC_ALL: "C.UTF-8" },
		].map((env) =>
			execFileSync(
				process.execPath,
				[
					"-e",
					'import("./tools/manual.ts").then(async ({ manualPages }) => console.log(JSON.stringify(await manualPages())))',
				],
				{ cwd: project, env: { ...process.env, ...env }, encoding: "utf8" },
			),
		);
		expect(made[0]).toBe(made[1]);
		for (const roff of pages.values())
			expect(roff).toMatch(/^\.TH "[^"]+" "\d" "" "qomfs /);
	});
});

/** Programs that find faults, each with what it may complain about. */
const linters = [
	{
		command: "mandoc",
		args: ["-Tlint", "-W", "warning"],
		allowed: /missing date/,
	},
	{
		command: "groff",
		args: ["-k", "-man", "-Tutf8", "-ww"],
		allowed: /^$/,
	},
] as const;

describe.each(linters)(
	"the roff, to $command,",
	({ command, args, allowed }) => {
		it.for(files)("is sound in %s", (file, context) => {
			const { stdout, stderr, error } = spawnSync(command, args, {
				input: roffOf(file),
				encoding: "utf8",
			});
			context.skip(error !== undefined, `${command} is not installed`);
			const complaints = `${command === "mandoc" ? stdout : ""}${stderr}`
				.split("\n")
				.filter((line) => line !== "" && !allowed.test(line));
			expect(complaints).toEqual([]);
		});
	},
);
