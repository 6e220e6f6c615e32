import { constants } from "node:fs";
import { describe, expect, it } from "vitest";
import { errnoName } from "../../src/vfs/errno.ts";
import { FileSystem } from "../../src/vfs/fileSystem.ts";
import { FakeMachine } from "../support/tools.ts";
import { nodeAt, rootOf, volumeFor } from "../support/volumes.ts";

/** A machine whose values are what no value can be. */
class BrokenMachine extends FakeMachine {
	override get(): never {
		throw new TypeError("value.length is not a function");
	}
}

describe("an exception in an operation", () => {
	it("is EIO to whoever asked, and a line in the error log", async () => {
		const machine = new BrokenMachine(
			{ "/": [["type", "string", "x"]] },
			false,
		);
		const volume = volumeFor();
		const fs = new FileSystem(rootOf(machine, volume));
		const file = await nodeAt(fs, "/type");
		const failure = await fs.open(file, 0).catch((error) => error);
		expect(errnoName(failure)).toBe("EIO");
		expect(volume.errors.last("/type")).toMatchObject({
			operation: "open",
			errno: "EIO",
			desc: "internal error",
		});
	});
});

describe("access", () => {
	const machine = new FakeMachine(
		{
			"/": [
				["type", "string", "x"],
				["other", "string", "y"],
			],
		},
		false,
	);
	const { R_OK, W_OK, X_OK } = constants;
	const ask = async (
		path: string,
		wanted: number,
		{ isRoot = false, umask = 0, readOnly = false } = {},
	) => {
		const fs = new FileSystem(rootOf(machine, volumeFor({ readOnly })));
		return fs
			.access(await nodeAt(fs, path), wanted, isRoot, umask)
			.then(() => "yes", errnoName);
	};

	it.each([
		["/other", R_OK | W_OK, {}, "yes"],
		["/other", X_OK, {}, "EACCES"],
		["/other", X_OK, { isRoot: true }, "EACCES"],
		["/type", R_OK, {}, "yes"],
		["/type", W_OK, {}, "EACCES"],
		["/type", W_OK, { isRoot: true }, "yes"],
		["/", R_OK | X_OK, {}, "yes"],
		["/other", R_OK, { umask: 0o400 }, "EACCES"],
		["/other", W_OK, { readOnly: true }, "EROFS"],
		["/other", W_OK, { readOnly: true, isRoot: true }, "EROFS"],
	])("to %s for %d (%o): %s", async (path, wanted, who, answer) => {
		expect(await ask(path, wanted, who)).toBe(answer);
	});
});
