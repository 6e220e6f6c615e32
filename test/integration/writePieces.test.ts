/** Values that are written in pieces. */
import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { valuesSet } from "../support/countingProxy.ts";
import { expectFailure, failures } from "../support/failures.ts";
import { lacksMount } from "../support/mounted.ts";
import { file, WrittenMount } from "../support/writtenMount.ts";

describe.skipIf(lacksMount)("a mount that is written to", () => {
	let written: WrittenMount;

	beforeAll(async () => {
		written = await WrittenMount.start();
	});

	afterAll(() => written?.stop());

	describe("JSON and text in pieces", () => {
		const limits = "/objects/tg0/limits";
		const rules = "/objects/authz0/rules";

		it("holds JSON until it is complete", async () => {
			const requests = await written.asked(
				`{ printf '{"iops-'; printf 'total":'; echo; printf 9; echo '}'; } > ${file(limits)}`,
			);
			expect(valuesSet(requests)).toEqual([{ "iops-total": 9 }]);
			expect(await written.get("/objects/tg0", "limits")).toMatchObject({
				"iops-total": 9,
			});
		});

		it("takes JSON of hundreds of kilobytes, in the pieces that cat makes", async () => {
			const many = Array.from({ length: 4500 }, (_, index) => ({
				match: `user [${index}] "é{`,
				...{ policy: "allow", format: "glob" },
			}));
			const source = join(written.vm.directory, "rules.json");
			await writeFile(source, `${JSON.stringify(many)}\n`);
			const requests = await written.asked(`cat ${source} > ${file(rules)}`);
			expect(valuesSet(requests)).toHaveLength(1);
			expect(requests.at(-1)?.bytes).toBeGreaterThan(256 * 1024);
			expect(await written.get("/objects/authz0", "rules")).toEqual(many);
			const { stdout } = await written.sh(`cat ${file(rules)}`);
			expect(JSON.parse(stdout)).toEqual(many);
			await written.asked(`echo '[]' > ${file(rules)}`);
		});

		it("records JSON that was not complete at close", async () => {
			const requests = await written.asked(
				`printf '{"iops-total":' > ${file(limits)}`,
			);
			expect(valuesSet(requests)).toEqual([]);
			// The shell's close does not wait for it.
			await expect
				.poll(async () => (await failures(written.mounted)).at(-1))
				.toMatchObject({
					...{ operation: "close", path: limits, class: null },
					...{ errno: "EINVAL", desc: expect.stringMatching(/complete/) },
				});
		});

		it("takes a string of several lines, written at once", async () => {
			const requests = await written.asked(
				`cat > ${file("/machine/append")} <<< $'two\nlines\n'`,
			);
			expect(valuesSet(requests)).toEqual(["two\nlines\n"]);
			expect(await written.get("/machine", "append")).toBe("two\nlines\n");
		});

		it("puts a character together that comes in two writes", async () => {
			const requests = await written.asked(
				`{ printf 'caf\\xc3'; printf '\\xa9\\n'; } > ${file("/machine/append")}`,
			);
			expect(valuesSet(requests)).toEqual(["café"]);
		});

		it.each<[string, string, path: string, sees: string, errno: string]>([
			[
				...([
					"more than 1 MiB",
					"{ printf '['; head -c 1100000 /dev/zero | tr '\\0' ' '; }",
				] as const),
				...([rules, "File too large", "EFBIG"] as const),
			],
			[
				"bytes that are no UTF-8",
				"printf 'a\\xffb\\n'",
				"/machine/append",
				"Invalid argument",
				"EINVAL",
			],
			[
				"half a character and a newline",
				"printf '\\xc3\\n'",
				"/machine/append",
				"Invalid argument",
				"EINVAL",
			],
			[
				"an encoded surrogate",
				"printf '\\xed\\xa0\\x80\\n'",
				"/machine/append",
				"Invalid argument",
				"EINVAL",
			],
			[
				"half a surrogate pair in JSON",
				`echo '{"iops-total":"\\ud800"}'`,
				limits,
				"Invalid argument",
				"EINVAL",
			],
			[
				"half a surrogate pair as a name",
				`echo '{"\\udc00x":1}'`,
				limits,
				"Invalid argument",
				"EINVAL",
			],
		])(
			"refuses %s, and QEMU never hears of it",
			async (_what, program, path, sees, errno) => {
				const requests = await written.proxy.during(() =>
					expectFailure(written.mounted, {
						...{
							line: `set -o pipefail; ${program} | cat > ${file(path)}`,
							path,
						},
						...{ sees, errno, desc: /./, class: null },
					}),
				);
				expect(valuesSet(requests)).toEqual([]);
				expect(await written.qmp.execute("query-status")).toBeTruthy();
			},
		);

		const text = (bytes: number) => `head -c ${bytes} /dev/zero | tr '\\0' x`;
		const append = file("/machine/append");
		const lengthsSet = (requests: Parameters<typeof valuesSet>[0]) =>
			valuesSet(requests).map((value) => String(value).length);

		it.each([
			["that ends in the midst of a block", 50_000],
			["of whole blocks, at the close", 40_960],
			["of the longest length", 2 ** 20],
		])("sets a value %s once", async (_what, bytes) => {
			const requests = await written.asked(
				`${text(bytes)} | dd bs=4096 iflag=fullblock status=none > ${append}; cat ${append} > /dev/null`,
			);
			expect(lengthsSet(requests)).toEqual([bytes]);
		});

		it("sets a piece that nothing follows, and extends it with what does", async () => {
			const requests = await written.asked(
				`exec 3> ${append}; ${text(4096)} >&3; for i in $(seq 100); do [ $(wc -c < ${append}) = 4097 ] && break; sleep 0.1; done; printf y >&3`,
			);
			expect(lengthsSet(requests)).toEqual([4096, 4097]);
		});

		it("sets a piece that is not continued, before what comes elsewhere", async () => {
			const requests = await written.proxy.during(async () => {
				const into = await open(
					join(written.mounted.path, "machine/append"),
					"w",
				);
				await into.write(Buffer.alloc(4096, "a"), 0, 4096, 0);
				await into.write("b\n", 0);
				await into.close();
			});
			expect(lengthsSet(requests)).toEqual([4096, 1]);
		});

		it("takes values again after one that was too long, as a loop writes them", async () => {
			const requests = await written.proxy.during(() =>
				written.sh(
					`(${text(1_100_000)}; echo; echo ok1; echo ok2) > ${append}`,
				),
			);
			expect(valuesSet(requests)).toEqual(["ok1", "ok2"]);
		});

		it("tells the next write what became of a piece", async () => {
			const { stderr } = await written.sh(
				`exec 3> ${file("/objects/io0/poll-grow")}; ${text(4096)} >&3; sleep 0.5; echo 5 >&3`,
			);
			expect(stderr).toContain("Invalid argument");
		});

		it.each([
			["3 MiB", 0],
			["3 MiB", 1],
			["3 MiB", 4095],
			["1 MiB", 0],
			["1 MiB", 1],
			["1 MiB", 4095],
		])(
			"sets nothing of 3 MiB in writes of %s, from byte %i of a page",
			async (size, offset) => {
				const length = size === "1 MiB" ? 2 ** 20 : 3 * 2 ** 20;
				const requests = await written.proxy.during(async () => {
					const bytes = Buffer.alloc(2 ** 22, "x");
					const into = await open(
						join(written.mounted.path, "machine/append"),
						"w",
					);
					const outcomes: unknown[] = [];
					// As a program that goes on behind what was taken.
					for (let done = 0; done < 3 * 2 ** 20; ) {
						const taken = await into
							.write(
								bytes,
								offset + done,
								Math.min(length, 3 * 2 ** 20 - done),
								done,
							)
							.catch((error) => error.code);
						outcomes.push(taken.bytesWritten ?? taken);
						if (typeof taken === "string") break;
						done += taken.bytesWritten;
					}
					await into.close();
					expect(outcomes.at(-1)).toBe("EFBIG");
				});
				expect(valuesSet(requests)).toEqual([]);
			},
		);

		it("starts anew after a refusal on the same handle", async () => {
			const requests = await written.proxy.during(async () => {
				const { stderr } = await written.sh(
					`{ printf zz; printf '31\\n'; } > ${file("/objects/io0/poll-grow")}`,
				);
				expect(stderr).toContain("Invalid argument");
			});
			expect(valuesSet(requests).at(-1)).toBe(31);
			expect(await written.get("/objects/io0", "poll-grow")).toBe(31);
		});
	});
});
