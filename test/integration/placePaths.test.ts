/** `by-id/net0`, `by-type/...` and `by-bus/...` as paths of the commands. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
	lacksQemu,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";
import { placedMachine } from "../support/placedMachine.ts";
import { RawQmp } from "../support/rawQmp.ts";
import { expectRefusal, Tools } from "../support/tools.ts";

describe.skipIf(lacksQemu)("the tools take", () => {
	let vm: TestMachine;
	let qmp: RawQmp;
	let tools: Tools;

	beforeAll(async () => {
		vm = await startTestMachine([...placedMachine, "-S"]);
		qmp = await RawQmp.connect(vm.secondSocket);
		tools = await Tools.create(vm.socket);
	});

	afterAll(async () => {
		await tools?.remove();
		qmp?.close();
		await vm?.stop();
	});

	const at = "/machine/peripheral";

	it.each<[string, readonly string[], string]>([
		["qom-get", ["by-id/net0.mac"], "52:54:00:00:00:01"],
		["qom-get", ["by-id/io0.type"], "iothread"],
		// As they stand in a mount.
		["qom-get", [".qomfs/by-bus/pci/00:07.0-00.0.mac"], "52:54:00:00:00:01"],
		[
			"qomfs",
			["find", ".qomfs/by-bus/usb/*"],
			`${at}/hub\n${at}/kbd\n${at}/mouse`,
		],
		["qom-get", ["by-bus/pci/00:07.0-00.0.mac"], "52:54:00:00:00:01"],
		["qom-get", ["by-bus/pci/00:07.0.type"], "pcie-root-port"],
		["qom-get", ["by-bus/usb/xhci.0-2.3.type"], "usb-mouse"],
		["qom-get", ["by-bus/scsi/scsi0.0-0:2:1.scsi-id"], "2"],
		["qom-get", ["by-id/net0/virtio-backend.type"], "virtio-net-device"],
		[
			"qom-get",
			["by-type/virtio-net-pci/*.mac"],
			`${at}/net0.mac: 52:54:00:00:00:01\n${at}/net1.mac: 52:54:00:00:00:02`,
		],
		[
			"qom-get",
			["by-bus/usb/*.type"],
			`${at}/hub.type: usb-hub\n${at}/kbd.type: usb-kbd\n${at}/mouse.type: usb-mouse`,
		],
		["qomfs", ["find", "by-bus/usb/*"], `${at}/hub\n${at}/kbd\n${at}/mouse`],
		["qomfs", ["find", "by-id/sd0"], `${at}/sd0`],
		[
			"qomfs",
			["find", "by-type/virtio-net-*/*", "-type", "virtio-net-pci"],
			`${at}/net0\n${at}/net1`,
		],
	])("%s %j", async (tool, words, expected) => {
		const lines = (await tools.output(tool, ...words)).trimEnd().split("\n");
		expect(lines.toSorted().join("\n")).toBe(expected);
	});

	it("them for listings and trees, which are as those of the whole path", async () => {
		for (const [tool, args] of [
			["qom-list", []],
			["qom-tree", []],
			["qomfs", ["tree"]],
		] as const)
			for (const [place, path] of [
				["by-id/net0", `${at}/net0`],
				["by-bus/usb/xhci.0-1", `${at}/kbd`],
				["by-type/iothread/objects:io0", "/objects/io0"],
				["by-type/iothread/*", "/objects/io0"],
				[".qomfs/by-id/net0", `${at}/net0`],
			] as const) {
				const named = await tools.run(tool, ...args, place);
				expect(named.stdout).not.toBe("");
				expect(named).toEqual(await tools.run(tool, ...args, path));
			}
	});

	it("the directories themselves, to list what is in them", async () => {
		expect(await tools.output("qom-list", "by-bus/usb")).toBe(
			"@xhci.0-1/\n@xhci.0-2/\n@xhci.0-2.3/\n",
		);
		expect((await tools.output("qom-list", "by-bus")).split("\n")).toEqual(
			expect.arrayContaining(["pci/", "scsi/", "usb/"]),
		);
		expect(
			await tools.output("qom-list", "by-bus/usb/", "/objects/io0"),
		).toMatch(/^by-bus\/usb\/:\n@xhci\.0-1\/\n.*\n\n\/objects\/io0:\n/s);
	});

	it("them to set a value, and to watch it", async () => {
		const io0 = { path: "/objects/io0", property: "poll-max-ns" };
		const value = () => qmp.execute("qom-get", io0);
		await tools.output("qom-set", "by-id/io0.poll-max-ns", "5");
		expect(await value()).toBe(5);
		for (const word of [
			...["by-id/io0", "by-id/io0.poll-max-ns"],
			...["by-type/iothread/*", "by-type/iothread/*.poll-*"],
		]) {
			const watching = tools.start(
				...(["qomfs", "watch", vm.socket, word] as const),
				...["--every", "0.1", "--json"],
			);
			try {
				await expect
					.poll(() => watching.stderr(), { timeout: 20_000 })
					.toMatch(/watching \d+ values? with/);
				await qmp.execute("qom-set", {
					...{ ...io0, value: Number(await value()) + 1 },
				});
				const [line = ""] = await watching.seen(1);
				expect(JSON.parse(line)).toMatchObject({
					...{ path: "/objects/io0", property: "poll-max-ns" },
				});
			} finally {
				await watching.stop();
			}
		}
	});

	it.each<[string, readonly string[], RegExp]>([
		["qom-get", ["by-id/nte0.mac"], /^qom-get: by-id\/nte0: .* net0\n$/],
		["qom-get", ["by-id/net0.nosuch"], /net0\.nosuch: .*not found/],
		["qom-get", ["by-bus/pci/99*.mac"], /by-bus\/pci\/99\*: .* 00:00\.0, /],
		["qom-set", ["by-id/nosuch.x", "1"], /there is .*, \.\.\.\n$/],
		["qom-list", ["by-bus/pic"], /there is pci\n$/],
		["qom-list", [".qomfs/by-bus/pic"], /there is pci\n$/],
		["qom-get", [".qomfs/status.x"], /not found/],
		["qom-tree", ["by-bus"], /by-bus: no object matches; there is /],
		["qom-list", ["--json", "by-bus/usb"], /there is xhci\.0-1, xhci\.0-2, /],
		["qom-list", ["by-id/net0/nosuch"], /not found/],
		["qomfs", ["find", "by-type/iothred"], /there is iothread\n$/],
		["qomfs", ["find", "by-type/iothred/*"], /there is iothread\n$/],
		["qomfs", ["tree", "by-id/nte0"], /there is net0\n$/],
		["qom-tree", ["by-bus/usb/xhci.0-7"], /there is xhci\.0-/],
	])(
		"no unknown name: %s %j tells in one line what there is",
		async (tool, words, message) => {
			expectRefusal(await tools.run(tool, ...words), 1, message);
		},
	);

	it("no unknown name to watch", async () => {
		for (const word of ["by-id/nte0", "by-type/nosuch/*.mac"])
			expectRefusal(
				await tools.run("qomfs", "watch", vm.socket, word, "--for", "1"),
				1,
				/no object matches; there is /,
			);
	});
});
