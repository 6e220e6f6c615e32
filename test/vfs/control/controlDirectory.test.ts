import { describe, expect, it } from "vitest";
import { controlDirectory } from "../../../src/vfs/control/controlDirectory.ts";
import { LogFile } from "../../../src/vfs/control/logFile.ts";
import type { File } from "../../../src/vfs/node.ts";
import { volumeFor } from "../../support/volumes.ts";

describe("the control directory", () => {
	it("shows a status of no size, for it may be longer when it is opened", async () => {
		let counter = 9;
		const control = controlDirectory(volumeFor(), {
			status: () => ({ counter: counter++ }),
			events: new LogFile(3),
			links: () => ({}),
		});
		const file = (await control.lookup("status")) as File;
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
		const events = new LogFile(3);
		events.append('{"event":"STOP"}');
		const control = controlDirectory(volumeFor(), {
			status: () => ({}),
			events,
			links: () => ({}),
		});
		const file = (await control.lookup("events")) as File;
		expect((await file.attributes()).size).toBe(17);
		await expect(
			file.open({ read: false, write: true, append: false }),
		).rejects.toThrow("cannot be written");
	});
});
