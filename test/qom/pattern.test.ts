import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { matchObjects } from "../../src/qom/matchObjects.ts";
import {
	isPattern,
	matcher,
	matchNames,
	pathMatcher,
} from "../../src/qom/pattern.ts";
import { FakeMachine, type FakeTree } from "../support/tools.ts";

describe("a pattern for names", () => {
	it.each([
		["net0", "net0"],
		["net?", "net0"],
		["*", ""],
		["*", "anything at\nall"],
		["device[0]", "device[0]"],
		["device[?]", "device[9]"],
		["device[*]", "device[23]"],
		["?", "😀"],
		["a.b", "a.b"],
		["(a|b)+$^", "(a|b)+$^"],
		["\\x2f*", "\\x2ffrom"],
		["*-pci", "virtio-net-pci"],
		["**", "x/y"],
	])("%j fits %j", (pattern, text) => {
		expect(matcher(pattern)(text)).toBe(true);
	});

	it.each([
		["net?", "net"],
		["net?", "net00"],
		["net0", "NET0"],
		["device[01]", "device0"],
		["a.b", "axb"],
		["net*", "xnet0"],
		["*-pci", "virtio-net-pci2"],
		["", "x"],
		["{a,b}", "a"],
	])("%j does not fit %j", (pattern, text) => {
		expect(matcher(pattern)(text)).toBe(false);
	});

	it("is one only where it has a star or a question mark", () => {
		expect(["*", "?", "a**b"].every(isPattern)).toBe(true);
		expect(["", "device[0]", "a.b", "{a,b}", "a\\"].some(isPattern)).toBe(
			false,
		);
	});

	it("made of a name by putting wildcards in place of any part fits that name", () => {
		fc.assert(
			fc.property(
				fc.array(fc.tuple(fc.string({ unit: "grapheme" }), fc.nat(2))),
				(parts) => {
					const name = parts.map(([text]) => text).join("");
					const pattern = parts
						.map(([text, how]) =>
							how === 0 ? text : how === 1 ? "*" : "?".repeat([...text].length),
						)
						.join("");
					expect(matcher(pattern)(name)).toBe(true);
				},
			),
		);
	});

	it("takes no time that grows with its stars' power", () => {
		// Tried one split after the other, it would take longer than the test may.
		expect(matcher(`${"*a".repeat(12)}b`)("a".repeat(200))).toBe(false);
	});
});

describe("names that a pattern means", () => {
	const entries = ["a*b", "axb", "ab"].map((name) => ({ name, type: "bool" }));
	const names = (pattern: string) =>
		matchNames(entries, pattern).map(({ name }) => name);

	it("are all that fit", () => {
		expect(names("a?b")).toEqual(["a*b", "axb"]);
		expect(names("*")).toEqual(["a*b", "axb", "ab"]);
		expect(names("c*")).toEqual([]);
	});

	it("are that very name alone where there is one, for names hold stars", () => {
		expect(names("a*b")).toEqual(["a*b"]);
	});
});

const tree: FakeTree = {
	"/": [
		["type", "string", "container"],
		["zoo", "child<container>"],
		["machine", "child<pc>"],
	],
	"/zoo": [["dev[1]", "child<dev>"]],
	"/zoo/dev[1]": [["type", "string", "dev"]],
	"/machine": [
		["dev[0]", "child<dev>"],
		["dev*", "child<dev>"],
		["dev[1]", "child<dev>"],
		["bus", "link<bus>", "/zoo"],
	],
	"/machine/dev[0]": [["bus", "link<bus>", "/zoo"]],
	"/machine/dev*": [["deep", "child<dev>"]],
	"/machine/dev*/deep": [["dev[1]", "child<dev>"]],
	"/machine/dev*/deep/dev[1]": [],
	"/machine/dev[1]": [],
};

