/** What comes and goes while the machine is mounted. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
	lacksMount,
	type Mounted,
	mountQomfs,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";
import { RawQmp } from "../support/rawQmp.ts";

describe.skipIf(lacksMount)("hot-plug", () => {
	let vm: TestMachine;
	let qmp: RawQmp;
	let mounted: Mounted;

	beforeAll(async () => {
		vm = await startTestMachine();
		qmp = await RawQmp.connect(vm.secondSocket);
		await qmp.execute("device_add", {
			driver: "usb-mouse",
			id: "mouse",
			bus: "xhci.0",
		});
		mounted = await mountQomfs(vm.socket, "cache_timeout=60");
	});

	afterAll(async () => {
		await mounted?.unmount();
		qmp?.close();
		await vm?.stop();
	});

	it("hides a device at once when QEMU announces that it is gone, whatever is cached", async () => {
		const look = async () =>
			(
				await mounted.sh(
					'ls "$M/machine/peripheral"; cat "$M/machine/peripheral/mouse/type"',
				)
			).stdout;
		expect(await look()).toMatch(/mouse\n.*usb-mouse\n/s);
		await qmp.execute("device_del", { id: "mouse" });
		await expect.poll(look, { timeout: 5000 }).not.toMatch(/mouse/);
		const { stderr } = await mounted.sh('stat "$M/machine/peripheral/mouse"');
		expect(stderr).toMatch(/No such file or directory/);
	});
});
