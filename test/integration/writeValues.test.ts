/** Every kind of value, written through a mount and read back on another monitor. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatValue, kindOfValue, parseValue } from "../../src/qom/codec.ts";
import { valuesSet } from "../support/countingProxy.ts";
import { expectFailure } from "../support/failures.ts";
import { type Finished, lacksMount } from "../support/mounted.ts";
import { childPath, type RawQmp, toJson, walk } from "../support/rawQmp.ts";
import { file, quote, WrittenMount } from "../support/writtenMount.ts";

/** A value as the line that the file must hold. */
function line(value: unknown): string {
	return `${typeof value === "string" ? value : toJson(value)}\n`;
}

/** These go on by themselves. */
const changing = /^(rtc-time|date)$/;

/** What a second monitor reads from an object, children and links left out. */
async function valuesOf(
	qmp: RawQmp,
	object: string,
): Promise<Map<string, unknown>> {
	const values = new Map<string, unknown>();
	for (const { name, type } of await qmp.execute("qom-list", {
		path: object,
	})) {
		if (/^(child|link)</.test(type) || changing.test(name)) continue;
		const reply = await qmp.ask("qom-get", { path: object, property: name });
		if ("return" in reply) values.set(name, reply.return);
	}
	return values;
}

describe.skipIf(lacksMount)("a mount that is written to", () => {
	let written: WrittenMount;

	beforeAll(async () => {
		written = await WrittenMount.start();
	});

	afterAll(() => written?.stop());

	describe("property by property", () => {
		type Before = Record<string, unknown>;
		type Row = [object: string, property: string, text: string, after: unknown];

		const backend = "/machine/peripheral/vmem/virtio-backend";
		const fred = { match: "fred", policy: "allow", format: "exact" };
		const merged = (change: object) => (before: Before) => ({
			...before,
			...change,
		});

		const rows: Row[] = [
			["/objects/io0", "poll-max-ns", "1000", 1000],
			["/objects/io0", "poll-max-ns", "0x400", 1024],
			["/objects/io0", "poll-max-ns", "0XfF", 255],
			["/objects/io0", "poll-max-ns", "0b101", 5],
			["/objects/io0", "poll-max-ns", "1_000", 1000],
			["/objects/io0", "poll-max-ns", "8K", 8192],
			["/objects/io0", "poll-max-ns", "16m", 16777216],
			["/objects/io0", "poll-max-ns", "3G", 3221225472],
			["/objects/io0", "poll-max-ns", "+7", 7],
			["/objects/io0", "poll-max-ns", "  8 ", 8],
			["/objects/io0", "poll-max-ns", "9007199254740993", 9007199254740993n],
			["/objects/io0", "poll-max-ns", `${2n ** 63n - 1n}`, 2n ** 63n - 1n],
			["/objects/io0", "poll-grow", "2", 2],
			["/objects/io0", "poll-shrink", "3", 3],
			["/objects/io0", "aio-max-batch", "32", 32],
			["/objects/io0", "thread-pool-max", "0x80", 128],
			["/objects/io0", "thread-pool-min", "1", 1],
			[
				...([
					"/machine/peripheral/bal0",
					"guest-stats-polling-interval",
				] as const),
				...(["2", 2] as const),
			],
			[
				"/objects/tg0",
				"limits",
				'{"iops-total":100}',
				merged({ "iops-total": 100 }),
			],
			[
				"/objects/tg0",
				"limits",
				' { "bps-total" : 7 } ',
				merged({ "bps-total": 7 }),
			],
			["/objects/tg0", "limits", "{}", merged({})],
			[
				...(["/objects/tg0", "limits", '{\n"iops-size":\n9}'] as const),
				merged({ "iops-size": 9 }),
			],
			["/objects/sec0", "data", "bye bye", "bye bye"],
			["/objects/sec0", "data", "5", "5"],
			["/objects/sec0", "data", "true", "true"],
			["/objects/sec0", "data", '{"a":1}', '{"a":1}'],
			["/objects/sec0", "data", "", ""],
			[
				"/objects/sec0",
				"data",
				' é€😀\u0001\t\\u0041 "q" ',
				' é€😀\u0001\t\\u0041 "q" ',
			],
			["/objects/sec0", "format", "base64", "base64"],
			["/objects/sec0", "format", "raw", "raw"],
			["/objects/sec0", "file", "no such file", "no such file"],
			["/objects/sec0", "keyid", "key", "key"],
			["/objects/sec0", "iv", "x=", "x="],
			...[
				...["off", "on", "no", "yes", "false", "true", "0", "1", "Off", "TRUE"],
			].map(
				(text): Row => [
					...(["/objects/mem0", "merge", text] as const),
					/^(on|yes|true|1)$/i.test(text),
				],
			),
			["/objects/mem0", "dump", "off", false],
			["/objects/mem0", "prealloc", "on", true],
			["/objects/mem0", "prealloc-threads", "4", 4],
			["/objects/mem0", "policy", "preferred", "preferred"],
			["/objects/mem0", "host-nodes", "[0]", [0]],
			["/objects/fd0", "status", "off", "off"],
			["/objects/fd0", "status", "on", "on"],
			["/objects/fd0", "queue", "rx", "rx"],
			["/objects/fd0", "maxlen", "0xffff_ffff", 4294967295],
			["/objects/fd0", "file", "a  b", "a  b"],
			["/objects/authz0", "policy", "allow", "allow"],
			["/objects/authz0", "rules", `[${JSON.stringify(fred)}]`, [fred]],
			["/objects/authz0", "rules", "[]", []],
			["/machine/peripheral/net0", "bootindex", "7", 7],
			["/machine/peripheral/blk0", "bootindex", "0x8", 8],
			["/machine/peripheral/blk0", "bootindex", "-1", -1],
			["/machine/peripheral/vmem", "requested-size", "16M", 16777216],
			[backend, "requested-size", "0x20_0000", 2097152],
			["/machine", "append", "root=/dev/vda  quiet", "root=/dev/vda  quiet"],
			["/machine", "append", "", ""],
			["/machine", "append", "it's \\ * $HOME", "it's \\ * $HOME"],
			["/machine", "boot", '{"order":"d"}', { order: "d" }],
			["/machine", "graphics", "no", false],
			["/machine", "smm", "on", "on"],
			["/machine", "phandle-start", "-5", -5],
			["/machine", "max-fw-size", "4M", 4194304],
			[
				"/machine",
				"bus-lock-ratelimit",
				"18446744073709551615",
				2n ** 64n - 1n,
			],
			["/machine", "bus-lock-ratelimit", "15E", 15n * 2n ** 60n],
			[
				"/machine",
				"bus-lock-ratelimit",
				"0x7fff_ffff_ffff_ffff",
				2n ** 63n - 1n,
			],
			["/machine", "bus-lock-ratelimit", "0", 0],
		];
		/** What shows the same by another name. */
		const alsoChanges: Record<string, RegExp> = {
			limits: /^x-/,
			"requested-size": /^size$/,
		};

		it.each(rows)("%s %s takes %j", async (object, property, text, after) => {
			const before = await valuesOf(written.qmp, object);
			const path = file(`${object}/${property}`);
			let finished: Finished | undefined;
			const requests = await written.proxy.during(async () => {
				finished = await written.sh(
					`cat ${path} && echo ${quote(text)} > ${path} && cat ${path}`,
				);
			});
			const now = await valuesOf(written.qmp, object);
			expect(finished?.stderr).toBe("");
			expect(now.get(property)).toStrictEqual(
				typeof after === "function" ? after(before.get(property)) : after,
			);
			expect(finished?.stdout).toBe(
				line(before.get(property)) + line(now.get(property)),
			);
			expect(valuesSet(requests)).toHaveLength(1);
			for (const [name, value] of before)
				if (name !== property && !alsoChanges[property]?.test(name))
					expect([name, now.get(name)]).toStrictEqual([name, value]);
			expect(now.size).toBe(before.size);
		});

		it.each([
			["/objects/fd0", "maxlen"],
			["/machine/peripheral/vmem", "requested-size"],
			["/machine", "bus-lock-ratelimit"],
		])(
			"%s %s takes no negative number, and QEMU never hears of it",
			async (object, property) => {
				const path = `${object}/${property}`;
				await written.sh(`stat ${file(path)}`);
				const { commands } = await written.mounted.status();
				const before = await written.get(object, property);
				const requests = await written.proxy.during(async () =>
					expectFailure(written.mounted, {
						...{ line: `echo -1 >> ${file(path)}`, path },
						...{ sees: "Numerical result out of range", errno: "ERANGE" },
						...{ desc: /^-1: .* cannot be negative$/, class: null },
					}),
				);
				expect(valuesSet(requests)).toEqual([]);
				expect((await written.mounted.status()).commands - commands).toBe(
					requests.length,
				);
				expect(await written.get(object, property)).toStrictEqual(before);
			},
		);

		it("gives every value of the whole tree back as it was, from its text", async () => {
			let compared = 0;
			for (const { object, name, type } of await walk(written.qmp)) {
				if (/^(child|link)</.test(type)) continue;
				const path = childPath(object, name);
				const reply = await written.qmp.ask("qom-get", {
					...{ path: object, property: name },
				});
				const kind = kindOfValue(reply.return);
				if (!("return" in reply) || !kind) continue;
				// A uint32 that shows -1, and cannot be written anyhow.
				if (name === "priority" && reply.return < 0) continue;
				const again = parseValue(formatValue(reply.return), kind, type);
				expect([path, again]).toStrictEqual([path, reply.return]);
				compared++;
			}
			expect(compared).toBeGreaterThan(2500);
		});
	});

	describe("coherence", () => {
		const net0 = "/machine/peripheral/net0";
		const aliases = [
			[`${net0}/bootindex`, `${net0}/virtio-backend/bootindex`],
			[`${net0}/virtio-backend/bootindex`, `${net0}/bootindex`],
		] as const;

		it.each(aliases)(
			"a write to %s shows in %s at once",
			async (changed, other) => {
				// Sizes are fetched before each write, so that older values are at hand.
				const { stdout, stderr } = await written.sh(
					`for i in {40..59}; do
					stat -c %s ${file(changed)} ${file(other)} > /dev/null
					echo $i > ${file(changed)}
					cat ${file(other)} ${file(changed)}
				done`,
				);
				expect(stderr).toBe("");
				const numbers = Array.from({ length: 20 }, (_, index) => 40 + index);
				expect(stdout).toBe(
					numbers.map((number) => `${number}\n${number}\n`).join(""),
				);
			},
		);
	});
});
