import { describe, expect, it } from "vitest";
import { ControlTree } from "../../src/vfs/controlTree.ts";
import { LogFile } from "../../src/vfs/logFile.ts";
import type { File } from "../../src/vfs/node.ts";

const logs = { errors: new LogFile(3), events: new LogFile(3) };

describe("the control directory", () => {
	it("shows a status of no size, for it may be longer when it is opened", async () => {
		let counter = 9;
		const tree = new ControlTree(() => ({ counter: counter++ }), logs, 0);
		const file = tree.resolve("/.qomfs/status") as File;
		expect((await file.attributes()).size).toBe(0);
		const read = async () => {
			const handle = await file.open({
				...{ read: true, write: false, append: false },
			});
			return Buffer.from(await handle.read(4096, 0)).toString();
		};
		expect(await read()).toBe('{"counter":9}\n');
		expect(await read()).toBe('{"counter":10}\n');
	});

	it("shows logs with their size, and nothing can be written", async () => {
		logs.events.append('{"event":"STOP"}');
		const tree = new ControlTree(() => ({}), logs, 0);
		const file = tree.resolve("/.qomfs/events") as File;
		expect((await file.attributes()).size).toBe(17);
		await expect(
			file.open({ read: false, write: true, append: false }),
		).rejects.toThrow("cannot be written");
	});
});
