/** How differences are told. */
import { describe, expect, it } from "vitest";
import { diffLines, statLines } from "../../src/cli/diffText.ts";
import type { ObjectDifference } from "../../src/qom/diff/compare.ts";

const changed = (
	path: string,
	properties: ObjectDifference["properties"],
	more: Partial<ObjectDifference> = {},
): ObjectDifference => ({
	...{ change: properties.length > 0 ? "changed" : "renumbered" },
	...{ path, type: "t", properties },
	...more,
});

const value = (name: string, before: unknown, after: unknown, type = "any") =>
	({
		name,
		...(before !== undefined && { before: { type, value: before } }),
		...(after !== undefined && { after: { type, value: after } }),
	}) as ObjectDifference["properties"][number];

const whole = (
	change: "added" | "removed",
	path: string,
): ObjectDifference => ({
	...{ change, path, type: "t", properties: [] },
});

describe("differences as lines", () => {
	it("are values side by side, and of structs and lists only what is different", () => {
		const lines = diffLines(
			[
				changed("/a", [
					value("int", 1, 18446744073709551615n),
					value("text", "", "b\nc"),
					value("struct", { a: 1, b: { c: 2 } }, { a: 1, b: { c: 3 }, d: 4 }),
					value("list", ["a", "b"], ["b", "c"]),
					value("order", ["a", "b"], ["b", "a"]),
					value("numbers", [1, 2], [1, 3]),
					value("longer", [1], [1, 2]),
					value("link", "/x", "", "link<y>"),
				]),
			],
			false,
		);
		expect(lines).toEqual([
			"~ /a  t",
			"    int: 1 -> 18446744073709551615",
			'    text: "" -> b c',
			"    struct.b.c: 2 -> 3",
			"    struct.d: (none) -> 4",
			"    list: -a +c",
			'    order: ["a","b"] -> ["b","a"]',
			"    numbers[1]: 2 -> 3",
			"    longer: [1] -> [1,2]",
			"    link: /x -> (unset)",
		]);
	});

	it("tell of another type, of what cannot be read, and of secrets", () => {
		const lines = diffLines(
			[
				changed("/a", [
					{
						name: "n",
						before: { type: "int", value: 1 },
						after: { type: "str", value: 1 },
					},
					{
						name: "e",
						before: { type: "int", error: "No crash occurred" },
						after: { type: "int", value: 1 },
					},
					{ name: "s", after: { type: "string", value: null, redacted: true } },
				]),
			],
			false,
		);
		expect(lines.slice(1)).toEqual([
			"    n: 1 (int) -> 1 (str)",
			"    e: <No crash occurred> -> 1",
			"    + s: <redacted>",
		]);
	});

	it("tell of types what is known of their properties, which may have no default", () => {
		const lines = diffLines(
			[
				changed("t", [
					{
						name: "n",
						before: { type: "int" },
						after: { type: "int", value: 1 },
					},
					{ name: "u", before: { value: 1 }, after: { type: "int", value: 2 } },
					{ name: "new", after: { type: "int" } },
				]),
			],
			false,
		);
		expect(lines.slice(1)).toEqual([
			"    n: (none) -> 1",
			"    u: 1 -> 2",
			"    + new",
		]);
	});

	it("put objects with the same changes together", () => {
		const change = [value("n", 1, 2)];
		expect(
			diffLines(
				[
					changed("/a", change),
					changed("/b", [value("n", 1, 3)]),
					changed("/c", change),
				],
				false,
			),
		).toEqual([
			"~ /a  t",
			"~ /c  t",
			"    n: 1 -> 2",
			"~ /b  t",
			"    n: 1 -> 3",
		]);
	});

	it("count what is in a new or a lost object, unless all is wanted", () => {
		const found = ["/a", "/a/b", "/a/b/c", "/ab"].map((path) =>
			whole("added", path),
		);
		expect(diffLines(found, false)).toEqual([
			"+ /a  t  (with 2 in it)",
			"+ /ab  t",
		]);
		expect(diffLines(found, true)).toHaveLength(4);
		expect(diffLines([whole("removed", "/a")], false)).toEqual(["- /a  t"]);
		const pins = [3, 4, 5, 9].map((number) =>
			whole("added", `/a/in[${number}]`),
		);
		expect(diffLines(pins, false)).toEqual([
			"+ /a/in[3..5]  t",
			"+ /a/in[9]  t",
		]);
	});

	it("name many new properties, and tell few with their values", () => {
		const names = ["a", "b", "c", "d", "e", "f", "g"];
		const many = names.map((name) => value(name, undefined, 1));
		expect(diffLines([changed("/a", many)], false)).toEqual([
			"~ /a  t",
			"    + a, b, c, d, e, f, and 1 more",
		]);
		expect(diffLines([changed("/a", many)], true)).toHaveLength(8);
		const few = names.slice(0, 2).map((name) => value(name, 1, undefined));
		expect(diffLines([changed("/a", few)], false)).toEqual([
			"~ /a  t",
			"    - a: 1",
			"    - b: 1",
		]);
	});

	it("tell new numbers in as few lines as there are runs of them", () => {
		const moved = (from: number, to: number) =>
			changed(`/m/d[${to}]`, [], { from: `/m/d[${from}]` });
		const run = [3, 4, 5].map((number) => moved(number, number + 1));
		expect(diffLines([...run, moved(9, 2)], false)).toEqual([
			"> /m/d[3..5]  is now  [4..6]",
			"> /m/d[9]  is now  [2]",
		]);
		const wild = [1, 2, 3, 4, 5].map((number) => moved(number, 10 * number));
		expect(diffLines(wild, false)).toEqual(["> /m/d[N]  5 have other numbers"]);
		expect(
			diffLines([changed("/m/d[4]/x", [], { from: "/m/d[3]/x" })], false),
		).toEqual([]);
	});

	it("keep hostile text on its line", () => {
		const lines = diffLines(
			[changed("/a\u001b[31m\n", [value("n\u202e", "\u001b]0;x\u0007", "\r")])],
			false,
		);
		// biome-ignore lint/suspicious/noControlCharactersInRegex: these are meant
		expect(lines.join("")).not.toMatch(/[\u0000-\u001f\u202e]/);
		expect(lines).toHaveLength(2);
	});

	it("are numbers alone with --stat", () => {
		expect(
			statLines(
				[
					whole("added", "/x"),
					changed("/a", [value("n", 1, 2), value("m", 1, 2)]),
					changed("/d[4]", [], { from: "/d[3]" }),
				],
				"objects",
			),
		).toEqual([
			"~ /a | 2",
			"1 object added, 0 removed, 1 changed, 1 renumbered",
		]);
		expect(statLines([whole("added", "x")], "types")).toEqual([
			"1 type added, 0 removed, 0 changed, 0 renumbered",
		]);
	});
});
