/**
 * Writing through a mount, with the tools that users have; a second monitor tells what QEMU
 * has, and a proxy on the first what it was asked.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseJson } from "../../src/json.ts";
import { formatValue, kindOfValue, parseValue } from "../../src/qom/codec.ts";
import { smallMachine } from "../../tools/virtualMachine.ts";
import {
	CountingProxy,
	type ProxiedRequest,
	valuesSet,
} from "../support/countingProxy.ts";
import {
	type Finished,
	lacksMount,
	type Mounted,
	mountQomfs,
	run,
	runQomfs,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";
import { childPath, RawQmp, toJson, walk } from "../support/rawQmp.ts";
import { Sandbox } from "../support/sandbox.ts";

/** The small machine, and whatever else has something to write. */
const machineArgs = [
	...[...smallMachine, "-S", "-m", "128,maxmem=1G,slots=2"],
	...["-object", "memory-backend-ram,id=vmem0,size=64M"],
	...["-device", "virtio-mem-pci,id=vmem,memdev=vmem0"],
	...["-object", "filter-dump,id=fd0,netdev=nd0,file=/dev/null"],
	...["-object", "rng-random,id=r0,filename=/dev/urandom"],
	...["-object", "rng-random,id=r1,filename=/dev/urandom"],
	...["-object", "secret,id=sec1,data=hello"],
];

const lacksPython = (await run("python3", ["-c", ""])).status !== 0;
const noPython = "python3 is not installed";

