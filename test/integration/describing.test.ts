/** What QEMU knows of a type is asked for by making an instance of it: never where that shows. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
	lacksMount,
	type Mounted,
	mountQomfs,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";
import { RawQmp, type RawReply } from "../support/rawQmp.ts";

describe.skipIf(lacksMount)("descriptions", () => {
	let vm: TestMachine;
	let qmp: RawQmp;
	let mounted: Mounted;

	beforeAll(async () => {
		vm = await startTestMachine(["-M", "q35", "-S", "-device", "VGA"]);
		qmp = await RawQmp.connect(vm.secondSocket);
		mounted = await mountQomfs(vm.socket);
	});

	afterAll(async () => {
		await mounted?.unmount();
		qmp?.close();
		await vm?.stop();
	});

	it("are those of a bus, which has 'realized' as a device has", async () => {
		const { status, stdout, stderr } = await mounted.sh(
			'getfattr -d "$M"/machine/q35/pcie.0/realized',
		);
		expect([status, stderr]).toEqual([0, expect.not.stringMatching(/error/)]);
		expect(stdout).toMatch(/^user\.qom\.type="bool"$/m);
		expect(await mounted.sh('cat "$M/.qomfs/errors"')).toMatchObject({
			stdout: "",
		});
	});

	it("leave no console behind", async () => {
		const objects = async () =>
			(await qmp.execute("qom-list", { path: "/backend" })).map(
				({ name, type }: RawReply) => `${name} ${type}`,
			);
		const before = await objects();
		expect(before.join("\n")).toMatch(/child<qemu-(\w+-)*console>/);
		const { stdout } = await mounted.sh(
			'getfattr -d "$M"/backend/console*/* | grep -c user.qom.type',
		);
		expect(Number(stdout)).toBeGreaterThan(0);
		expect(await objects()).toEqual(before);
	});
});
