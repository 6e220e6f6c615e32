import { describe, expect, it } from "vitest";
import { CommandError, type Refusal } from "../../src/errors.ts";
import { refusalOf } from "../../src/qom/refusal.ts";
import { type ErrnoName, errnoName } from "../../src/vfs/errno.ts";

/** Every text that QEMU 7.2 and 11.1 were seen to refuse with, and what it comes to. */
const texts: readonly [ErrnoName, Refusal, ...descs: string[]][] = [
	[
		"ENOENT",
		"no such property",
		"Property 'pc-q35-7.2-machine.nosuch' not found",
		"Property 'x.a\nb' not found",
	],
	[
		"EACCES",
		"not readable",
		"Property 'qemu64-x86_64-cpu.legacy-memory' is not readable",
	],
	[
		"EACCES",
		"not writable",
		"Property 'container.type' is not writable",
		"Property 'mc146818rtc.date' is not writable",
	],
	["ENODATA", "no value", "No crash occurred"],
	[
		"EPERM",
		"fixed",
		"Attempt to set property 'mac' on anonymous device (type 'virtio-net-device') after it was realized",
		"Attempt to set property 'addr' on device 'net0' (type 'virtio-net-pci') after it was realized",
		"Attempt to set link property 'pci-mem' on device '(null)' (type 'mch') after it was realized",
		"Property cannot be set after initialization",
		"Property 'filename' can no longer be set",
		"cannot change property value",
		"cannot change property size of memory-backend-ram ",
		"'block-size' cannot be changed",
		"array size property ebpf-rss-fds may not be set more than once",
	],
	[
		"EINVAL",
		"invalid",
		"Invalid parameter type for 'merge', expected: boolean",
		"Invalid parameter type for 'p', expected: integer",
		"Invalid parameter type for 'p', expected: string",
		"Invalid parameter type for 'p', expected: object",
		"Invalid parameter type for 'p', expected: array",
		"Invalid parameter type for 'addr', expected int or str",
		"Invalid parameter type for 'limits.iops-total', expected: integer",
		"Invalid parameter type for 'paths[1]', expected: string",
		"Invalid parameter type for 'iothread', expected: iothread",
		"Parameter 'requested-size' expects uint64",
		"Parameter 'policy' does not accept value 'nosuch'",
		"Parameter 'limits.nosuch' is unexpected",
		"Parameter 'rules[0].match' is missing",
		"Property 'virtio-net-device.mac' doesn't take value 'zz'",
		"Property 'virtio-net-device.netdev' can't find value 'nosuch'",
		"Cannot find device='' nor node-name='nosuch'",
		"value of property 'vendor' must consist of exactly 12 characters",
		"parameter logical_block_size must be a power of 2 between 512 and 2097152",
		"'requested-size' has to be multiples of 'block-size' (0x100000)",
	],
	[
		"ERANGE",
		"out of range",
		"Parameter 'vectors' expects uint32_t",
		"Parameter 'p' expects uint8_t",
		"Parameter 'p' expects uint16_t",
		"Parameter 'bootindex' expects int32_t",
		"Parameter 'addr' expects a value between -1 and 255",
		"poll-max-ns value must be in range [0, 9223372036854775807]",
		"bps/iops/max values must be within [0, 1000000000000000]",
		"timer value must be greater than zero",
		"timer value is too big",
		"Property .family doesn't take value 999999 (minimum: 0, maximum: 270)",
		"parameter 'family' can be at most 270",
		"value 200000.000 C is out of range",
	],
	[
		"EBUSY",
		"busy",
		"netdev=nd0 conflicts, and override is not implemented",
		"The bootindex 3 has already been used",
		"object 'mA' is in use, can not be deleted",
		"Cannot delete host memory backend 'mA' which is mapped",
		"Chardev 'ch0' is busy",
		"Device vr1 is already in the process of unplug",
	],
	[
		"EIO",
		"other",
		"Something new",
		"It said: No crash occurred",
		"bps/iops/max total values and read/write values cannot be used at the same time",
		"User specified x-oem-id value is bigger than 6 bytes in size",
	],
];

const refuse = (desc: string, errorClass = "GenericError") =>
	refusalOf(new CommandError("qom-set", errorClass, desc), "/machine", "x");

describe("QEMU's refusals", () => {
	it.each(
		texts.flatMap(([errno, refusal, ...descs]) =>
			descs.map((desc) => [errno, refusal, desc] as const),
		),
	)("%s, '%s': %s", (errno, refusal, desc) => {
		const error = refuse(desc);
		expect(error.refusal).toBe(refusal);
		expect(errnoName(error)).toBe(errno);
	});

	it.each<[Refusal, errorClass: string, desc: string]>([
		["no such object", "DeviceNotFound", "Device '/machine' not found"],
		["invalid", "DeviceNotFound", "Device '/objects/nosuch' not found"],
		["other", "CommandNotFound", "The command qom-list-get has not been found"],
		["other", "ErrorOfTheFuture", "Something new"],
	])("mean '%s' of the class %s: %s", (refusal, errorClass, desc) => {
		expect(refuse(desc, errorClass).refusal).toBe(refusal);
	});

	it("names the object that is missing, unless the value named it", () => {
		const missing = new CommandError(
			"qom-get",
			"DeviceNotFound",
			"Device '/a' not found",
		);
		expect(refusalOf(missing, "/a").refusal).toBe("no such object");
		expect(refusalOf(missing, "/a", "p").refusal).toBe("no such object");
		expect(refusalOf(missing, "/b", "p").refusal).toBe("invalid");
	});

	it.each<[expected: string | undefined, desc: string]>([
		["boolean", "Invalid parameter type for 'merge', expected: boolean"],
		["integer", "Invalid parameter type for 'p', expected: integer"],
		["number", "Invalid parameter type for 'p', expected: number"],
		["string", "Invalid parameter type for 'p', expected: string"],
		["object", "Invalid parameter type for 'p', expected: object"],
		["array", "Invalid parameter type for 'p', expected: array"],
		["uint64", "Parameter 'requested-size' expects uint64"],
		["int64", "Parameter 'p' expects int64"],
		[undefined, "Invalid parameter type for 'iothread', expected: iothread"],
		[undefined, "Invalid parameter type for 'addr', expected int or str"],
		[
			undefined,
			"Invalid parameter type for 'limits.iops-total', expected: integer",
		],
		[undefined, "Invalid parameter type for 'rules[0]', expected: object"],
		[undefined, "Parameter 'vectors' expects uint32_t"],
		[undefined, "Parameter 'limits.x' expects uint64"],
		[undefined, "Parameter 'addr' expects a value between -1 and 255"],
		[undefined, "Property 'x.p' is not writable"],
	])("ask for %s: %s", (expected, desc) => {
		expect(refuse(desc).expected).toBe(expected);
	});

	it("keep QEMU's class and text, and name their subject", () => {
		const cause = new CommandError("qom-get", "GenericError", "No.");
		expect(refusalOf(cause, "/machine", "x")).toMatchObject({
			class: "GenericError",
			desc: "No.",
			message: "/machine.x: No.",
			cause,
		});
		expect(refusalOf(cause, "/machine").message).toBe("/machine: No.");
	});
});
