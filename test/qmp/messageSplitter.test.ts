import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ProtocolError } from "../../src/errors.ts";
import { MessageSplitter } from "../../src/qmp/messageSplitter.ts";

const trickyString = fc.string({
	unit: fc.constantFrom(
		...["{", "}", "[", "]", '"', "\\", "\n", "\r", " ", "a", "é", "€", "😀"],
	),
});

const { value: anyValue } = fc.letrec((tie) => ({
	value: fc.oneof(
		{ depthSize: "small" },
		trickyString,
		fc.integer(),
		fc.constantFrom(true, false, null),
		fc.array(tie("value"), { maxLength: 4 }),
		fc.dictionary(trickyString, tie("value"), { maxKeys: 4 }),
	),
}));

const anyText = fc
	.tuple(fc.dictionary(trickyString, anyValue, { maxKeys: 4 }), fc.boolean())
	.map(([object, pretty]) =>
		pretty
			? JSON.stringify(object, null, 4).replaceAll("\n", "\r\n")
			: JSON.stringify(object),
	);

const anyMessages = fc.array(
	fc.record({
		text: anyText,
		separator: fc.constantFrom("", "\n", "\r\n", " \t\r\n"),
	}),
	{ maxLength: 6 },
);

function pushAll(
	splitter: MessageSplitter,
	chunks: readonly Uint8Array[],
): string[] {
	return chunks.flatMap((chunk) => splitter.push(chunk));
}

function cutAt(bytes: Buffer, positions: readonly number[]): Buffer[] {
	const cuts = [...positions, bytes.length].sort((a, b) => a - b);
	return cuts.map((cut, index) => bytes.subarray(cuts[index - 1] ?? 0, cut));
}

function singly(bytes: Buffer): Buffer[] {
	return [...bytes].map((byte) => Buffer.of(byte));
}

function protocolError(action: () => unknown): ProtocolError {
	try {
		action();
	} catch (error) {
		expect(error).toBeInstanceOf(ProtocolError);
		return error as ProtocolError;
	}
	throw new Error("nothing was thrown");
}

describe("cutting a stream into messages", () => {
	it("gives the same texts wherever the stream is cut", () => {
		fc.assert(
			fc.property(
				anyMessages,
				fc.array(fc.double({ min: 0, max: 1, noNaN: true })),
				(messages, cuts) => {
					const texts = messages.map(({ text }) => text);
					const bytes = Buffer.from(
						messages.map(({ text, separator }) => text + separator).join(""),
					);
					const positions = cuts.map((cut) => Math.floor(cut * bytes.length));
					for (const chunks of [cutAt(bytes, positions), singly(bytes)]) {
						const splitter = new MessageSplitter();
						expect(pushAll(splitter, chunks)).toStrictEqual(texts);
						expect(splitter.pendingBytes).toBe(0);
					}
				},
			),
		);
	});

	it("gives a message as soon as its last brace is there", () => {
		const splitter = new MessageSplitter();
		expect(splitter.push(Buffer.from('{"a":{}'))).toStrictEqual([]);
		expect(splitter.pendingBytes).toBe(7);
		expect(splitter.push(Buffer.from('}{"b"'))).toStrictEqual(['{"a":{}}']);
		expect(splitter.pendingBytes).toBe(4);
	});

	it("passes whitespace between messages over", () => {
		const splitter = new MessageSplitter();
		expect(splitter.push(Buffer.from(" \r\n\t"))).toStrictEqual([]);
		expect(splitter.pendingBytes).toBe(0);
	});
});

