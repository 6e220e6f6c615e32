import { describe, expect, it } from "vitest";
import { ControlTree } from "../../src/vfs/controlTree.ts";
import { errnoName } from "../../src/vfs/errno.ts";
import { ErrorLog } from "../../src/vfs/errorLog.ts";
import { FileSystem } from "../../src/vfs/filesystem.ts";
import { LogFile } from "../../src/vfs/logFile.ts";
import { QomTree } from "../../src/vfs/qomTree.ts";
import { TreePolicy } from "../../src/vfs/treePolicy.ts";
import { FakeMachine } from "../support/tools.ts";

/** A machine whose values are what no value can be. */
class BrokenMachine extends FakeMachine {
	override get(): never {
		throw new TypeError("value.length is not a function");
	}
}

describe("an exception in an operation", () => {
	it("is EIO to whoever asked, and a line in the error log", async () => {
		const options = {
			readOnly: false,
			unsafeWrites: false,
			mountpoint: "/mnt",
		};
		const machine = new BrokenMachine(
			{ "/": [["type", "string", "x"]] },
			false,
		);
		const errors = new ErrorLog();
		const fileSystem = new FileSystem({
			qom: new QomTree(machine, new TreePolicy(options), errors),
			control: new ControlTree(
				() => ({}),
				{ errors: errors.file, events: new LogFile(1) },
				0,
			),
			errors,
			options,
			sizeTtlMs: 0,
		});
		const failure = await fileSystem.open("/type", 0).catch((error) => error);
		expect(errnoName(failure)).toBe("EIO");
		expect(errors.last("/type")).toMatchObject({
			operation: "open",
			errno: "EIO",
			desc: "internal error",
		});
	});
});
