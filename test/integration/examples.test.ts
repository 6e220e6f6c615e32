/** Every `console` block of the documents prints what stands below its commands. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { exampleMachines } from "../support/exampleMachines.ts";
import {
	ExampleShell,
	examplesIn,
	isExpected,
	type Masks,
	qemuVersion,
	sideBySide,
} from "../support/examples.ts";
import { lacksMount, run } from "../support/mounted.ts";

const project = new URL("../..", import.meta.url).pathname;

/** What is never the same twice. */
const masks: Masks = [
	[/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, "TIMESTAMP"],
	[/(?<![\d:])([01]\d|2[0-3]):[0-5]\d:[0-5]\d(?![\d:])/g, "HH:MM:SS"],
	[/\d{4}-\d\d-\d\d(?= HH)/g, "YYYY-MM-DD"],
	[
		/\{"seconds": ?\d+, ?"microseconds": ?\d+\}/g,
		'{"seconds": N, "microseconds": N}',
	],
	[/\b(pid|process)("?:? )\d+/g, "$1$2N"],
	[/"pid":\d+/g, '"pid":N'],
];

/** What examples use and not every system has. */
const optionalPrograms = ["jq", "getfattr"] as const;

const documents = globSync(["README.md", "docs/*.md", "man/*.md"], {
	cwd: project,
})
	.sort()
	.flatMap((file) => {
		const text = readFileSync(join(project, file), "utf8");
		const examples = Map.groupBy(
			examplesIn(text),
			({ machine = "demo" }) => machine,
		);
		return [...examples].map(([name, examples]) => ({
			file,
			text,
			name,
			examples,
		}));
	});

describe.skipIf(lacksMount)("the examples", () => {
	it.for(documents)(
		"of $file, machine $name, print what stands there",
		async ({ examples, file, name, text }, context) => {
			const machine = exampleMachines[name];
			if (!machine) throw new Error(`${file}: no machine '${name}'`);
			const { args, printedBy, qemu, shown } = machine;
			expect(shown.filter((arg) => !text.includes(arg))).toEqual([]);
			if (!qemu) return context.skip("its QEMU is not installed");
			const version = await qemuVersion(qemu);
			context.skip(
				version !== printedBy,
				`they were printed by QEMU ${printedBy}, this is ${version}`,
			);
			for (const program of optionalPrograms) {
				const isUsed = examples.some(({ command }) =>
					new RegExp(`\\b${program}\\b`).test(command),
				);
				const isThere =
					!isUsed || (await run(program, ["--version"])).status === 0;
				context.skip(!isThere, `${program} is not installed`);
			}
			const shell = await ExampleShell.start(args, qemu);
			const failures: string[] = [];
			try {
				for (const { line, command, expected } of examples) {
					const actual = await shell.type(command);
					if (!isExpected(actual, expected, masks))
						failures.push(
							`${file}:${line}: $ ${command}\n${sideBySide(expected, actual, masks)}`,
						);
				}
			} finally {
				await shell.close();
			}
			if (failures.length > 0) throw new Error(failures.join("\n\n"));
		},
	);
});

describe("reading examples", () => {
	const text = [
		"```console",
		"$ echo a \\",
		"> b",
		"a b",
		"> c",
		"$ true",
		"```",
		"```sh",
		"$ not this",
		"```",
	].join("\n");

	it("takes commands, what continues them, and output", () => {
		expect(examplesIn(text)).toEqual([
			{ line: 2, command: "echo a \\\nb", expected: ["a b", "> c"] },
			{ line: 6, command: "true", expected: [] },
		]);
	});

	it("takes the machine from a comment before the block", () => {
		const blocks = (comment: string) =>
			`${comment}\n\n\`\`\`console\n$ a\n\`\`\`\n\`\`\`console\n$ b\n\`\`\`\n`;
		expect(
			examplesIn(blocks("<!-- machine: bmc -->")).map(({ machine }) => machine),
		).toEqual(["bmc", undefined]);
	});

	it("refuses output before any command", () => {
		expect(() => examplesIn("```console\nlost\n```")).toThrow("line 2");
	});

	it("lets dots stand for any number of lines, and nothing else", () => {
		const fits = (actual: string, expected: string) =>
			isExpected(actual.split(" "), expected.split(" "), masks);
		expect(fits("a b c d", "a ... d")).toBe(true);
		expect(fits("a d", "a ... d")).toBe(true);
		expect(fits("a b c", "a ... d")).toBe(false);
		expect(fits("a b", "a")).toBe(false);
		expect(fits("a", "a b")).toBe(false);
	});

	it("masks times and numbers of processes, and leaves a MAC address alone", () => {
		const fits = (actual: string, expected: string) =>
			isExpected([actual], [expected], masks);
		expect(fits("12:01:02 no", "23:59:59 no")).toBe(true);
		expect(fits("2026-01-02T03:04:05.678Z", "2027-01-02T03:04:05.6Z")).toBe(
			true,
		);
		expect(fits("52:54:00:12:34:56", "52:54:00:12:34:57")).toBe(false);
		expect(fits('{"pid":1}', '{"pid":22}')).toBe(true);
		expect(fits("poll-max-ns: 1", "poll-max-ns: 2")).toBe(false);
	});
});