/** For a shell; `"$M"` goes in front of it, for a path in the mount. */
function quote(text: string): string {
	return `'${text.replaceAll("'", `'\\''`)}'`;
}

function file(path: string): string {
	return `"$M"${quote(path)}`;
}

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

/** The path of a property that some object has. */
async function pathOf(qmp: RawQmp, name: string): Promise<string> {
	const found = (await walk(qmp)).find((property) => property.name === name);
	return childPath(found?.object ?? "", name);
}

async function failures(mounted: Mounted): Promise<Record<string, unknown>[]> {
	const { stdout } = await mounted.sh('cat "$M/.qomfs/errors"');
	return stdout
		.split("\n")
		.filter((text) => text !== "")
		.map((text) => JSON.parse(text));
}

/** A failure as a user meets it, in every place where its reason is kept. */
interface ExpectedFailure {
	readonly line: string;
	/** Of the file that it concerns. */
	readonly path: string;
	readonly sees: string;
	readonly errno: string;
	readonly desc: RegExp;
	/** `GenericError` unless it is our own refusal. */
	readonly class?: string | null;
	readonly operation?: string;
}

async function expectFailure(
	mounted: Mounted,
	{
		path,
		sees,
		errno,
		desc,
		class: errorClass = "GenericError",
		operation = "write",
		...expected
	}: ExpectedFailure,
): Promise<void> {
	const { status, stderr } = await mounted.sh(expected.line);
	expect(stderr).toContain(`: ${sees}`);
	expect(status).toBe(1);
	expect((await failures(mounted)).at(-1)).toEqual({
		time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
		...{ operation, path, class: errorClass, errno },
		desc: expect.stringMatching(desc),
	});
	const [why, xattr] = await Promise.all([
		runQomfs("why", mounted.path + path),
		mounted.sh(
			`getfattr --absolute-names --only-values -n user.qom.error ${file(path)}`,
		),
	]);
	expect(why).toMatchObject({ status: 0, stderr: "" });
	expect(why.stdout).toMatch(new RegExp(`${operation}: ${errno}: `));
	expect(why.stdout).toMatch(new RegExp(desc.source.replaceAll(/[$^]/g, "")));
	expect(xattr.stdout).toMatch(new RegExp(`^${errno}: `));
	expect(xattr.stdout.slice(errno.length + 2)).toMatch(desc);
}

describe.skipIf(lacksMount)("a mount that is written to", () => {
	let vm: TestMachine;
	let qmp: RawQmp;
	let proxy: CountingProxy;
	let mounted: Mounted;

	beforeAll(async () => {
		vm = await startTestMachine(machineArgs);
		qmp = await RawQmp.connect(vm.secondSocket);
		const socket = join(vm.directory, "proxy.sock");
		proxy = await CountingProxy.listen(socket, vm.socket);
		mounted = await mountQomfs(socket, "cache_timeout=60,value_timeout=2");
	});

	afterAll(async () => {
		await mounted?.unmount();
		await proxy?.close();
		qmp?.close();
		await vm?.stop();
	});

	const get = (path: string, property: string) =>
		qmp.execute("qom-get", { path, property });

	/** Runs a line that must succeed in silence, and returns what QEMU was asked. */
	async function asked(shellLine: string): Promise<ProxiedRequest[]> {
		return proxy.during(async () => {
			expect(await mounted.sh(shellLine)).toMatchObject({
				status: 0,
				stderr: "",
			});
		});
	}

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
			const before = await valuesOf(qmp, object);
			const path = file(`${object}/${property}`);
			let finished: Finished | undefined;
			const requests = await proxy.during(async () => {
				finished = await mounted.sh(
					`cat ${path} && echo ${quote(text)} > ${path} && cat ${path}`,
				);
			});
			const now = await valuesOf(qmp, object);
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
				await mounted.sh(`stat ${file(path)}`);
				const { commands } = await mounted.status();
				const before = await get(object, property);
				const requests = await proxy.during(async () =>
					expectFailure(mounted, {
						...{ line: `echo -1 >> ${file(path)}`, path },
						...{ sees: "Numerical result out of range", errno: "ERANGE" },
						...{ desc: /^-1: .* cannot be negative$/, class: null },
					}),
				);
				expect(valuesSet(requests)).toEqual([]);
				expect((await mounted.status()).commands - commands).toBe(
					requests.length,
				);
				expect(await get(object, property)).toStrictEqual(before);
			},
		);

		it("gives every value of the whole tree back as it was, from its text", async () => {
			let compared = 0;
			for (const { object, name, type } of await walk(qmp)) {
				if (/^(child|link)</.test(type)) continue;
				const path = childPath(object, name);
				const reply = await qmp.ask("qom-get", {
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

	describe("by any program", () => {
		const path = "/objects/io0/poll-max-ns";

		it.for<[name: string, line: string, set: unknown[]]>([
			["echo", "echo 101 > $F", [101]],
			["printf without a newline", "printf 102 > $F", [102]],
			["tee", "echo 103 | tee $F > /dev/null", [103]],
			["tee -a", "echo 104 | tee -a $F > /dev/null", [104]],
			["dd", "echo 105 | dd of=$F status=none", [105]],
			["dd byte by byte", "echo 106 | dd of=$F bs=1 status=none", [1, 10, 106]],
			[
				"dd far behind the end",
				"echo 107 | dd of=$F bs=4 seek=9 status=none",
				[107],
			],
			["cp", "cp <(echo 108) $F", [108]],
			["cat", "cat > $F <<< 109", [109]],
			[">>", "echo 110 >> $F", [110]],
			["a handle for both", "exec 3<> $F; echo 111 >&3", [111]],
			["two pieces", "{ printf 1; echo 12; } > $F", [1, 112]],
			["a loop", "for t in 20 60 95; do echo $t; done > $F", [20, 60, 95]],
			[
				"a loop of >>",
				"for t in 21 61 96; do echo $t; done >> $F",
				[21, 61, 96],
			],
			[
				"a loop of one value",
				"for t in 1 2; do echo 113; done > $F",
				[113, 113],
			],
			["python3", `python3 -c 'open("'$F'", "w").write("114\\n")'`, [114]],
			[
				"python3, in lines",
				`python3 -c 'f = open("'$F'", "a", 1); f.write("5\\n"); f.write("6\\n")'`,
				[5, 6],
			],
		])("%s", async ([name, shellLine, expected], { skip }) => {
			skip(lacksPython && shellLine.startsWith("python3"), noPython);
			const requests = await asked(`F=$M${path}; ${shellLine}`);
			// The newline that comes alone may set the same value once more.
			const set = valuesSet(requests).filter(
				(value, index, all) =>
					!name.includes("byte") || value !== all[index - 1],
			);
			expect(set).toEqual(expected);
			expect(await get("/objects/io0", "poll-max-ns")).toBe(expected.at(-1));
		});

		it("is one qom-set and at most two commands; opening for writing is none", async () => {
			const texts = new Map<string, string>();
			for (const known of [path, "/machine/append", "/objects/tg0/limits"])
				texts.set(
					known,
					(await mounted.sh(`cat ${file(known)}`)).stdout.trim(),
				);
			await sleep(2100); // until nothing is prefetched any more
			for (const [known, text] of texts) {
				await asked(`[ -e ${file(known)} ]`);
				const opening = await asked(`exec 3>> ${file(known)}; exec 3>&-`);
				expect(opening).toEqual([]);
				const echo = await asked(`echo ${quote(text)} > ${file(known)}`);
				expect(echo.length).toBeLessThanOrEqual(2);
				expect(valuesSet(echo)).toHaveLength(1);
				const appended = await asked(`echo ${quote(text)} >> ${file(known)}`);
				expect(appended.length).toBeLessThanOrEqual(2);
				expect(valuesSet(appended)).toHaveLength(1);
			}
		});

		it.each([
			"touch",
			"truncate -s 0",
			"truncate -s 100",
			": >",
			": >>",
			"printf '' >",
		])("'%s' succeeds and sets nothing", async (command) => {
			const before = await get("/objects/io0", "poll-max-ns");
			expect(valuesSet(await asked(`${command} ${file(path)}`))).toEqual([]);
			expect(await get("/objects/io0", "poll-max-ns")).toBe(before);
		});

		it("moves the time of its last change", async () => {
			const stat = `stat -c %Y ${file("/objects/io0/poll-shrink")}`;
			await asked(`echo 5 > ${file("/objects/io0/poll-shrink")}`);
			const changed = Number((await mounted.sh(stat)).stdout);
			expect(Math.abs(Date.now() / 1000 - changed)).toBeLessThan(10);
		});

		it.each([
			["chmod 600 $F"],
			["chown 1:1 $F"],
			["mkdir $M/machine/new"],
			["rmdir $M/machine/peripheral"],
			["mkfifo $M/machine/new"],
			["rm -f $F"],
			["mv $F $M/objects/new"],
			["mv $M/objects/io0 $M/objects/new"],
			["ln $F $M/objects/new"],
			["ln -s x $M/objects/new"],
			["ln -sfn '(unset)' $M/machine/acpi-device"],
			["touch $M/objects/new"],
			["echo 1 > $M/objects/new"],
			["setfattr -n user.new -v 1 $F"],
			["setfattr -x user.qom.type $F"],
		])("refuses '%s'", async (shellLine) => {
			const requests = await proxy.during(async () => {
				const { status, stderr } = await mounted.sh(
					`F=$M${path}; ${shellLine}`,
				);
				expect(stderr).toMatch(/: Operation not permitted$/m);
				expect(status).not.toBe(0);
			});
			expect(valuesSet(requests)).toEqual([]);
			expect((await failures(mounted)).at(-1)?.errno).toBe("EPERM");
		});
	});

	describe("JSON and text in pieces", () => {
		const limits = "/objects/tg0/limits";
		const rules = "/objects/authz0/rules";

		it("holds JSON until it is complete", async () => {
			const requests = await asked(
				`{ printf '{"iops-'; printf 'total":'; echo; printf 9; echo '}'; } > ${file(limits)}`,
			);
			expect(valuesSet(requests)).toEqual([{ "iops-total": 9 }]);
			expect(await get("/objects/tg0", "limits")).toMatchObject({
				"iops-total": 9,
			});
		});

		it("takes JSON of hundreds of kilobytes, in the pieces that cat makes", async () => {
			const many = Array.from({ length: 4500 }, (_, index) => ({
				match: `user [${index}] "é{`,
				...{ policy: "allow", format: "glob" },
			}));
			const source = join(vm.directory, "rules.json");
			await writeFile(source, `${JSON.stringify(many)}\n`);
			const requests = await asked(`cat ${source} > ${file(rules)}`);
			expect(valuesSet(requests)).toHaveLength(1);
			expect(requests.at(-1)?.bytes).toBeGreaterThan(256 * 1024);
			expect(await get("/objects/authz0", "rules")).toEqual(many);
			const { stdout } = await mounted.sh(`cat ${file(rules)}`);
			expect(JSON.parse(stdout)).toEqual(many);
			await asked(`echo '[]' > ${file(rules)}`);
		});

		it("records JSON that was not complete at close", async () => {
			const requests = await asked(`printf '{"iops-total":' > ${file(limits)}`);
			expect(valuesSet(requests)).toEqual([]);
			await sleep(100); // close does not wait for release
			expect((await failures(mounted)).at(-1)).toMatchObject({
				...{ operation: "close", path: limits, class: null },
				...{ errno: "EINVAL", desc: expect.stringMatching(/complete/) },
			});
		});

		it("takes a string of several lines, written at once", async () => {
			const requests = await asked(
				`cat > ${file("/machine/append")} <<< $'two\nlines\n'`,
			);
			expect(valuesSet(requests)).toEqual(["two\nlines\n"]);
			expect(await get("/machine", "append")).toBe("two\nlines\n");
		});

		it("puts a character together that comes in two writes", async () => {
			const requests = await asked(
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
				const requests = await proxy.during(() =>
					expectFailure(mounted, {
						...{
							line: `set -o pipefail; ${program} | cat > ${file(path)}`,
							path,
						},
						...{ sees, errno, desc: /./, class: null },
					}),
				);
				expect(valuesSet(requests)).toEqual([]);
				expect(await qmp.execute("query-status")).toBeTruthy();
			},
		);

		it("starts anew after a refusal on the same handle", async () => {
			const requests = await proxy.during(async () => {
				const { stderr } = await mounted.sh(
					`{ printf zz; printf '31\\n'; } > ${file("/objects/io0/poll-grow")}`,
				);
				expect(stderr).toContain("Invalid argument");
			});
			expect(valuesSet(requests).at(-1)).toBe(31);
			expect(await get("/objects/io0", "poll-grow")).toBe(31);
		});
	});

	describe("failures", () => {
		const merge = "/objects/mem0/merge";

		beforeAll(async () => {
			await qmp.execute("qom-set", {
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
					await mounted.sh(`echo maybe > ${file(merge)}`, shell),
				).toMatchObject({ status, stderr: expect.stringContaining(text) });
				const { stdout } = await runQomfs("why", mounted.path + merge);
				expect(stdout).toContain("expected: boolean");
			},
		);

		it("python3 sees the errno", async ({ skip }) => {
			skip(lacksPython, noPython);
			const { stdout } = await mounted.sh(
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
			await expectFailure(mounted, expected);
		});

		it("not readable", async ({ skip }) => {
			const path = "/machine/unattached/device[0]/legacy-memory";
			const { status } = await mounted.sh(`test -e ${file(path)}`);
			skip(status !== 0, "this QEMU has nothing that cannot be read");
			await expectFailure(mounted, {
				...{ ...cat(path), ...accessDenied },
				desc: / is not readable$/,
			});
		});

		it("no such object any more", async () => {
			await qmp.execute("object-add", { "qom-type": "iothread", id: "io9" });
			await sleep(100);
			const path = "/objects/io9/poll-grow";
			const refresh = await mountedAnew();
			await refresh.sh(`cat ${file(path)}`);
			await qmp.execute("object-del", { id: "io9" });
			const { stderr } = await refresh.sh(`cat ${file(path)}`);
			expect(stderr).toContain(": No such file or directory");
			expect((await failures(refresh)).at(-1)).toMatchObject({
				...{ operation: "open", path, class: "DeviceNotFound" },
				...{ errno: "ENOENT", desc: "Device '/objects/io9' not found" },
			});
		});

		/** Mounts again: what was listed before an object came is shown for a minute. */
		async function mountedAnew(): Promise<Mounted> {
			await mounted.unmount();
			mounted = await mountQomfs(
				join(vm.directory, "proxy.sock"),
				"cache_timeout=60,value_timeout=2",
			);
			return mounted;
		}

		it("keeps the last 256, whatever came before", async () => {
			await mounted.sh(
				`for i in {1..300}; do printf '\\xff'; done | dd of=${file("/machine/append")} bs=1; true`,
			);
			for (let done = 0; done < 300; done += 50)
				await mounted.sh(`for i in {1..50}; do mkdir "$M/$i"; done`);
			expect(await failures(mounted)).toHaveLength(256);
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
			async (written, other) => {
				// Sizes are fetched before each write, so that older values are at hand.
				const { stdout, stderr } = await mounted.sh(
					`for i in {40..59}; do
					stat -c %s ${file(written)} ${file(other)} > /dev/null
					echo $i > ${file(written)}
					cat ${file(other)} ${file(written)}
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

	describe("extended attributes", () => {
		const net0 = "/machine/peripheral/net0";
		const getfattr = async (args: string, path: string) =>
			mounted.sh(`getfattr --absolute-names ${args} ${file(path)}`);
		const describing = (requests: readonly ProxiedRequest[]) =>
			requests.filter(({ command }) => command.endsWith("-list-properties"));

		it("tell of a property what QEMU knows, asked once per type and on demand", async () => {
			const known: { name: string; [key: string]: unknown }[] =
				await qmp.execute("device-list-properties", {
					typename: "virtio-net-pci",
				});
			const described = known.find(({ name }) => name === "disable-legacy");
			expect(described).toMatchObject({
				description: expect.any(String),
				"default-value": expect.any(String),
			});
			const path = `${net0}/disable-legacy`;
			const unasked = await asked(
				`cd "$M${net0}"; cat disable-legacy; stat * > /dev/null; grep -s . * > /dev/null; true`,
			);
			expect(describing(unasked)).toEqual([]);
			let stdout = "";
			const requests = await proxy.during(async () => {
				({ stdout } = await getfattr("-d -m -", path));
				await getfattr("-d -m -", `${net0}/mac`);
				await getfattr("-d -m -", path);
			});
			expect(stdout.trim().split("\n").slice(1).sort()).toEqual(
				[
					'user.qom.type="OnOffAuto"',
					`user.qom.description="${described?.description}"`,
					`user.qom.default="${described?.["default-value"]}"`,
					`user.qom.path="${path}"`,
				].sort(),
			);
			expect(describing(requests).map(({ command }) => command)).toEqual([
				"device-list-properties",
			]);
		});

		it("tell of an object its type and path", async () => {
			const { stdout } = await getfattr("-d -m -", net0);
			expect(stdout.trim().split("\n").slice(1).sort()).toEqual([
				`user.qom.path="${net0}"`,
				'user.qom.type="virtio-net-pci"',
			]);
		});

		it("are asked for with qom-list-properties where the object is no device", async () => {
			const requests = await proxy.during(async () => {
				await getfattr("-d -m -", "/objects/sec0/format");
				await getfattr("-d -m -", "/objects/sec1/keyid");
			});
			expect(describing(requests)).toMatchObject([
				{ command: "qom-list-properties", args: { typename: "secret" } },
			]);
		});

		it.each([
			"user.nosuch",
			"user.qom.nosuch",
			"user.qom.error",
			"security.capability",
			"trusted.x",
		])("lack %s", async (name) => {
			const { status, stderr } = await getfattr(
				`-n ${name}`,
				"/objects/io0/thread-pool-max",
			);
			expect([status, stderr]).toEqual([
				1,
				expect.stringMatching(/No such attribute/),
			]);
		});

		it("do not fit into a buffer that is too small", async ({ skip }) => {
			skip(lacksPython, noPython);
			const { stdout, stderr } = await mounted.sh(
				`F=$M${net0}/mac python3 -c '
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
path = os.environ["F"].encode()
for size in 0, 1, 2, 3, 4:
    buffer = ctypes.create_string_buffer(8)
    length = libc.getxattr(path, b"user.qom.type", buffer, size)
    print(size, length, errno.errorcode.get(ctypes.get_errno()) if length < 0 else buffer.value.decode())
length = libc.listxattr(path, ctypes.create_string_buffer(4), 4)
print(length, errno.errorcode.get(ctypes.get_errno()))
try: os.getxattr(path, "user.qom.nosuch")
except OSError as e: print(errno.errorcode[e.errno])'`,
			);
			expect(stderr).toBe("");
			expect(stdout).toBe(
				"0 3 \n1 -1 ERANGE\n2 -1 ERANGE\n3 3 str\n4 3 str\n-1 ERANGE\nENODATA\n",
			);
		});
	});

	describe(".json", () => {
		it.each([
			"/objects/io0",
			"/objects/tg0",
			"/objects/sec0",
			"/machine/peripheral/rng0",
			"/machine/unattached/device[0]",
			"/chardevs",
		])("of %s equals an independent document", async (object) => {
			const properties: Record<string, unknown> = {};
			for (const { name, type } of await qmp.execute("qom-list", {
				path: object,
			})) {
				const { return: value, error } = await qmp.ask("qom-get", {
					...{ path: object, property: name },
				});
				properties[name] =
					object === "/objects/sec0" && name === "data"
						? { type, value: null, redacted: true }
						: error
							? { type, error: error.desc }
							: { type, value };
			}
			const type =
				object === "/chardevs" ? "container" : await get(object, "type");
			const { stdout, stderr } = await mounted.sh(
				`cat ${file(`${object}/.json`)}`,
			);
			expect(stderr).toBe("");
			expect(stdout.indexOf("\n")).toBe(stdout.length - 1);
			expect(parseJson(stdout)).toEqual({ path: object, type, properties });
		});

		it("is not listed, and not written", async () => {
			const { stdout } = await mounted.sh('ls -A "$M/objects/io0"');
			expect(stdout).not.toContain(".json");
			const { stderr } = await mounted.sh('echo 1 >> "$M/objects/io0/.json"');
			expect(stderr).toContain("Permission denied");
		});
	});

	describe("what could crash the machine", () => {
		const guards = async () => {
			const lpc = (await walk(qmp)).find(
				({ name }) => name === "cpu-hotplug-legacy",
			);
			return [
				"/machine/peripheral/net0/realized",
				"/machine/unattached/device[0]/realized",
				// Not there any more in QEMU 11.
				...(lpc ? [`${lpc.object}/cpu-hotplug-legacy`] : []),
				"/chardevs/compat_monitor0/connected",
			];
		};

		it("is refused, with a word on what lifts it", async () => {
			const requests = await proxy.during(async () => {
				for (const path of await guards())
					await expectFailure(mounted, {
						...{ line: `echo false > ${file(path)}`, path, class: null },
						...{ sees: "Operation not permitted", errno: "EPERM" },
						desc: /guarded.*unsafe_writes/,
					});
			});
			expect(valuesSet(requests)).toEqual([]);
			expect(await qmp.execute("query-status")).toMatchObject({
				running: false,
			});
		});

		it.each([
			["/machine/acpi-device", "(unset)"],
			["/machine/memory-backend", "../objects/mem0"],
			["/machine/q35/pcie.0/hotplug-handler", "(unset)"],
			["a20[0]", "/machine"],
		])(
			"%s is a link, which ln does not lead elsewhere",
			async (name, target) => {
				const path = name.startsWith("/") ? name : await pathOf(qmp, name);
				const before = await mounted.sh(`readlink ${file(path)}`);
				const requests = await proxy.during(async () => {
					const { status, stderr } = await mounted.sh(
						`ln -sfn ${quote(target)} ${file(path)}`,
					);
					expect([status, stderr]).toEqual([
						1,
						expect.stringMatching(/Operation not permitted/),
					]);
				});
				expect(valuesSet(requests)).toEqual([]);
				expect(before.status).toBe(0);
				expect((await failures(mounted)).at(-1)).toMatchObject({
					...{ operation: "symlink", class: null, errno: "EPERM" },
					desc: expect.stringMatching(/unsafe_writes/),
				});
				expect(await mounted.sh(`readlink ${file(path)}`)).toEqual(before);
			},
		);

		it("is not in the hands of rm -rf either", async () => {
			const before = await walk(qmp);
			const requests = await proxy.during(async () => {
				const { status, stderr } = await mounted.sh('rm -rf "$M"/*');
				expect(status).toBe(1);
				expect(stderr.split("\n").length).toBeGreaterThan(3000);
				expect(stderr).not.toMatch(/(?<!Operation not permitted)\n/);
			});
			expect(valuesSet(requests)).toEqual([]);
			expect(await walk(qmp)).toEqual(before);
			await qmp.execute("cont");
			await qmp.execute("system_reset");
			await sleep(500);
			expect(await qmp.execute("query-status")).toMatchObject({
				running: true,
			});
			const { stdout } = await mounted.sh(`cat ${file("/objects/io0/type")}`);
			expect(stdout).toBe("iothread\n");
		});
	});
});

describe.skipIf(lacksMount)("a machine that may be broken", () => {
	let vm: TestMachine;
	let qmp: RawQmp;

	beforeAll(async () => {
		vm = await startTestMachine(machineArgs);
		qmp = await RawQmp.connect(vm.secondSocket);
	});

	afterAll(async () => {
		qmp?.close();
		await vm?.stop();
	});

	describe("mounted with -o ro", () => {
		let mounted: Mounted;

		beforeAll(async () => {
			mounted = await mountQomfs(vm.socket, "ro");
		});

		afterAll(async () => {
			await mounted?.unmount();
		});

		it.each([
			["echo 1 > $F"],
			["echo 1 >> $F"],
			[": > $F"],
			["touch $F"],
			["truncate -s 0 $F"],
			["chmod 600 $F"],
			["rm -f $F"],
			["mv $F $M/x"],
			["mkdir $M/x"],
			["rmdir $M/machine"],
			["touch $M/x"],
			["ln $F $M/x"],
			["ln -sfn '(unset)' $M/machine/acpi-device"],
			["setfattr -n user.x -v 1 $F"],
		])("'%s' meets a read-only file system", async (line) => {
			const { status, stderr } = await mounted.sh(
				`F=$M/objects/io0/poll-grow; ${line}`,
			);
			expect(stderr).toMatch(/Read-only file system$/m);
			expect(status).not.toBe(0);
		});

		it("shows nothing as writable", async () => {
			const { stdout } = await mounted.sh(
				`stat -c '%a %n' "$M" "$M"/objects "$M"/objects/sec0/{data,format} | cut -d' ' -f1`,
			);
			expect(stdout).toBe("555\n555\n400\n444\n");
			const found = await mounted.sh(
				'find "$M/objects" ! -type l -perm /222 | wc -l',
			);
			expect(found.stdout).toBe("0\n");
		});
	});

	it("keeps secrets out of debug output, .json and .qomfs/errors", async () => {
		const box = await Sandbox.create();
		const mount = await box.foreground(
			["-d", "-o", "value_timeout=0", vm.socket, box.mountpoint],
			{ DEBUG: "qomfs:*" },
		);
		const sec = `${box.mountpoint}/objects/sec1`;
		const { stdout, stderr } = await run("bash", [
			"-c",
			`cd ${sec}
			 echo s3cr3t-one > data; cat data
			 printf 's3cr3t-two' >> data; cat data
			 printf 's3cr3t-\\xff' > data
			 stat -c %a data
			 cat .json ../sec0/.json ${box.mountpoint}/.qomfs/errors; tail -n 1 ${box.mountpoint}/.qomfs/errors`,
		]);
		mount.process.kill("SIGTERM");
		await mount.ended;
		await box.remove();
		const [one, two, mode, json, , error] = stdout.split("\n");
		expect([one, two, mode]).toEqual(["s3cr3t-one", "s3cr3t-two", "600"]);
		expect(JSON.parse(json ?? "").properties.data).toMatchObject({
			...{ value: null, redacted: true },
		});
		expect(stderr).toContain("Invalid argument");
		expect(JSON.parse(error ?? "")).toMatchObject({
			...{ path: "/objects/sec1/data", errno: "EINVAL" },
			...{ desc: null, redacted: true },
		});
		expect(mount.stderr()).toMatch(/qom-set/);
		expect(mount.stdout() + mount.stderr()).not.toContain("s3cr3t");
		expect(stdout.split("\n").slice(2).join("\n")).not.toContain("s3cr3t");
	});

	it("costs two commands a write with the default options too", async () => {
		const socket = join(vm.directory, "default.sock");
		const proxy = await CountingProxy.listen(socket, vm.socket);
		const mounted = await mountQomfs(socket);
		const path = file("/objects/io0/poll-grow");
		const commands = async (shellLine: string) => {
			await sleep(1500); // until everything is looked up anew
			const requests = await proxy.during(() => mounted.sh(shellLine));
			return requests.map(({ command }) => command);
		};
		const lookup = await commands(`[ -e ${path} ]`);
		const echo = await commands(`[ -e ${path} ]; echo 3 > ${path}`);
		await mounted.unmount();
		await proxy.close();
		expect(lookup).toEqual(echo.slice(0, lookup.length));
		expect(echo.length - lookup.length).toBeLessThanOrEqual(2);
		expect(echo.at(-1)).toBe("qom-set");
	});

	describe("mounted with -o unsafe_writes", () => {
		let proxy: CountingProxy;
		let mounted: Mounted;

		beforeAll(async () => {
			const socket = join(vm.directory, "proxy.sock");
			proxy = await CountingProxy.listen(socket, vm.socket);
			mounted = await mountQomfs(
				socket,
				"unsafe_writes,cache_timeout=0,timeout=1",
			);
		});

		afterAll(async () => {
			await mounted?.unmount();
			await proxy?.close();
		});

		const mode = async (path: string) =>
			(await mounted.sh(`stat -c %a ${file(path)}`)).stdout.trim();
		const peripheral = "/machine/peripheral";

		it("learns what cannot be written, for all objects of the type", async () => {
			const [first = "", second = ""] = (await walk(qmp))
				.filter(({ type }) => type === "child<qemu64-x86_64-cpu>")
				.map(({ object, name }) => `${childPath(object, name)}/hotplugged`);
			const modes = () => Promise.all([first, second].map(mode));
			expect(await modes()).toEqual(["644", "644"]);
			const { stderr } = await mounted.sh(`echo true > ${file(first)}`);
			expect(stderr).toContain("Permission denied");
			expect(await modes()).toEqual(["444", "444"]);
			expect(await mode(`${peripheral}/blk0/hotplugged`)).toBe("644");
			expect(await mode("/objects/sec0/format")).toBe("644");
			expect(await mode("/objects/sec0/data")).toBe("600");
		});

		it("unplugs a device by its 'realized'", async () => {
			for (const id of ["rng0", "net0", "blk0"]) {
				const path = file(`${peripheral}/${id}/realized`);
				expect(
					await mounted.sh(`cat ${path}; echo false > ${path}; cat ${path}`),
				).toEqual({ status: 0, stdout: "true\nfalse\n", stderr: "" });
			}
		});

		it.each([
			["1f.0", "1f.0", 248],
			["1e.0", "1e.0", 240],
			["17", 17, 17],
			["0x10", 16, 16],
			["10.7", "10.7", 135],
		])("gives a PCI address %j as it was meant", async (text, sent, reads) => {
			const path = file(`${peripheral}/rng0/addr`);
			const requests = await proxy.during(async () => {
				expect(
					await mounted.sh(`echo ${text} > ${path}; cat ${path}`),
				).toMatchObject({ stdout: `${reads}\n`, stderr: "" });
			});
			expect(valuesSet(requests)).toEqual([sent]);
		});

		it.each([
			["virtio-backend/max-bytes", "18446744073709551615", 2n ** 64n - 1n],
			["vectors", "0xffff_ffff", 4294967295],
		])("sets %s to %s", async (property, text, value) => {
			const path = file(`${peripheral}/rng0/${property}`);
			expect(
				(await mounted.sh(`echo ${text} > ${path}; cat ${path}`)).stdout,
			).toBe(`${value}\n`);
		});

		it.each<[string, string, sees: string, errno: string, desc: RegExp]>([
			[
				"rng0/addr",
				"999",
				"Numerical result out of range",
				"ERANGE",
				/^Parameter 'addr' expects a value between -1 and 255$/,
			],
			[
				"rng0/addr",
				"zz",
				"Invalid argument",
				"EINVAL",
				/doesn't take value 'zz'$/,
			],
			[
				"rng0/vectors",
				"8G",
				"Numerical result out of range",
				"ERANGE",
				/^Parameter 'vectors' expects uint32_t$/,
			],
			[
				"net0/mac",
				"zz",
				"Invalid argument",
				"EINVAL",
				/^Property '.*\.mac' doesn't take value 'zz'$/,
			],
			[
				"net0/netdev",
				"nosuch",
				"Invalid argument",
				"EINVAL",
				/can't find value 'nosuch'$/,
			],
			[
				"net0/netdev",
				"nd0",
				"Device or resource busy",
				"EBUSY",
				/ conflicts, and override is not implemented$/,
			],
			[
				"blk0/drive",
				"nosuch",
				"Invalid argument",
				"EINVAL",
				/^Cannot find device=/,
			],
		])("%s refuses %s", async (name, text, sees, errno, desc) => {
			const path = `${peripheral}/${name}`;
			await expectFailure(mounted, {
				...{ line: `echo ${text} > ${file(path)}` },
				...{ path, sees, errno, desc },
			});
		});

		it("blk0/logical_block_size refuses 7", async () => {
			const path = `${peripheral}/blk0/logical_block_size`;
			const { qemu } = await qmp.execute("query-version");
			const outOfRange = {
				...{ sees: "Numerical result out of range", errno: "ERANGE" },
				desc: /minimum: 512, maximum: 2097152\)$/,
			};
			const invalid = {
				...{ sees: "Invalid argument", errno: "EINVAL" },
				desc: / must be a power of 2 between 512 and 2097152$/,
			};
			await expectFailure(mounted, {
				...{ line: `echo 7 > ${file(path)}`, path },
				...(qemu.major < 11 ? outOfRange : invalid),
			});
		});

		const rng = `${peripheral}/rng0/rng`;

		it.each([
			["a relative target", "../../../objects/r1", "/objects/r1"],
			["a target in the mount", "$M/objects/r0", "/objects/r0"],
			["a QOM path", "/objects/r1", "/objects/r1"],
			["the unset target", "(unset)", ""],
			["a round-about target", "../rng0/./../../../objects/r0", "/objects/r0"],
		])("leads a link to %s", async (_what, target, value) => {
			const { status, stderr } = await mounted.sh(
				`ln -sfn "${target}" ${file(rng)}`,
			);
			expect([status, stderr]).toEqual([0, ""]);
			expect(
				await qmp.execute("qom-get", {
					...{ path: `${peripheral}/rng0`, property: "rng" },
				}),
			).toBe(value);
			expect((await mounted.sh(`readlink ${file(rng)}`)).stdout).toBe(
				value === "" ? "(unset)\n" : `../../..${value}\n`,
			);
			const { stdout } = await mounted.sh(`ls -A "$M${peripheral}/rng0"`);
			expect(stdout).not.toMatch(/^Cu/m);
		});

		it.each([
			[
				"no such object",
				"/objects/nosuch",
				/^Device '\/objects\/nosuch' not found$/,
			],
			["an object of another class", "/objects/io0", /expected: rng-backend$/],
			["a place above the tree", "../../../../x", /leads out of the tree/],
		])("leads no link to %s", async (_what, target, desc) => {
			const { status, stderr } = await mounted.sh(
				`ln -sfn ${target} ${file(rng)}`,
			);
			expect([status, stderr]).toEqual([
				1,
				expect.stringMatching(/Invalid argument/),
			]);
			const recorded = (await failures(mounted)).findLast(
				({ path }) => path === rng,
			);
			expect(recorded).toMatchObject({
				...{ operation: "rename", errno: "EINVAL" },
				desc: expect.stringMatching(desc),
			});
			expect((await mounted.sh(`readlink ${file(rng)}`)).stdout).toBe(
				"../../../objects/r0\n",
			);
			const { stdout } = await mounted.sh(`ls -A "$M${peripheral}/rng0"`);
			expect(stdout).not.toMatch(/^Cu/m);
		});

		it.each([
			["rm -f $L"],
			["ln -s /objects/r1 $M/objects/new"],
			["ln -sfn /objects/r1 $M/objects/io0/poll-grow"],
			["ln -sfn /objects/r1 $M/objects/new"],
			["mv $L $M/machine/acpi-device"],
			["rm -f $M/objects/io0/poll-grow"],
		])("still refuses '%s'", async (line) => {
			const requests = await proxy.during(async () => {
				const { status, stderr } = await mounted.sh(`L=$M${rng}; ${line}`);
				expect(stderr).toMatch(/Operation not permitted$/m);
				expect(status).not.toBe(0);
			});
			expect(valuesSet(requests)).toEqual([]);
		});

		it("refuses after a second when QEMU does not answer, and at once when it is gone", async () => {
			const path = "/objects/io0/poll-shrink";
			const unanswered = (signal: string) =>
				`exec 3>> ${file(path)}; kill -${signal} ${vm.pid}; sleep 0.2; echo 1 >&3; r=$?; kill -CONT ${vm.pid} 2>&-; exit $r`;
			await expectFailure(mounted, {
				...{ line: unanswered("STOP"), sees: "Connection timed out" },
				...{ path, errno: "ETIMEDOUT", class: null },
				desc: /^qom-[\w-]+: no answer .* 1 s$/,
			});
			// No attribute is to be had then, but what needs no QEMU still answers.
			const { status, stderr } = await mounted.sh(unanswered("KILL"));
			expect([status, stderr]).toEqual([
				1,
				expect.stringContaining(": No such device"),
			]);
			expect((await failures(mounted)).at(-1)).toMatchObject({
				...{ operation: "write", path, errno: "ENODEV", class: null },
			});
			const why = await runQomfs("why", mounted.path + path);
			expect([why.stderr, why.stdout]).toEqual([
				"",
				expect.stringContaining("write: ENODEV: "),
			]);
		});
	});
});