describe("limits of a message", () => {
	const limits = { messageBytes: 9, depth: 3 };
	const push = (chunks: readonly Uint8Array[]) =>
		pushAll(new MessageSplitter(limits), chunks);

	it("is accepted up to the longest length, each message for itself", () => {
		const longest = Buffer.from('{"a":"é"}'.slice(0, 6).concat('é"}'));
		expect(longest.length).toBe(10);
		const fitting = Buffer.from('{"a":"b"}{"a":"c"}');
		expect(push([fitting])).toStrictEqual(['{"a":"b"}', '{"a":"c"}']);
		expect(push(singly(fitting))).toStrictEqual(['{"a":"b"}', '{"a":"c"}']);
		expect(() => push([longest])).toThrow(ProtocolError);
		expect(() => push(singly(longest))).toThrow(ProtocolError);
	});

	it("is not waited for once it is too long", () => {
		const endless = Buffer.from('{"a":"bbbbbbb');
		expect(() => push([endless])).toThrow(/longer than 9 bytes/);
		expect(() => push(singly(endless))).toThrow(ProtocolError);
	});

	it("is accepted down to the deepest nesting, brackets in strings aside", () => {
		const push = (text: string) =>
			new MessageSplitter({ depth: 3 }).push(Buffer.from(text));
		for (const text of ['{"a":[{}]}', '{"a":[[],[]]}', '{"[[[{{{":"{{{["}'])
			expect(push(text)).toStrictEqual([text]);
		expect(() => push('{"a":[{"b":[')).toThrow(/more than 3 levels/);
	});

	it("is accepted with numbers of so many digits, those in strings aside", () => {
		const numbers = (digits: number) => {
			const number = "9".repeat(digits);
			return Buffer.from(
				`{"${number}9":[${number},-${number}.5e1,"${number}9"]}`,
			);
		};
		for (const cut of [(bytes: Buffer) => [bytes], singly]) {
			const accepted = numbers(398);
			expect(pushAll(new MessageSplitter(), cut(accepted))).toStrictEqual([
				accepted.toString(),
			]);
			expect(
				protocolError(() => pushAll(new MessageSplitter(), cut(numbers(401))))
					.message,
			).toMatch(/more than 400 digits/);
		}
	});

	it.each([
		['{"a":[1,2,3,4,5],"b":",,,,","c":"[[[9999999999999999"}', 35],
		['{"a":{},"b":[]}', 23],
		['{"a":-1234567890123456,"b":123456789012345}', 25],
	])(
		"is accepted with so many values, each message for itself: %s",
		(text, values) => {
			const splitter = new MessageSplitter({ values });
			for (let count = 0; count < 3; count++)
				expect(splitter.push(Buffer.from(text))).toStrictEqual([text]);
			const less = new MessageSplitter({ values: values - 1 });
			expect(protocolError(() => less.push(Buffer.from(text))).message).toMatch(
				`more than ${values - 1} values`,
			);
		},
	);

	it("takes memory for its bytes, not for the pieces in which they come", () => {
		const splitter = new MessageSplitter();
		const text = `{"a":"${"x".repeat(300_000)}"}`;
		const byte = Buffer.alloc(1);
		splitter.push(Buffer.from(text.slice(0, 6)));
		// One and the same buffer, as the splitter may not keep what it is given.
		for (let index = 6; index < text.length - 1; index++) {
			byte[0] = text.charCodeAt(index);
			expect(splitter.push(byte)).toStrictEqual([]);
		}
		expect(splitter.push(Buffer.from("}"))).toStrictEqual([text]);
	});

	it("lets all pass that QEMU itself would read", () => {
		const text = `{"a":${"[".repeat(1023)}${"]".repeat(1023)}}`;
		expect(new MessageSplitter().push(Buffer.from(text))).toStrictEqual([text]);
	});
});

describe("what cannot be QMP", () => {
	it.each([
		["a Latin-1 letter", [0xe9]],
		["an overlong NUL", [0xc0, 0x80]],
		["a surrogate", [0xed, 0xa0, 0x80]],
		["a sequence cut short", [0xe2, 0x82]],
		["a byte that UTF-8 never has", [0xff]],
	])("refuses invalid UTF-8: %s", (_name, bytes) => {
		const message = Buffer.concat([
			Buffer.from('{"a":"'),
			Buffer.from(bytes),
			Buffer.from('"}'),
		]);
		for (const chunks of [[message], singly(message)])
			expect(
				protocolError(() => pushAll(new MessageSplitter(), chunks)).message,
			).toMatch(/UTF-8/);
	});

	it.each([
		"garbage",
		"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
		"SSH-2.0-OpenSSH_9.2\r\n",
		"[1]",
		"}",
		'"text"',
		"\u0000",
		'{"QMP":{}}garbage',
	])("refuses %j in one line that shows it", (text) => {
		const { message } = protocolError(() =>
			new MessageSplitter().push(Buffer.from(text)),
		);
		expect(message).toMatch(/does not speak QMP: ".+"; give /);
		expect(message).not.toContain("\n");
	});

	it("names telnet, and the option that ends it", () => {
		const negotiation = Buffer.of(0xff, 0xfb, 0x01, 0xff, 0xfb, 0x03);
		const { message } = protocolError(() =>
			new MessageSplitter().push(negotiation),
		);
		expect(message).toMatch(/telnet=on/);
	});
});
