import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { WriteAssembler } from "../../src/vfs/writeAssembler.ts";

const bytes = (text: string) => Buffer.from(text, "latin1");
const mebibyte = 1024 * 1024;

describe.each([
	["at its offsets", false],
	["in append mode", true],
])("writes on a handle, %s", (_mode, append) => {
	let assembler: WriteAssembler;
	let position: number;

	beforeEach(() => {
		assembler = new WriteAssembler(append);
		position = 0;
	});

	/** Each write goes where the one before ended. */
	function add(text: string): string | undefined {
		const value = assembler.add(bytes(text), position);
		position += text.length;
		return value;
	}

	/** What comes out of each write, when every text is set. */
	function setEach(...writes: string[]): (string | undefined)[] {
		return writes.map((write) => {
			const text = add(write);
			if (text !== undefined) assembler.markSet();
			return text;
		});
	}

	it.each<[writes: string[], values: (string | undefined)[]]>([
		[["7\n"], ["7"]],
		[["7"], ["7"]],
		[["7\n\n"], ["7\n"]],
		[["\n"], [""]],
		[["a\nb\n"], ["a\nb"]],
		[
			["7", "\n"],
			["7", "7"],
		],
		[
			["7", "5"],
			["7", "75"],
		],
		[
			["7\n", "5\n"],
			["7", "5"],
		],
		[
			["1", "2\n", "3", "4\n"],
			["1", "12", "3", "34"],
		],
		[
			["\n", "\n"],
			["", ""],
		],
		[["\r\n"], ["\r"]],
		[["\xef\xbb\xbf1\n"], ["\ufeff1"]],
		[["\0"], ["\0"]],
		// é, €, 😀, cut wherever they can be
		[
			["\xc3", "\xa9\n"],
			[undefined, "é"],
		],
		[
			["a\xe2", "\x82", "\xac"],
			[undefined, undefined, "a€"],
		],
		[
			["\xf0", "\x9f", "\x98", "\x80\n", "1"],
			[undefined, undefined, undefined, "😀", "1"],
		],
	])("%j mean %j", (writes, values) => {
		expect(setEach(...writes)).toEqual(values);
	});

	it("hold what was not set until it is", () => {
		expect(assembler.isHeld).toBe(false);
		add("{");
		expect(assembler.isHeld).toBe(true);
		expect(add("\n")).toBe("{");
		expect(add("}\n")).toBe("{\n}");
		expect(assembler.isHeld).toBe(true);
		assembler.markSet();
		expect(assembler.isHeld).toBe(false);
		expect(add("x")).toBe("x");
	});

	it("begin anew after a reset", () => {
		add("wrong");
		assembler.reset();
		expect(assembler.isHeld).toBe(false);
		expect(add("5\n")).toBe("5");
	});

	it.each([
		"\xff",
		"a\xff\n",
		"\xc3\n",
		"\xc3(",
		"\xc0\xaf",
		"\xed\xa0\x80",
		"\xf5",
		"\xf4\x90\x80\x80",
		"\xe2\x82\n",
		"\x80",
	])("that are no UTF-8 are refused: %j", (text) => {
		expect(() => add(text)).toThrow(
			expect.objectContaining({ code: "EINVAL" }),
		);
	});

	it("take up to 1 MiB, in one or in many", () => {
		const part = "x".repeat(mebibyte / 8);
		for (let count = 1; count <= 8; count++)
			expect(add(part)?.length).toBe(count * part.length);
		expect(() => add("x")).toThrow(expect.objectContaining({ code: "EFBIG" }));
		assembler.reset();
		expect(() => add("x".repeat(mebibyte + 1))).toThrow(
			expect.objectContaining({ code: "EFBIG" }),
		);
	});

	it("copy the bytes, which the caller may use again", () => {
		const buffer = bytes("1");
		assembler.add(buffer, 0);
		buffer.fill("9");
		expect(assembler.add(bytes("2"), 1)).toBe("12");
	});

	it("of any text, cut anywhere, end with that text", () => {
		fc.assert(
			fc.property(
				fc.string({ unit: "grapheme", minLength: 1 }),
				fc.array(fc.nat(20)),
				(text, lengths) => {
					const whole = Buffer.from(text);
					const fresh = new WriteAssembler(append);
					let [at, last]: [number, string | undefined] = [0, undefined];
					for (const length of [...lengths, whole.length]) {
						const part = whole.subarray(at, at + length);
						if (part.length === 0) continue;
						last = fresh.add(part, at);
						at += part.length;
					}
					expect(last).toBe(text.endsWith("\n") ? text.slice(0, -1) : text);
				},
			),
		);
	});
});

describe("where a write begins", () => {
	it("is no matter for the first one", () => {
		const assembler = new WriteAssembler(false);
		expect(assembler.add(bytes("7"), 4096)).toBe("7");
		expect(assembler.add(bytes("5"), 4097)).toBe("75");
	});

	it("makes a new value of one that does not go on where the last ended", () => {
		const assembler = new WriteAssembler(false);
		assembler.add(bytes("75"), 0);
		expect(assembler.add(bytes("9"), 0)).toBe("9");
		expect(assembler.add(bytes("1"), 7)).toBe("1");
	});

	it("is no matter in append mode, where the kernel makes it up", () => {
		const assembler = new WriteAssembler(true);
		assembler.add(bytes("7"), 6);
		expect(assembler.add(bytes("5"), 2)).toBe("75");
	});
});
