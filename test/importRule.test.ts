/** Who may import whom. A room that needs more must first change this table, and say why. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const src = join(import.meta.dirname, "../src");

interface Import {
	/** Relative to `src`. */
	readonly from: string;
	/** A file relative to `src`, or a package. */
	readonly to: string;
}

const files = globSync("**/*.{ts,tsx}", { cwd: src }).sort();

/** Static and dynamic imports, re-exports, and types too. */
const specifier =
	/(?:^|[;}\s])(?:from|import)\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/g;

function importsOf(from: string): Import[] {
	const text = readFileSync(join(src, from), "utf8");
	return [...text.matchAll(specifier)].map(([, fixed, dynamic]) => {
		const name = fixed ?? dynamic ?? "";
		return { from, to: name.startsWith(".") ? join(from, "..", name) : name };
	});
}

const all = files.flatMap(importsOf);
const within = all.filter(({ to }) => /\.tsx?$/.test(to));

/** The groups of files that import one another, each file in one of them at most. */
function cyclesIn(imports: readonly Import[]): string[][] {
	const reached = new Map(
		imports.map(({ from }) => [from, filesBehind(from, imports)]),
	);
	const cycles = new Set(
		[...reached]
			.filter(([file, files]) => files.has(file))
			.map(([file, files]) =>
				[...files]
					.filter((other) => reached.get(other)?.has(file))
					.sort()
					.join(" "),
			),
	);
	return [...cycles].map((cycle) => cycle.split(" "));
}

/** All files that a file imports, directly or through others. */
function filesBehind(file: string, imports: readonly Import[]): Set<string> {
	const found = new Set<string>();
	const waiting = [file];
	for (let next = waiting.pop(); next !== undefined; next = waiting.pop())
		for (const { from, to } of imports)
			if (from === next && !found.has(to)) {
				found.add(to);
				waiting.push(to);
			}
	return found;
}

const leaves = /^(json|errors|log|nearest|pace)\.ts$/;

const rules: readonly {
	readonly room: string;
	readonly files: RegExp;
	/** What they may import in `src`. */
	readonly allowed: readonly RegExp[];
}[] = [
	{ room: "the leaves", files: leaves, allowed: [leaves] },
	{ room: "qmp", files: /^qmp\//, allowed: [leaves, /^qmp\//] },
	{
		// A typed text becomes a value by the rules of properties, and QEMU's refusals are read there.
		room: "schema",
		files: /^schema\//,
		allowed: [
			leaves,
			/^(schema|qmp)\//,
			/^qom\/(codec|guard|path|refusal|types)\.ts$/,
		],
	},
	{
		room: "qom but what asks QEMU",
		files: /^qom\/(?!(live|describer)\.ts$)/,
		allowed: [leaves, /^qom\//],
	},
	{
		room: "what asks QEMU in qom",
		files: /^qom\/(live|describer)\.ts$/,
		allowed: [leaves, /^qom\//, /^qmp\//],
	},
	{
		room: "cache",
		files: /^cache\//,
		allowed: [leaves, /^cache\//, /^qom\/(source|path|types)\.ts$/],
	},
	{
		room: "vfs",
		files: /^vfs\//,
		allowed: [leaves, /^vfs\//, /^qom\/(?!(live|describer)\.ts$|snapshot\/)/],
	},
	{ room: "fuse", files: /^fuse\//, allowed: [leaves, /^fuse\//, /^vfs\//] },
	{
		room: "machine",
		files: /^machine\//,
		allowed: [leaves, /^(machine|qmp|qom|cache)\//],
	},
	{
		room: "share",
		files: /^share\//,
		allowed: [leaves, /^(share|machine|qmp)\//],
	},
	{
		room: "mount",
		files: /^mount\//,
		allowed: [
			leaves,
			/^(mount|machine|share|qmp|cache|vfs|fuse)\//,
			/^qom\/(snapshot\/|path\.ts$)/,
		],
	},
	{
		room: "page",
		files: /^page\/(?!client\/)/,
		allowed: [leaves, /^page\/(?!client\/)/, /^(machine|qom)\//],
	},
	{
		// It runs in a browser.
		room: "page/client",
		files: /^page\/client\//,
		allowed: [/^page\/(client\/|data\.ts$|liveData\.ts$)/],
	},
	{ room: "cli and index.ts", files: /^(cli\/|index\.ts$)/, allowed: [/./] },
];

describe("the import rule", () => {
	it.each(rules)("holds for $room", ({ files, allowed }) => {
		const broken = within.filter(
			({ from, to }) =>
				files.test(from) && !allowed.some((target) => target.test(to)),
		);
		expect(broken).toStrictEqual([]);
	});

	it("has a line for every file", () => {
		const lines = files.map(
			(file) => rules.filter((rule) => rule.files.test(file)).length,
		);
		expect(lines).toStrictEqual(files.map(() => 1));
	});

	it("finds every import by its name: all that lead to a file of src exist", () => {
		expect(within.length).toBeGreaterThan(50);
		expect(within.filter(({ to }) => !files.includes(to))).toStrictEqual([]);
	});

	it("lets no file import itself, directly or through others", () => {
		expect(cyclesIn(within)).toStrictEqual([]);
	});

	it("would find a cycle, and tells each once", () => {
		const imports = ["ab", "bc", "ca", "cd", "dd", "ad"].map(
			([from = "", to = ""]) => ({ from, to }),
		);
		expect(cyclesIn(imports)).toStrictEqual([["a", "b", "c"], ["d"]]);
	});

	it("leaves the FUSE binding to the fuse room", () => {
		const importers = all.filter(({ to }) => to === "fuse-native");
		expect(importers.length).toBeGreaterThan(0);
		expect(
			importers.filter(({ from }) => !from.startsWith("fuse/")),
		).toStrictEqual([]);
	});

	it("leaves cli to itself", () => {
		expect(
			within.filter(
				({ from, to }) => to.startsWith("cli/") && !from.startsWith("cli/"),
			),
		).toStrictEqual([]);
	});
});
