import { describe, expect, it } from "vitest";
import { CommandError, type Refusal } from "../../src/errors.ts";
import { refusalOf } from "../../src/qom/refusal.ts";

const texts: readonly [Refusal, errorClass: string, desc: string][] = [
	["no such object", "DeviceNotFound", "Device '/nosuch' not found"],
	[
		"no such property",
		"GenericError",
		"Property 'pc-q35-7.2-machine.nosuch' not found",
	],
	["no such property", "GenericError", "Property 'x.a\nb' not found"],
	[
		"not readable",
		"GenericError",
		"Property 'qemu64-x86_64-cpu.legacy-memory' is not readable",
	],
	["no value", "GenericError", "No crash occurred"],
	["other", "GenericError", "Something new"],
	["other", "ErrorOfTheFuture", "Something new"],
	["other", "GenericError", "It said: No crash occurred"],
];

describe("QEMU's refusals", () => {
	it.each(texts)("means '%s': %s %j", (refusal, errorClass, desc) => {
		const cause = new CommandError("qom-get", errorClass, desc);
		expect(refusalOf(cause, "/machine.x").refusal).toBe(refusal);
	});

	it("keep QEMU's class and text, and name their subject", () => {
		const cause = new CommandError("qom-get", "GenericError", "No.");
		expect(refusalOf(cause, "/machine.x")).toMatchObject({
			class: "GenericError",
			desc: "No.",
			message: "/machine.x: No.",
			cause,
		});
	});
});
