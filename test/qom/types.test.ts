import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseType } from "../../src/qom/types.ts";

describe("reading a property's type", () => {
	it.each([
		["child<qemu:memory-region>", "child", "qemu:memory-region"],
		["child<>", "child", ""],
		["link<pci-bus>", "link", "pci-bus"],
		["link<guest statistics>", "link", "guest statistics"],
		["uint64", "value", "uint64"],
		["struct tm", "value", "struct tm"],
		["", "value", ""],
		["child", "value", "child"],
		["child<irq", "value", "child<irq"],
		["grandchild<irq>", "value", "grandchild<irq>"],
		["link<irq> ", "value", "link<irq> "],
		["Child<irq>", "value", "Child<irq>"],
		["list<irq>", "value", "list<irq>"],
	])("%j is a %s of %j", (text, kind, type) => {
		expect(parseType(text)).toStrictEqual({ kind, type });
	});

	it("keeps whatever stands between the brackets", () => {
		fc.assert(
			fc.property(fc.string({ unit: "binary" }), (type) => {
				expect(parseType(`child<${type}>`)).toStrictEqual({
					kind: "child",
					type,
				});
			}),
		);
	});
});
