import { beforeEach, describe, expect, it } from "vitest";
import { isWithin, Sweep } from "../../src/cache/sweep.ts";

const pauseMs = 100;

let sweep: Sweep;
let nowMs: number;

function visit(...paths: string[]): void {
	for (const path of paths) sweep.visit(path, nowMs);
}

beforeEach(() => {
	sweep = new Sweep(pauseMs);
	nowMs = 5000;
});

describe("a sweep", () => {
	it("is none before anything was read", () => {
		expect(sweep.isRecognised).toBe(false);
		expect(sweep.current).toBeUndefined();
		expect(sweep.hasVisited("/")).toBe(false);
	});

	it.each([
		["straight down", ["/", "/a", "/a/b", "/a/b/c"]],
		["side by side", ["/a", "/a/b", "/a/c", "/a/d"]],
		[
			"down, and back up to a parent's neighbour",
			["/a", "/a/b", "/a/b/c", "/d"],
		],
		["beside where it began", ["/a/b", "/a/c", "/a/d", "/a/e"]],
		["beside the parents of where it began", ["/a/b/c", "/a/d", "/e", "/e/f"]],
	])("is recognised after four directories: %s", (_how, paths) => {
		visit(...paths.slice(0, 3));
		expect(sweep.isRecognised).toBe(false);
		visit(...paths.slice(3));
		expect(sweep.isRecognised).toBe(true);
		for (const path of paths) expect(sweep.hasVisited(path)).toBe(true);
		expect(sweep.current).toBe(paths.at(-1));
	});

	it.each([
		["into a directory two levels down", "/a/d/e"],
		["into another part of the tree", "/x/y"],
		["back to where it has been", "/a/b"],
		["back to the parent", "/a"],
		["into the same directory again", "/a/c"],
	])("does not go %s", (_where, path) => {
		visit("/", "/a", "/a/b", "/a/c");
		expect(sweep.isRecognised).toBe(true);
		visit(path);
		expect(sweep.isRecognised).toBe(false);
		expect(sweep.current).toBe(path);
		expect(sweep.root).toBe(path);
		expect(sweep.hasVisited("/")).toBe(false);
	});

	it("does not take a name for the beginning of another", () => {
		visit("/a", "/a/foo", "/a/foobar/x");
		expect(sweep.root).toBe("/a/foobar/x");
	});

	it("has for its root the highest directory that it came beside", () => {
		visit("/a/b/c");
		expect(sweep.root).toBe("/a/b/c");
		visit("/a/b/c/d");
		expect(sweep.root).toBe("/a/b/c");
		visit("/a/b/e");
		expect(sweep.root).toBe("/a/b");
		visit("/f");
		expect(sweep.root).toBe("/");
	});

	it("is another after a pause", () => {
		visit("/", "/a", "/a/b");
		nowMs += pauseMs;
		visit("/a/c");
		expect(sweep.isRecognised).toBe(false);
		expect(sweep.root).toBe("/a/c");
	});

	it("goes on as long as values are read", () => {
		visit("/", "/a", "/a/b");
		for (let read = 0; read < 20; read++) {
			nowMs += pauseMs - 1;
			sweep.keepAlive(nowMs);
		}
		nowMs += pauseMs - 1;
		visit("/a/c");
		expect(sweep.isRecognised).toBe(true);
	});

	it("is not called back to life by a value", () => {
		visit("/", "/a", "/a/b");
		nowMs += pauseMs;
		expect(sweep.isAlive(nowMs)).toBe(false);
		sweep.keepAlive(nowMs);
		expect(sweep.isAlive(nowMs)).toBe(false);
		visit("/a/c");
		expect(sweep.isRecognised).toBe(false);
	});
});

describe("a path within a directory", () => {
	it.each([
		["/", "/", true],
		["/a", "/", true],
		["/a", "/a", true],
		["/a/b/c", "/a", true],
		["/ab", "/a", false],
		["/a", "/a/b", false],
		["/", "/a", false],
	])("%s in %s: %s", (path, directory, expected) => {
		expect(isWithin(path, directory)).toBe(expected);
	});
});
