/** What real kernels have asked for, answered again: byte for byte as it was when they took it. */
import { readdirSync, readFileSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import * as abi from "../../../src/fuse/kernel/abi.ts";
import { FakeKernel } from "../../support/fakeKernel.ts";
import { smallRoot } from "../../support/smallTree.ts";

const fixtures = new URL("../../fixtures/", import.meta.url).pathname;
const recordings = readdirSync(fixtures).filter((name) =>
	/^kernel-.*\.txt$/.test(name),
);

const uniqueOf = (message: Buffer) => message.readBigUInt64LE(8);

describe("a recorded session", () => {
	it("was recorded", () => {
		expect(recordings).not.toEqual([]);
	});

	it.each(recordings)("of %s is answered as it was", async (recording) => {
		const lines = readFileSync(fixtures + recording, "utf8").split("\n");
		const bytes = (direction: string) =>
			lines
				.filter((line) => line.startsWith(`${direction} `))
				.map((line) => Buffer.from(line.slice(2), "hex"));
		const kernel = new FakeKernel(smallRoot());
		for (const request of bytes("<")) {
			kernel.sendRaw(request);
			await turn();
		}
		await turn();
		const answers = new Map(
			kernel.answers.map((answer) => [uniqueOf(answer), answer]),
		);
		const expected = bytes(">");
		expect(expected.length).toBeGreaterThan(100);
		expect(answers.size).toBe(expected.length);
		for (const answer of expected)
			expect(answers.get(uniqueOf(answer))?.toString("hex")).toBe(
				answer.toString("hex"),
			);
		// It is worth something only if it asks for much.
		const kinds = bytes("<").map((request) =>
			request.readUInt32LE(abi.inHeader.opcode),
		);
		expect(new Set(kinds).size).toBeGreaterThan(20);
	});
});
