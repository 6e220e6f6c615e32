import { posix } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
	isCanonicalPath,
	isFileName,
	joinPath,
	relativePath,
	rootPath,
	splitPath,
} from "../../src/qom/path.ts";

const anyName = fc
	.oneof(
		fc.string({ minLength: 1, maxLength: 20, unit: "grapheme" }),
		fc.constantFrom("...", ".qomfs", "usb2 port #2[0]", "\\x2from@etc[0]"),
	)
	.filter(isFileName);
/** Few different names, so that paths have much in common. */
const anyPath = fc
	.array(fc.oneof(fc.constantFrom("a", "b"), anyName), { maxLength: 6 })
	.map((names) => names.reduce(joinPath, rootPath));

describe("joining and splitting paths", () => {
	it("is each the other's inverse", () => {
		fc.assert(
			fc.property(anyPath, anyName, (parent, name) => {
				expect(splitPath(joinPath(parent, name))).toStrictEqual([parent, name]);
			}),
		);
	});

	it("treats the root as its own parent, without a name", () => {
		expect(joinPath("/", "machine")).toBe("/machine");
		expect(splitPath("/machine")).toStrictEqual(["/", "machine"]);
		expect(splitPath("/")).toStrictEqual(["/", ""]);
	});
});

describe("the text of a symlink", () => {
	it.each([
		["/machine", "/machine/q35", "q35"],
		["/machine/peripheral/nic0", "/machine/q35/pcie.0", "../../q35/pcie.0"],
		["/machine/q35", "/machine", ".."],
		["/machine/foo", "/machine/foobar", "../foobar"],
		["/machine", "/machine", "."],
		["/", "/machine", "machine"],
		["/machine", "/", ".."],
		["/", "/", "."],
	])("leads from %s to %s as %s", (from, to, text) => {
		expect(relativePath(from, to)).toBe(text);
	});

	it("leads from any directory to any object, never above the root", () => {
		fc.assert(
			fc.property(anyPath, anyPath, (from, to) => {
				const text = relativePath(from, to);
				expect(posix.join(from, text)).toBe(to);
				// Below a directory of its own, a climb above the root would show.
				expect(posix.resolve(`/mount${from}`, text)).toBe(
					posix.resolve(`/mount${to}`),
				);
			}),
		);
	});
});

describe("names that can be file names", () => {
	it.each([
		"type",
		"device[0]",
		"usb2 port #2[0]",
		"\\x2from@etc\\x2facpi[0]",
		"...",
		"new\nline",
	])("%j is one", (name) => {
		expect(isFileName(name)).toBe(true);
	});

	it.each(["", ".", "..", "a/b", "/", "a\0b"])("%j is none", (name) => {
		expect(isFileName(name)).toBe(false);
	});

	it("have up to 255 bytes", () => {
		expect(isFileName("x".repeat(255))).toBe(true);
		expect(isFileName("é".repeat(127))).toBe(true);
		expect(isFileName("x".repeat(256))).toBe(false);
		expect(isFileName("é".repeat(128))).toBe(false);
	});
});

describe("canonical paths", () => {
	it("are all that names make up", () => {
		fc.assert(
			fc.property(anyPath, (path) => {
				expect(isCanonicalPath(path)).toBe(true);
			}),
		);
	});

	it.each([
		"",
		"machine",
		"//",
		"/machine/",
		"//machine",
		"/machine//q35",
		"/machine/../..",
		"/./machine",
		"/a\0b",
	])("%j is none", (text) => {
		expect(isCanonicalPath(text)).toBe(false);
	});
});
