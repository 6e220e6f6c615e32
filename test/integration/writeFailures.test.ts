/** What a user sees where a write or a read fails, by the reason. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
	type ExpectedFailure,
	expectFailure,
	failures,
} from "../support/failures.ts";
import { lacksMount, runQomfs } from "../support/mounted.ts";
import {
	file,
	lacksPython,
	noPython,
	quote,
	WrittenMount,
} from "../support/writtenMount.ts";

describe.skipIf(lacksMount)("a mount that is written to", () => {
	let written: WrittenMount;

	beforeAll(async () => {
		written = await WrittenMount.start();
	});

	afterAll(() => written?.stop());

	describe("failures", () => {
		const merge = "/objects/mem0/merge";

		beforeAll(async () => {
			await written.qmp.execute("qom-set", {
				...{
					path: "/machine/peripheral/net0",
					property: "bootindex",
					value: 3,
				},
			});
		});

		it.each([
			["bash", 1, "echo: write error: Invalid argument"],
			["dash", 1, "I/O error"],
		])(
			"in %s, echo ends with %d and says '%s'",
			async (shell, status, text) => {
				expect(
					await written.sh(`echo maybe > ${file(merge)}`, shell),
				).toMatchObject({ status, stderr: expect.stringContaining(text) });
				const { stdout } = await runQomfs("why", written.mounted.path + merge);
				expect(stdout).toContain("expected: boolean");
			},
		);

		it("python3 sees the errno", async ({ skip }) => {
			skip(lacksPython, noPython);
			const { stdout } = await written.sh(
				`F=$M${merge} python3 -c '
import errno, os
fd = os.open(os.environ["F"], os.O_WRONLY)
try: os.write(fd, b"maybe\\n")
except OSError as e: print(errno.errorcode[e.errno])'`,
			);
			expect(stdout).toBe("EINVAL\n");
		});

		const echo = (text: string, path: string) => ({
			line: `echo ${quote(text)} > ${file(path)}`,
			path,
		});
		const cat = (path: string) => ({
			line: `cat ${file(path)}`,
			...{ path, operation: "open" },
		});
		const accessDenied = { sees: "Permission denied", errno: "EACCES" };
		const notPermitted = { sees: "Operation not permitted", errno: "EPERM" };
		const invalid = { sees: "Invalid argument", errno: "EINVAL" };
		const outOfRange = {
			...{ sees: "Numerical result out of range", errno: "ERANGE" },
		};
		const interval = "/machine/peripheral/bal0/guest-stats-polling-interval";

		it.each<[string, ExpectedFailure]>([
			[
				"no value now",
				{
					...cat("/machine/unattached/device[0]/crash-information"),
					sees: "No data available",
					errno: "ENODATA",
					desc: /^No crash occurred$/,
				},
			],
			[
				"not writable",
				{
					...echo("x", "/objects/tg0/type"),
					...accessDenied,
					desc: /^Property 'throttle-group.type' is not writable$/,
				},
			],
			[
				"not writable (a child's alias)",
				{
					...echo("{}", "/machine/rtc-time"),
					...accessDenied,
					desc: /^Property 'mc146818rtc.date' is not writable$/,
				},
			],
			[
				"realized",
				{
					...echo("52:54:00:00:00:01", "/machine/peripheral/net0/mac"),
					...notPermitted,
					desc: /^Attempt to set property 'mac' on .* after it was realized$/,
				},
			],
			[
				"realized (a PCI address)",
				{
					...echo("1f.0", "/machine/peripheral/rng0/addr"),
					...notPermitted,
					desc: / after it was realized$/,
				},
			],
			[
				"fixed after init",
				{
					...echo("1", "/objects/tg0/x-iops-total"),
					...notPermitted,
					desc: /^Property cannot be set after initialization$/,
				},
			],
			[
				"fixed",
				{
					...echo("x", "/objects/r0/filename"),
					...notPermitted,
					desc: /^Property 'filename' can no longer be set$/,
				},
			],
			[
				"fixed (share)",
				{
					...echo("on", "/objects/mem0/share"),
					...notPermitted,
					desc: /^cannot change property value$/,
				},
			],
			[
				"fixed (size)",
				{
					...echo("32M", "/objects/mem0/size"),
					...notPermitted,
					desc: /^cannot change property size of /,
				},
			],
			[
				"fixed (block-size)",
				{
					...echo("4M", "/machine/peripheral/vmem/block-size"),
					...notPermitted,
					desc: /^'block-size' cannot be changed$/,
				},
			],
			[
				"wrong kind",
				{
					...echo("maybe", merge),
					...invalid,
					desc: /^Invalid parameter type for 'merge', expected: boolean$/,
				},
			],
			[
				"wrong kind (integer)",
				{
					...echo("12.5", "/objects/io0/poll-grow"),
					...invalid,
					desc: /expected: integer$/,
				},
			],
			[
				"wrong kind (list)",
				{
					...echo("x", "/objects/authz0/rules"),
					...invalid,
					desc: /expected: array$/,
				},
			],
			[
				"wrong kind (nested)",
				{
					...echo("[1]", "/objects/authz0/rules"),
					...invalid,
					desc: /^Invalid parameter type for 'rules\[0\]', expected: object$/,
				},
			],
			[
				"wrong kind (unsigned)",
				{
					...echo("0x", "/machine/bus-lock-ratelimit"),
					...invalid,
					desc: /^Parameter 'bus-lock-ratelimit' expects uint64$/,
				},
			],
			[
				"unknown word",
				{
					...echo("nosuch", "/objects/mem0/policy"),
					...invalid,
					desc: /^Parameter 'policy' does not accept value 'nosuch'$/,
				},
			],
			[
				"unknown word (OnOffAuto)",
				{
					...echo("yes", "/machine/smm"),
					...invalid,
					desc: /does not accept value 'yes'$/,
				},
			],
			[
				"unknown member",
				{
					...echo('{"nosuch":1}', "/objects/tg0/limits"),
					...invalid,
					desc: /^Parameter 'limits.nosuch' is unexpected$/,
				},
			],
			[
				"missing member",
				{
					...echo('[{"match":"x"}]', "/objects/authz0/rules"),
					...invalid,
					desc: /^Parameter 'rules\[0\]\.\w+' is missing$/,
				},
			],
			[
				"odd size",
				{
					...echo("5", "/machine/peripheral/vmem/requested-size"),
					...invalid,
					desc: /multiples of/,
				},
			],
			[
				"out of range",
				{
					...echo("-1", "/objects/io0/poll-grow"),
					...outOfRange,
					desc: /must be in range \[0, 9223372036854775807\]$/,
				},
			],
			[
				"out of range (struct)",
				{
					...echo('{"iops-total":-1}', "/objects/tg0/limits"),
					...outOfRange,
					desc: /must be within \[0, 1000000000000000\]$/,
				},
			],
			[
				"out of range (timer)",
				{
					...echo("-3", interval),
					...outOfRange,
					desc: /^timer value must be greater than zero$/,
				},
			],
			[
				"out of range (big timer)",
				{
					...echo("1T", interval),
					...outOfRange,
					desc: /^timer value is too big$/,
				},
			],
			[
				"out of range (uint32)",
				{
					...echo("4G", "/objects/fd0/maxlen"),
					...outOfRange,
					desc: /^Parameter 'maxlen' expects uint32_t$/,
				},
			],
			[
				"out of range (64 bits)",
				{
					...echo("16E", "/machine/bus-lock-ratelimit"),
					...outOfRange,
					desc: /64 bits$/,
					class: null,
				},
			],
			[
				"in use",
				{
					...echo("3", "/machine/peripheral/blk0/bootindex"),
					sees: "Device or resource busy",
					errno: "EBUSY",
					desc: /^The bootindex 3 has already been used$/,
				},
			],
			[
				"guarded",
				{
					...echo("false", "/machine/peripheral/net0/realized"),
					...notPermitted,
					desc: /^realized is guarded: .* -o unsafe_writes /,
					class: null,
				},
			],
			[
				"anything else",
				{
					...echo("ABCDEFGHI", "/machine/x-oem-id"),
					sees: "Input/output error",
					errno: "EIO",
					desc: /is bigger than 6 bytes in size$/,
				},
			],
		])("%s", async (_situation, expected) => {
			await expectFailure(written.mounted, expected);
		});

		it("not readable", async ({ skip }) => {
			const path = "/machine/unattached/device[0]/legacy-memory";
			const { status } = await written.sh(`test -e ${file(path)}`);
			skip(status !== 0, "this QEMU has nothing that cannot be read");
			await expectFailure(written.mounted, {
				...{ ...cat(path), ...accessDenied },
				desc: / is not readable$/,
			});
		});

		it("no such object any more", async () => {
			await written.qmp.execute("object-add", {
				"qom-type": "iothread",
				id: "io9",
			});
			const path = "/objects/io9/poll-grow";
			await written.mountAnew();
			await written.asked(`cat ${file(path)} > /dev/null`);
			await written.qmp.execute("object-del", { id: "io9" });
			const { stderr } = await written.sh(`cat ${file(path)}`);
			expect(stderr).toContain(": No such file or directory");
			expect((await failures(written.mounted)).at(-1)).toMatchObject({
				...{ operation: "open", path, class: "DeviceNotFound" },
				...{ errno: "ENOENT", desc: "Device '/objects/io9' not found" },
			});
		});

		it("keeps the last 256, whatever came before", async () => {
			await written.sh(
				`for i in {1..300}; do printf '\\xff'; done | dd of=${file("/machine/append")} bs=1; true`,
			);
			for (let done = 0; done < 300; done += 50)
				await written.sh(`for i in {1..50}; do ln -s x "$M/$i"; done`);
			expect(await failures(written.mounted)).toHaveLength(256);
		});
	});
});
