import { describe, expect, it } from "vitest";
import { walk } from "../../src/qom/walk.ts";
import { FakeMachine, type FakeTree } from "../support/tools.ts";

const tree: FakeTree = {
	"/": [
		["b", "child<container>"],
		["type", "string", "root"],
		["a", "child<dev with blanks>"],
	],
	"/b": [
		["type", "string", "container"],
		["loop", "link<root>", "/"],
		["c[0]", "child<x>"],
		["gone", "child<x>"],
	],
	"/b/c[0]": [],
	"/a": [["c[0]", "child<x>"]],
	"/a/c[0]": [],
};

describe.each([
	["that gives no values", false],
	["that gives values", true],
])("walking a machine %s", (_what, givesValues) => {
	const walked = async (start: string, maxDepth?: number) =>
		(
			await Array.fromAsync(
				walk(new FakeMachine(tree, givesValues), start, maxDepth),
			)
		).map(({ path, depth, type }) => [path, depth, type]);

	it("shows every object before what is below it, in QEMU's order, and follows no link", async () => {
		expect(await walked("/")).toEqual([
			["/", 0, "root"],
			["/b", 1, "container"],
			["/b/c[0]", 2, "x"],
			["/a", 1, "dev with blanks"],
			["/a/c[0]", 2, "x"],
		]);
	});

	it("begins where it is told to", async () => {
		expect(await walked("/a")).toEqual([
			["/a", 0, undefined],
			["/a/c[0]", 1, "x"],
		]);
	});

	it("goes no deeper than it is told to", async () => {
		expect(await walked("/", 0)).toEqual([["/", 0, "root"]]);
		expect((await walked("/", 1)).map(([path]) => path)).toEqual([
			"/",
			"/b",
			"/a",
		]);
	});

	it("fails where the object that it begins with is not there", async () => {
		await expect(walked("/nosuch")).rejects.toMatchObject({
			refusal: "no such object",
			path: "/nosuch",
		});
	});

	it("asks for nothing below the depth", async () => {
		const machine = new FakeMachine(tree, givesValues);
		await Array.fromAsync(walk(machine, "/", 1));
		expect(machine.asked.flat().toSorted()).toEqual(["/", "/a", "/b"]);
	});
});

describe("walking a machine that gives values", () => {
	/** Ten objects, each with 45 below it. */
	const wide: FakeTree = Object.fromEntries([
		["/", numbers(10).map((n) => [`x${n}`, "child<x>"] as const)],
		...numbers(10).flatMap((n) => [
			[`/x${n}`, numbers(45).map((m) => [`y${m}`, "child<y>"] as const)],
			...numbers(45).map((m) => [`/x${n}/y${m}`, [["v", "int", m]]]),
		]),
	]);

	it("takes few commands, of no more than 128 objects each", async () => {
		const machine = new FakeMachine(wide, true);
		const found = await Array.fromAsync(walk(machine, "/"));
		expect(found).toHaveLength(461);
		expect(machine.asked.map(({ length }) => length)).toEqual([
			1, 10, 128, 128, 128, 66,
		]);
	});

	it("hands the values out with the objects", async () => {
		const machine = new FakeMachine(wide, true);
		const [object] = await Array.fromAsync(walk(machine, "/x3/y7"));
		expect(object?.contents.values).toEqual(new Map([["v", 7]]));
	});
});

function numbers(count: number): number[] {
	return Array.from({ length: count }, (_none, index) => index);
}
