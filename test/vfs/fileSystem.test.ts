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
