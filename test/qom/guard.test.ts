import { describe, expect, it } from "vitest";
import {
	deadlyReadReason,
	guardReason,
	hasDeadlyRead,
	isEverDeadly,
	isSecret,
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
