import { describe, expect, it } from "vitest";
import {
	deadlyReadReason,
	guardReason,
	hasDeadlyRead,
	holdsSecret,
	isEverDeadly,
	isSecret,
	mayBeSecret,
	undescribedReason,
} from "../../src/qom/guard.ts";

describe("a write", () => {
	it.each([
		["realized", "bool", /unplugs/],
		["hotplug-handler", "bool", /hot-plug/],
		["cpu-hotplug-legacy", "bool", /aborts QEMU/],
		["memory-backend", "string", /detaches the memory/],
		["bus", "link<bus>", /links wire/],
		["any", "link<>", /links wire/],
	])("of %s, a %s, is guarded", (property, type, reason) => {
		expect(guardReason("/machine/x", "device", property, type)).toMatch(reason);
		expect(guardReason("/machine/x", undefined, property, type)).toMatch(
			reason,
		);
	});

	it.each([
		["Realized", "bool"],
		["realized ", "bool"],
		["unrealized", "bool"],
		["hotplugged", "bool"],
		["hotplug", "bool"],
		["memory", "string"],
		["constructor", "bool"],
		["bus", "link"],
		["bus", "linked<bus>"],
		["mac", "str"],
	])("of %s, a %s, is not", (property, type) => {
		expect(guardReason("/machine/x", "device", property, type)).toBe(undefined);
	});

	it.each([
		["/objects/compat_monitor0", undefined],
		["/objects/compat_monitor12", "anything"],
		["/chardevs/compat_monitor0", undefined],
		["/objects/mon", "monitor-qmp"],
		["/objects/mon", "monitor-hmp"],
	])("to %s of type %s is one to a monitor", (object, objectType) => {
		expect(guardReason(object, objectType, "pretty", "bool")).toMatch(
			/monitor/,
		);
	});

	it.each([
		["/objects/compat_monitor", undefined],
		["/objects/compat_monitor0/x", undefined],
		["/machine/compat_monitor0", undefined],
		["/objects/mon", "monitor"],
		["/objects/mon", "my-monitor-qmp"],
		["/objects/mon", undefined],
	])("to %s of type %s is not", (object, objectType) => {
		expect(guardReason(object, objectType, "pretty", "bool")).toBe(undefined);
	});
});

describe("a read", () => {
	it.each([["virt-7.2-machine"], ["virt-11.1-machine"]])(
		"of iommu is deadly on an Arm %s",
		(type) => {
			expect(hasDeadlyRead(type)).toBe(true);
			expect(deadlyReadReason(type, "iommu")).toMatch(/aborts/);
			expect(deadlyReadReason(type, "acpi")).toBe(undefined);
		},
	);

	it.each([
		["virt-machine"], // riscv64's
		["virt-7-machine"],
		["xvirt-7.2-machine"],
		["virt-7.2-machine-x"],
		["pc-q35-7.2-machine"],
		[""],
	])("of iommu is harmless on a %j", (type) => {
		expect(hasDeadlyRead(type)).toBe(false);
		expect(deadlyReadReason(type, "iommu")).toBe(undefined);
	});

	it("may be deadly by its name, whatever the type", () => {
		expect(isEverDeadly("iommu")).toBe(true);
		expect(isEverDeadly("acpi")).toBe(false);
		expect(isEverDeadly("constructor")).toBe(false);
	});
});

describe("a value", () => {
	it.each([
		["secret", "data", true],
		[undefined, "data", true],
		["secret_keyring", "data", false],
		["filter-dump", "data", false],
		["secret", "file", false],
		[undefined, "file", false],
		["", "data", false],
		["secret", "constructor", false],
		[undefined, "toString", false],
	])("of %s.%s is a secret: %s", (type, property, isSo) => {
		expect(isSecret(type, property)).toBe(isSo);
	});
});

describe("describing a type", () => {
	it.each([
		["max32-riscv-cpu", false],
		["lowrisc-ibex-riscv-cpu", false],
		["rv64-riscv-cpu", false],
		["qemu-graphic-console", false],
		["qemu-fixed-text-console", false],
		["qemu-text-console", false],
		["microvm-machine", true],
	])("%s does harm", (type, isOld) => {
		expect(undescribedReason(type, isOld)).toMatch(/./);
	});

	it.each([
		["microvm-machine", false],
		["max-x86_64-cpu", true],
		["virtio-net-pci", true],
		["console", true],
	])("%s does none", (type, isOld) => {
		expect(undescribedReason(type, isOld)).toBe(undefined);
	});
});

describe("what must not be logged or kept", () => {
	it.each([
		["object-add qom-type=secret id=s data=x", true],
		['{"qom-type":"secret"}', true],
		["set_password protocol=vnc password=x", true],
		["qom-get path=/objects/x property=data", true],
		["qom-get path=x property='data'", true],
		[
			'{"execute": "qom-get", "arguments": {"path": "x", "property" : "data"}}',
			true,
		],
		[
			"{'execute': 'qom-set', 'arguments': {'property':\n 'data', 'value': 'x'}}",
			true,
		],
		["qom-set /objects/sec0 data x", true],
		[
			'{"execute":"qom-set","arguments":{"path":"x","property":"d\\u0061ta"}}',
			true,
		],
		['qom-list-get paths=["sec0"]', true],
		["query-status", false],
		["qom-get path=/objects/x property=type", false],
		["device_add driver=virtio-net-pci id=data", false],
	])("is %s: %s", (text, expected) => {
		expect(holdsSecret(text)).toBe(expected);
	});

	it.each([
		["/objects/sec0", true],
		["//objects//sec0", true],
		["sec0", true],
		["/objects", false],
		["/machine/peripheral/net0", false],
	])("is what %s may hold: %s", (path, expected) => {
		expect(mayBeSecret(path)).toBe(expected);
	});
});