describe.each([
	["that gives no values", false],
	["that gives values", true],
])("objects that a pattern means, in a machine %s", (_what, givesValues) => {
	const found = (pattern: string) =>
		matchObjects(new FakeMachine(tree, givesValues), pattern);

	it("are the path itself where it has no wildcard, there or not", async () => {
		expect(await found("/machine/dev[0]")).toEqual(["/machine/dev[0]"]);
		expect(await found("/nosuch")).toEqual(["/nosuch"]);
		expect(await found("net0")).toEqual(["net0"]);
		expect(await found("/machine//")).toEqual(["/machine"]);
		expect(await found("/")).toEqual(["/"]);
	});

	it("are children in QEMU's order, no links", async () => {
		expect(await found("/*")).toEqual(["/zoo", "/machine"]);
		expect(await found("/machine/*")).toEqual([
			"/machine/dev[0]",
			"/machine/dev*",
			"/machine/dev[1]",
		]);
	});

	it("take brackets as they are", async () => {
		expect(await found("/*/dev[1]")).toEqual([
			"/zoo/dev[1]",
			"/machine/dev[1]",
		]);
		expect(await found("/machine/dev[?]")).toEqual([
			"/machine/dev[0]",
			"/machine/dev[1]",
		]);
	});

	it("are that very child alone where its name is the pattern", async () => {
		expect(await found("/machine/dev*")).toEqual(["/machine/dev*"]);
	});

	it("may be at any depth behind **, none included", async () => {
		expect((await found("/**/dev[1]")).toSorted()).toEqual([
			"/machine/dev*/deep/dev[1]",
			"/machine/dev[1]",
			"/zoo/dev[1]",
		]);
		expect(await found("/machine/**")).toEqual([
			"/machine",
			"/machine/dev[0]",
			"/machine/dev*",
			"/machine/dev*/deep",
			"/machine/dev*/deep/dev[1]",
			"/machine/dev[1]",
		]);
		expect(await found("/**")).toHaveLength(9);
	});

	it("may be anywhere where the pattern does not begin at the root", async () => {
		expect((await found("dev[?]")).toSorted()).toEqual([
			"/machine/dev*/deep/dev[1]",
			"/machine/dev[0]",
			"/machine/dev[1]",
			"/zoo/dev[1]",
		]);
	});

	it("are reached through a link that is named behind a wildcard", async () => {
		expect(await found("/machine/dev[?]/bus")).toEqual(["/machine/dev[0]/bus"]);
	});

	it("are each there once, however many ways lead to it", async () => {
		const objects = await found("/**/**/dev[1]");
		expect(objects).toHaveLength(new Set(objects).size);
		expect(objects).toHaveLength(3);
	});

	it("are none where nothing fits", async () => {
		expect(await found("/machine/nosuch*")).toEqual([]);
		expect(await found("*nosuch*")).toEqual([]);
	});
});

describe("paths that a pattern means", () => {
	const names = ["a", "b", "ab"] as const;
	const paths = ["/"];
	for (let from = 0, depth = 0; depth < 4; depth++) {
		const above = paths.slice(from);
		from = paths.length;
		for (const path of above)
			for (const name of names)
				paths.push(path === "/" ? `/${name}` : `${path}/${name}`);
	}
	const deepTree: FakeTree = Object.fromEntries(
		paths.map((path) => [
			path,
			path.split("/").length > 4
				? []
				: names.map((name) => [name, "child<container>"] as const),
		]),
	);

	it("are those of the objects that it finds", async () => {
		await fc.assert(
			fc.asyncProperty(
				fc.boolean(),
				fc.array(fc.constantFrom("a", "ab", "*", "**", "?", "a*"), {
					minLength: 1,
					maxLength: 5,
				}),
				async (isAbsolute, parts) => {
					const pattern = `${isAbsolute ? "/" : ""}${parts.join("/")}`;
					fc.pre(isPattern(pattern));
					const machine = new FakeMachine(deepTree, true);
					const found = await matchObjects(machine, pattern);
					const there = found.filter((path) => path in deepTree);
					expect(paths.filter(pathMatcher(pattern))).toEqual(
						paths.filter((path) => there.includes(path)),
					);
				},
			),
		);
	});
});
