/** A program that trusts the size of a file that it has opened reads all of the value. */
import { lstat, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
	lacksMount,
	type Mounted,
	mountQomfs,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";
import { RawQmp } from "../support/rawQmp.ts";

let vm: TestMachine;
let mounted: Mounted;
let qmp: RawQmp;

beforeAll(async () => {
	if (lacksMount) return;
	vm = await startTestMachine();
	// Nothing is fetched ahead, so an open after a stat shows another value.
	mounted = await mountQomfs(vm.socket, "value_timeout=0");
	qmp = await RawQmp.connect(vm.secondSocket);
});

afterAll(async () => {
	qmp?.close();
	await mounted?.unmount();
	await vm?.stop();
});

it.skipIf(lacksMount)(
	"also where the machine has just made it longer, and the kernel knows the old size",
	async () => {
		const path = join(mounted.path, "objects/io0/poll-max-ns");
		for (let digits = 1; digits <= 9; digits++) {
			await lstat(path);
			const value = 10 ** digits;
			await qmp.ask("qom-set", {
				...{ path: "/objects/io0", property: "poll-max-ns", value },
			});
			expect(await readFile(path, "utf8")).toBe(`${value}\n`);
		}
	},
);
