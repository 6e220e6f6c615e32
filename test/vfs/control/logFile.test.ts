import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LogFile } from "../../../src/vfs/control/logFile.ts";
import type { FileHandle } from "../../../src/vfs/fileHandle.ts";

/** Reads on from an offset until there is no more, as `cat` and `tail` do. */
async function readFrom(
	handle: FileHandle,
	start: number,
	length = 4096,
): Promise<string> {
	let text = "";
	for (;;) {
		const bytes = await handle.read(length, start + Buffer.byteLength(text));
		if (bytes.length === 0) return text;
		text += Buffer.from(bytes).toString();
	}
}

function filled(maxLines: number, ...lines: string[]): LogFile {
	const log = new LogFile(maxLines);
	for (const line of lines) log.append(line);
	return log;
}

describe("a log file", () => {
	it("is empty at first", async () => {
		const log = new LogFile(3);
		expect(log.size).toBe(0);
		expect(await readFrom(log.open(), 0)).toBe("");
	});

	it("holds its lines, and has their size", async () => {
		const log = filled(3, "one", "zwölf");
		expect(await readFrom(log.open(), 0)).toBe("one\nzwölf\n");
		expect(log.size).toBe(Buffer.byteLength("one\nzwölf\n"));
	});

	it("is read in pieces of any length", async () => {
		const log = filled(5, "a", "bcd", "", "efgh");
		for (const length of [1, 2, 3, 7])
			expect(await readFrom(log.open(), 0, length)).toBe("a\nbcd\n\nefgh\n");
	});

	it("shows on an open handle what comes later", async () => {
		const log = filled(3, "one");
		const handle = log.open();
		expect(await readFrom(handle, 0)).toBe("one\n");
		log.append("two");
		expect(await readFrom(handle, 4)).toBe("two\n");
		expect(await readFrom(handle, log.size)).toBe("");
	});

	it("drops its oldest lines, but never gets smaller", async () => {
		const log = filled(2, "one", "two", "three");
		expect(log.size).toBe("one\ntwo\nthree\n".length);
		expect(await readFrom(log.open(), 0)).toBe("two\nthree\n");
	});

	it("lets a reader that was left behind go on with what there is", async () => {
		const log = filled(2, "one", "two");
		const handle = log.open();
		expect(Buffer.from(await handle.read(2, 0)).toString()).toBe("on");
		for (const line of ["three", "four", "five"]) log.append(line);
		expect(await readFrom(handle, 2)).toBe("four\nfive\n");
	});

	it("gives a reader that keeps up every line once, whatever is dropped", async () => {
		await fc.assert(
			fc.asyncProperty(
				fc.array(
					fc.string({ maxLength: 8 }).filter((s) => !s.includes("\n")),
					{
						maxLength: 30,
					},
				),
				async (lines) => {
					const log = new LogFile(1);
					const handle = log.open();
					let text = "";
					for (const line of lines) {
						log.append(line);
						text += await readFrom(handle, Buffer.byteLength(text));
					}
					expect(text).toBe(lines.map((line) => `${line}\n`).join(""));
				},
			),
		);
	});

	it("ends where its size says, for a tail that starts at the end", async () => {
		const log = filled(2, "one", "two", "three");
		const [handle, end] = [log.open(), log.size];
		expect((await handle.read(100, end)).length).toBe(0);
		log.append("four");
		expect(await readFrom(handle, end)).toBe("four\n");
		// tail -n 1 reads the last bytes before the end.
		const last = await log.open().read(5, log.size - 5);
		expect(Buffer.from(last).toString()).toBe("four\n");
	});

	it("is not written to", async () => {
		await expect(
			new LogFile(1).open().write(Buffer.from("x"), 0),
		).rejects.toMatchObject({ code: "EBADF" });
	});
});
