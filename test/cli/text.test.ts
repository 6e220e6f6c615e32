import { describe, expect, it } from "vitest";
import { onLines, onOneLine } from "../../src/cli/text.ts";

const codes = (first: number, last = first) =>
	Array.from({ length: last - first + 1 }, (_, index) => first + index);

const unsafe = [
	...codes(0x00, 0x08),
	...codes(0x0b, 0x1f),
	...codes(0x7f, 0x9f),
	...[0x061c, 0x200e, 0x200f, 0x2028, 0x2029],
	...codes(0x202a, 0x202e),
	...codes(0x2066, 0x2069),
].map((code) => [`U+${code.toString(16).padStart(4, "0")}`, code] as const);

describe("on a terminal", () => {
	it.each(unsafe)("%s is replaced", (_name, code) => {
		const text = `a${String.fromCodePoint(code)}b`;
		expect(onOneLine(text)).toBe("a?b");
		expect(onLines(text)).toBe("a?b");
	});

	it.each(["", "plain text", "ü 漢字 😀 עברית", "a\u00a0b", "\u200d\ufe0f"])(
		"%j stays as it is",
		(text) => {
			expect(onOneLine(text)).toBe(text);
			expect(onLines(text)).toBe(text);
		},
	);

	it("a text keeps its lines and tabs", () => {
		expect(onLines("a\tb\nc\r\n\nd")).toBe("a\tb\nc\r\n\nd");
	});

	it("a carriage return writes over nothing", () => {
		expect(onLines("safe\rb\r\r\n")).toBe("safe?b?\r\n");
	});

	it("a line stays one line", () => {
		expect(onOneLine("a\n\nb")).toBe("a b");
		expect(onOneLine("a\r\nb")).toBe("a?b");
		expect(onOneLine("a\tb")).toBe("a?b");
		expect(onOneLine("\x1b\x1b[31m")).toBe("?[31m");
	});
});
