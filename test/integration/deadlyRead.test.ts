/** Looking never ends a machine: what aborts QEMU when it is read is never read, by nothing. */
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { otherProgram } from "../../tools/virtualMachine.ts";
import {
	lacksMount,
	type Mounted,
	mountQomfs,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";
import { RawQmp } from "../support/rawQmp.ts";
import { Tools } from "../support/tools.ts";

const qemu = otherProgram("qemu-system-aarch64");

describe.skipIf(lacksMount)("an Arm machine with a virtio-iommu", () => {
	if (qemu === undefined) {
		it("survives being looked at", ({ skip }) =>
			skip("qemu-system-aarch64 is not installed"));
		return;
	}
	let vm: TestMachine;
	let qmp: RawQmp;
	let mounted: Mounted;

	beforeAll(async () => {
		vm = await startTestMachine(
			["-M", "virt", "-m", "64", "-device", "virtio-iommu-pci", "-S"],
			qemu,
		);
		qmp = await RawQmp.connect(vm.secondSocket);
		mounted = await mountQomfs(vm.socket);
	});

	afterAll(async () => {
		await mounted?.unmount();
		qmp?.close();
		await vm?.stop();
	});

	const lives = async () =>
		expect(await qmp.execute("query-status")).toMatchObject({
			status: "prelaunch",
		});

	it.each([
		'ls "$M/machine"',
		'ls -l "$M/machine"',
		'find "$M/machine" -maxdepth 2 -size +100c',
		'cat "$M/machine/gic-version" "$M/machine/its" "$M/machine/highmem"',
		'grep -r . "$M/machine" 2>/dev/null | wc -l',
		'grep -c iommu "$M/machine/.json"',
		'getfattr -d "$M/machine/iommu"',
		'tar c -C "$M" machine/iommu machine/its 2>/dev/null | wc -c',
		'echo none > "$M/machine/iommu" 2>/dev/null; true',
	])("survives %s", async (line) => {
		const { status, stdout } = await mounted.sh(line);
		expect(status).toBe(0);
		expect(stdout).not.toBe(line.startsWith("echo") ? "never" : "");
		await lives();
	});

	it("says why it does not read the value", async () => {
		const { status, stderr } = await mounted.sh('cat "$M/machine/iommu"');
		expect(status).toBe(1);
		expect(stderr).toMatch(/Operation not permitted/);
		const errors = await mounted.sh('tail -n 1 "$M/.qomfs/errors"');
		expect(JSON.parse(errors.stdout)).toMatchObject({
			path: "/machine/iommu",
			errno: "EPERM",
			class: null,
			desc: expect.stringMatching(/virtio-iommu/),
		});
		await lives();
	});

	it("survives every tool", async () => {
		await mounted.unmount();
		const tools = await Tools.create(vm.socket);
		try {
			for (const line of [
				"qom-list /machine",
				"qom-list -l /machine",
				"qom-list --json machine",
				"qom-tree --draw",
				"qom-tree --list /machine",
				"qomfs find -prop iommu",
				"qom-get /machine '*'",
				"qom-set /machine.gic-version 3",
			]) {
				await tools.sh(line);
				await lives();
			}
			const { status, stderr } = await tools.sh("qom-get /machine.iommu");
			expect(status).toBe(1);
			expect(stderr).toMatch(/^qom-get: \/machine\.iommu: never read: /);
			await lives();
		} finally {
			await tools.remove();
			mounted = await mountQomfs(vm.socket);
		}
	});

	it("is read with -o unsafe_reads, and ends", async () => {
		const other = await startTestMachine(
			["-M", "virt", "-m", "64", "-device", "virtio-iommu-pci", "-S"],
			qemu,
		);
		const unsafe = await mountQomfs(other.socket, "unsafe_reads");
		try {
			const ended = once(other.process, "exit");
			await unsafe.sh('cat "$M/machine/iommu"');
			expect((await ended)[1]).toBe("SIGABRT");
		} finally {
			await unsafe.unmount();
			await other.stop();
		}
	});
});
