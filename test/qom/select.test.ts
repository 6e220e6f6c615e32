import { describe, expect, it } from "vitest";
import { NoMatchError, UsageError } from "../../src/errors.ts";
import {
	firstKnown,
	readingsOf,
	selectProperties,
} from "../../src/qom/select.ts";
import { FakeMachine } from "../support/tools.ts";

const readings = (text: string) =>
	readingsOf(text).map(({ object, property }) => [object, property]);

describe("PATH.PROPERTY", () => {
	it.each([
		["net0.mac", [["net0", "mac"]]],
		[
			"/machine/q35/pcie.0.realized",
			[
				["/machine/q35/pcie.0", "realized"],
				["/machine/q35/pcie", "0.realized"],
				["/machine/q35", "pcie.0.realized"],
			],
		],
		["/objects/io0/poll-max-ns", [["/objects/io0", "poll-max-ns"]]],
		["/type", [["/", "type"]]],
		["/a.b/c", [["/a.b", "c"]]],
	])("%s is read in every way, the likeliest first", (text, expected) => {
		expect(readings(text)).toEqual(expected);
	});

	it("of the root is /.PROPERTY, as for QEMU's own tools", () => {
		expect(readings("/.type")).toContainEqual(["/", "type"]);
	});

	it.each(["", "net0", "/", "/machine/", ".", "net0."])(
		"%j names no property",
		(text) => {
			expect(() => readingsOf(text)).toThrow(UsageError);
		},
	);
});

const machine = new FakeMachine(
	{
		"/": [["objects", "child<container>"]],
		"/objects": [
			["type", "string", "container"],
			["io0", "child<iothread>"],
			["pcie.0", "child<bus>"],
		],
		"/objects/io0": [
			["type", "string", "iothread"],
			["poll-max-ns", "int", 1],
			["poll-grow", "int", 2],
			["child[0]", "child<x>"],
			["bus", "link<bus>", ""],
		],
		"/objects/pcie.0": [["realized", "bool", true]],
	},
	true,
);

const selected = async (object: string, property: string) =>
	(await selectProperties(machine, { object, property })).map(
		(found) => `${found.object}.${found.info.name}`,
	);

describe("the properties that a reading means", () => {
	it("are one where it is named in full", async () => {
		expect(await selected("/objects/io0", "poll-grow")).toEqual([
			"/objects/io0.poll-grow",
		]);
	});

	it("are all that fit, children only where they are named", async () => {
		expect(await selected("/objects/io0", "*")).toEqual([
			"/objects/io0.type",
			"/objects/io0.poll-max-ns",
			"/objects/io0.poll-grow",
			"/objects/io0.bus",
		]);
		expect(await selected("/objects/io0", "child[0]")).toEqual([
			"/objects/io0.child[0]",
		]);
	});

	it("are those of all objects that fit", async () => {
		expect(await selected("/objects/*", "*eal*")).toEqual([
			"/objects/pcie.0.realized",
		]);
		expect(await selected("io*", "poll-?row")).toEqual([
			"/objects/io0.poll-grow",
		]);
	});

	it("are missed with a word about the object or about the property", async () => {
		await expect(selected("*nosuch*", "type")).rejects.toThrow(
			new NoMatchError("*nosuch*: no object matches"),
		);
		await expect(selected("/objects/io0", "nosuch*")).rejects.toThrow(
			/^\/objects\/io0: no property matches 'nosuch\*'$/,
		);
		await expect(selected("/nosuch", "type")).rejects.toMatchObject({
			refusal: "no such object",
		});
	});
});

describe("the first known reading", () => {
	const read = (text: string) =>
		firstKnown(readingsOf(text), ({ object, property }) =>
			machine.list(object).then(() => machine.get(object, property)),
		);

	it("is the one that the machine knows, wherever its names have dots", async () => {
		expect(await read("/objects/pcie.0.realized")).toBe(true);
		expect(await read("/objects/io0/poll-grow")).toBe(2);
	});

	it("tells of the missing property rather than of an object that nobody meant", async () => {
		await expect(read("/objects/pcie.0.nosuch")).rejects.toMatchObject({
			refusal: "no such property",
			path: "/objects/pcie.0",
			property: "nosuch",
		});
	});

	it("tells of the likeliest object where no reading has one", async () => {
		await expect(read("/nosuch/a.b.c")).rejects.toMatchObject({
			refusal: "no such object",
			path: "/nosuch/a.b",
		});
	});

	it("is not looked for behind any other failure", async () => {
		const asked: string[] = [];
		const broken = firstKnown(readingsOf("a.b.c"), async ({ object }) => {
			asked.push(object);
			throw new Error("broken");
		});
		await expect(broken).rejects.toThrow("broken");
		expect(asked).toEqual(["a.b"]);
	});
});
