/** `qmp` and `qmp-shell` without a terminal, on a real machine. */
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
	type Finished,
	lacksQemu,
	run,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";
import { RawQmp } from "../support/rawQmp.ts";

const bin = new URL("../../bin/", import.meta.url).pathname;

describe.skipIf(lacksQemu)("commands on a machine", () => {
	let vm: TestMachine;
	/** The second monitor, to look at what has come of it. */
	let other: RawQmp;
	let directory: string;

	beforeAll(async () => {
		vm = await startTestMachine();
		other = await RawQmp.connect(vm.secondSocket);
		directory = await mkdtemp(join(tmpdir(), "qomfs-qmp-"));
	});

	afterAll(async () => {
		other?.close();
		await vm?.stop();
		if (directory) await rm(directory, { recursive: true });
	});

	/** Runs a line of bash, in which the commands are ours. */
	async function sh(
		line: string,
		env: NodeJS.ProcessEnv = { QMP_SOCKET: vm.socket },
	): Promise<Finished> {
		const {
			QMP_SOCKET: _,
			QMP_PATH: __,
			DEBUG: ___,
			...inherited
		} = process.env;
		const names = ["qmp", "qmp-shell", "qomfs"];
		names.push("qom-get", "qom-list", "qom-set", "qom-tree");
		const commands = names.map(
			(name) => `${name}() { '${process.execPath}' '${bin}${name}.js' "$@"; }`,
		);
		return run("bash", ["-c", `${commands.join("\n")}\n${line}`], {
			env: { ...inherited, ...env, VM: vm.socket, DIR: directory },
		});
	}

	const done = (stdout: string) => ({ status: 0, stdout, stderr: "" });

	async function refusal(line: string, env?: NodeJS.ProcessEnv) {
		const { status, stdout, stderr } = await sh(line, env);
		expect(stderr).toMatch(/^[^\n]+\n$/);
		return [status, stdout, stderr.trimEnd()];
	}

	const pollMaxNs = () =>
		other.execute("qom-get", {
			path: "/objects/io0",
			property: "poll-max-ns",
		});

	describe("qmp", () => {
		it("finds the monitor in every way that there has been", async () => {
			const line = "query-name";
			for (const command of [
				`qmp --path="$VM" ${line}`,
				`qmp --path "$VM" ${line}`,
				`qmp -s "$VM" ${line}`,
				`qomfs exec --socket="$VM" ${line}`,
			])
				expect(await sh(command, {})).toEqual(done(""));
			expect(await sh(`qmp ${line}`, { QMP_PATH: vm.socket })).toEqual(
				done(""),
			);
			const env = { QMP_SOCKET: "/nosuch", QMP_PATH: "/nosuch" };
			expect(await sh(`qmp --path="$VM" ${line}`, env)).toEqual(done(""));
		});

		it("prints lines, or JSON", async () => {
			const { stdout } = await sh("qmp query-status");
			expect(stdout).toMatch(/^status: prelaunch\n/);
			expect(stdout).toMatch(/^running: false$/m);
			expect((await sh("qmp query-version")).stdout).toMatch(
				/^qemu\.micro: \d+\nqemu\.minor: \d+\nqemu\.major: \d+\npackage: .*\n$/,
			);
			expect(await sh("qmp query-iothreads | grep '\\.id:'")).toEqual(
				done("item[0].id: io0\n"),
			);
			expect(await sh("qmp qom-list path=/objects | head -2")).toEqual(
				done("item[0].name: type\nitem[0].type: string\n"),
			);
			expect(await sh("qmp qom-get path=/objects/io0 property=type")).toEqual(
				done("iothread\n"),
			);
			expect(
				await sh("qmp --json qom-get path=/objects/io0 property=type"),
			).toEqual(done('"iothread"\n'));
			expect(await sh("qmp query-kvm --json")).toMatchObject({
				stdout: expect.stringMatching(/^\{"enabled":false,"present":\w+\}\n$/),
			});
			expect(await sh("qmp --json query-name")).toEqual(done("{}\n"));
		});

		it("makes of values what the command wants", async () => {
			for (const [text, value] of [
				["8K", 8192],
				["0x10", 16],
				["9223372036854775807", 2n ** 63n - 1n],
			] as const) {
				expect(
					await sh(
						`qmp qom-set path=/objects/io0 property=poll-max-ns value=${text}`,
					),
				).toEqual(done(""));
				expect(await pollMaxNs()).toBe(value);
			}
			expect(
				await sh(
					"qmp object-add --qom_type=iothread --id=i5 --poll-max-ns=0x20; qmp qom-get --path=/objects/i5 --property=poll-max-ns; qmp object-del id=i5",
				),
			).toEqual(done("32\n"));
			expect(
				await sh(
					"qmp qom-set path=/objects/tg0 property=limits value=\"{'iops-total': 100}\"; qmp qom-get path=/objects/tg0 property=limits | grep iops-total:",
				),
			).toEqual(done("iops-total: 100\n"));
			expect(
				await sh(
					'qmp blockdev-add driver=raw node-name=r0 file.driver=null-co file.size=1M read-only=on; qmp --json query-named-block-nodes | jq -c \'.[] | select(."node-name" == "r0") | [.ro, .image."virtual-size"]\'; qmp blockdev-del node-name=r0',
				),
			).toEqual(done("[true,1048576]\n"));
		});

		it("guesses the properties of devices, and corrects a guess that QEMU refuses", async () => {
			expect(
				await sh(
					"qmp device_add driver=virtio-rng-pci id=hot0 bus=rp0 max-bytes=0x400 period=8K disable-legacy=on iommu_platform=on addr=0",
				),
			).toEqual(done(""));
			const get = (property: string) =>
				other.execute("qom-get", {
					path: "/machine/peripheral/hot0",
					property,
				});
			expect(await get("max-bytes")).toBe(1024);
			expect(await get("period")).toBe(8192);
			expect(await get("iommu_platform")).toBe(true);
			const drive = "driver=virtio-blk-pci id=hot1 drive=d0";
			// `serial` is a string, whatever it looks like; that bus cannot take it after all.
			expect(await refusal(`qmp device_add ${drive} serial=123`)).toEqual([
				...[1, "", expect.stringMatching(/^qmp: device_add: Bus 'pcie\.0'/)],
			]);
		});

		it("takes a command as JSON", async () => {
			expect(
				await sh(
					`qmp '{"execute": "qom-get", "arguments": {"path": "/objects/io0", "property": "type"}}'`,
				),
			).toEqual(done("iothread\n"));
		});

		it("takes names in their other spelling", async () => {
			expect((await sh("qmp query_name")).status).toBe(0);
			expect((await sh("qmp qom_list path=/objects")).status).toBe(0);
		});

		it("runs what comes in on stdin, up to the first error", async () => {
			const line = `printf '%s\\n' '# a comment' '' query-kvm '{"execute": "query-name"} {"execute":' '"query-kvm"}' "qom-get path=/objects/io0 property='type'" "qom-get path=/nosuch property=x" query-kvm`;
			const kvm = "enabled: false\npresent: \\w+\n";
			for (const command of ["qmp", "qmp -"]) {
				const { status, stdout, stderr } = await sh(`${line} | ${command}`);
				expect(stdout).toMatch(new RegExp(`^(${kvm}){2}iothread\n$`));
				expect([status, stderr]).toEqual([
					...[1, "qmp: qom-get: Device '/nosuch' not found (DeviceNotFound)\n"],
				]);
			}
			expect(await sh("qmp </dev/null")).toEqual(done(""));
		});

		it("answers a line before the next has come", async () => {
			const { stdout } = await sh(
				'exec 3> >(qmp --json > "$DIR/answers"); echo query-name >&3; for try in {1..200}; do [ -s "$DIR/answers" ] && break; sleep 0.1; done; cat "$DIR/answers"; exec 3>&-',
			);
			expect(stdout).toBe("{}\n");
		});

		it.each([
			[
				"qmp nosuchcommand",
				2,
				"unknown command 'nosuchcommand'; query-commands lists them",
			],
			[
				"qmp qom-gte path=/",
				2,
				"unknown command 'qom-gte'; did you mean 'qom-get'?",
			],
			["qmp qom-lst", 2, "unknown command 'qom-lst'; did you mean 'qom-list'?"],
			["qmp qom-get", 2, "qom-get: path=STRING property=STRING are missing"],
			["qmp qom-get path=/", 2, "qom-get: property=STRING is missing"],
			[
				"qmp qom-get pth=/",
				2,
				"qom-get: unknown argument 'pth'; did you mean 'path'?",
			],
			[
				"qmp query-name x",
				2,
				"query-name: 'x' is not an argument; write NAME=VALUE",
			],
			[
				"qmp object-add qom-type=iothread id=x poll-max-ns=lots",
				2,
				"object-add: 'poll-max-ns' is integer, not 'lots'",
			],
			[
				"qmp object-add qom-type=iothraed id=x",
				2,
				"object-add: 'qom-type' cannot be 'iothraed'; did you mean 'iothread'?",
			],
			[
				"qmp --nosuch query-name",
				2,
				"unknown option '--nosuch'; a command comes first, then its arguments",
			],
			[
				"qmp - query-name",
				2,
				"unexpected argument 'query-name': '-' means stdin",
			],
			[
				"echo '{\"execute\":' | qmp",
				2,
				"the last command in JSON is incomplete",
			],
			[
				"echo '{} x' | qmp",
				2,
				/^qmp: '\{\} x': unexpected text after a command in JSON$/,
			],
			[
				"qmp '{\"exec\": 1}'",
				2,
				'a command in JSON must be {"execute": NAME, "arguments": {...}}',
			],
			[
				"qmp qom-get path=/nosuch property=x",
				1,
				"qom-get: Device '/nosuch' not found (DeviceNotFound)",
			],
			[
				"qmp qom-set path=/objects/io0 property=poll-max-ns value=lots",
				1,
				/expected: integer \(GenericError\)$/,
			],
			["qmp -s /nosuch query-name", 3, /^qmp: \/nosuch: no such socket/],
		] as const)(
			"explains what is wrong with %s",
			async (line, status, message) => {
				const [actual, stdout, stderr] = await refusal(line);
				expect([actual, stdout]).toEqual([status, ""]);
				if (typeof message === "string") expect(stderr).toBe(`qmp: ${message}`);
				else expect(stderr).toMatch(message);
			},
		);

		it("asks for a monitor where none is named", async () => {
			expect(await refusal("qmp query-name", {})).toEqual([
				...[2, "", expect.stringMatching(/^qmp: no monitor is named/)],
			]);
		});

		it("says that the monitor is taken", async () => {
			const [status, , stderr] = await refusal("qmp query-name", {
				QMP_SOCKET: vm.secondSocket,
			});
			expect(status).toBe(4);
			expect(stderr).toMatch(/is busy: .*give QEMU a second -qmp/);
		});

		it("stands a huge reply, and readers that have seen enough", async () => {
			expect(await sh("qmp query-qmp-schema | head -1")).toMatchObject({
				status: 0,
				stdout: expect.stringMatching(/^item\[0\]\./),
				stderr: "",
			});
			const { stdout } = await sh(
				"qmp --json query-qmp-schema | jq 'length > 500'; qmp query-name >&-; echo $?",
			);
			expect(stdout).toMatch(/^true\n\d+\n$/);
		});

		it("asks for the schema only where it needs it", async () => {
			const sent = async (line: string) =>
				(await sh(line, { QMP_SOCKET: vm.socket, DEBUG: "qomfs:qmp:send" }))
					.stderr;
			expect(await sent("qmp query-name")).not.toContain("query-qmp-schema");
			expect(await sent("qmp qom-list path=/")).toContain("query-qmp-schema");
		});

		it.each([
			"qmp object-add qom-type=secret id=s2 data=hunter2; qmp object-del id=s2",
			"qmp qom-get path=//objects//s1 property=data",
			'qmp \'{"execute" : "qom-get", "arguments" : {"path": "s1", "property" : "data"}}\'',
			"qmp qom-set path=s1 property=data value=hunter2",
			"qmp qom-set path=s1 property=data value='[\"hunter2\"]'",
			"qmp qom-list-get paths='[\"s1\"]'",
			"qom-get s1.data",
			"qom-get '/obj*/s1.data'",
			"qom-get //objects//s1 data",
			"qom-list -l s1",
			"qom-list --json '/**'",
			"qom-tree --values /objects",
			"qomfs find -prop data=hunter2",
			"qom-set s1 data hunter2",
			"qmp-shell -c 'qom-get path=s1 property=data'",
			'echo \'{"execute":"qom-get",\n"arguments":{"path":"s1","property"\n:"data"}}\' | qmp-shell',
			"qmp-shell -H -c 'qom-set /objects/s1 data hunter2'",
		])("keeps secrets out of its debug output: %s", async (line) => {
			const env = { QMP_SOCKET: vm.socket };
			await sh("qmp object-add qom-type=secret id=s1 data=hunter2", env);
			const { stderr } = await sh(line, { ...env, DEBUG: "qomfs:*" });
			await sh("qmp object-del id=s1", env);
			expect(stderr).toContain(" qomfs:qmp:send ");
			expect(stderr).not.toContain("hunter2");
		});
	});

	describe("qmp --help", () => {
		it("is general without a command, or without a monitor", async () => {
			for (const line of ["qmp --help", "qmp -h", "qmp query-name --help"]) {
				const { status, stdout, stderr } = await sh(line, {});
				expect([status, stderr]).toEqual([0, ""]);
				expect(stdout).toMatch(/^Usage: qmp \[options\] COMMAND/);
			}
		});

		it("is that of a command, with what is required first", async () => {
			const expected = done(
				"Usage: qmp qom-get path=STRING property=STRING\n\nRequired:\n  path      string\n  property  string\n",
			);
			for (const line of [
				...["qmp qom-get --help", "qmp --help qom-get", "qmp help qom_get"],
				"qmp qom-get path=/ -h",
			])
				expect(await sh(line)).toEqual(expected);
			expect(await sh("qmp query-name --help")).toEqual(
				done("Usage: qmp query-name\n\nIt takes no arguments.\n"),
			);
			expect((await sh("qomfs exec qom-get --help")).stdout).toMatch(
				/^Usage: qomfs exec qom-get path=/,
			);
		});

		it("shows what goes with a tag once it has its value", async () => {
			const { stdout } = await sh("qmp object-add --help");
			expect(stdout).toMatch(/qom-type {2}.*\biothread\b.*More arguments/s);
			expect(stdout).toContain("qmp object-add qom-type=VALUE --help");
			expect(stdout).not.toContain("poll-max-ns");
			const iothread = (await sh("qmp object-add qom-type=iothread --help"))
				.stdout;
			expect(iothread).toMatch(/^ {2}poll-max-ns +integer$/m);
			expect(iothread).not.toMatch(/More arguments|memory-backend/);
		});

		it("names the nearest command", async () => {
			expect(await refusal("qmp qom-gte --help")).toEqual([
				...[2, "", "qmp: unknown command 'qom-gte'; did you mean 'qom-get'?"],
			]);
		});
	});

	describe("qmp-shell without a terminal", () => {
		it("runs the lines of stdin, and prints whole replies with Python's spaces", async () => {
			const { status, stdout, stderr } = await sh(`qmp-shell "$VM" <<'E'
query-name

qom-get path=/objects/io0 property=type
qom-set path=/objects/io0 property=poll-max-ns value=0x20
{"execute": "qom-get", "arguments": {"path": "/objects/io0", "property": "poll-max-ns"}}
exit
query-name
E`);
			expect([status, stderr]).toEqual([0, ""]);
			expect(stdout).toBe(
				'{"return": {}}\n{"return": "iothread"}\n{"return": {}}\n{"return": 32}\n',
			);
		});

		it("prints errors as QEMU has them, goes on, and ends with 1", async () => {
			const { status, stdout, stderr } = await sh(
				"printf '%s\\n' nosuch qom-lst 'qom-get pth=1' \"a 'b\" 'qom-get path=/nosuch property=x' query-name | qmp-shell",
			);
			expect(stdout).toBe(
				`{"error": {"class": "CommandNotFound", "desc": "The command nosuch has not been found"}}
{"error": {"class": "CommandNotFound", "desc": "The command qom-lst has not been found"}}
{"error": {"class": "DeviceNotFound", "desc": "Device '/nosuch' not found"}}
{"return": {}}
`,
			);
			expect([status, stderr]).toEqual([
				1,
				`qmp-shell: unknown command 'nosuch'; query-commands lists them
qmp-shell: unknown command 'qom-lst'; did you mean 'qom-list'?
qmp-shell: qom-get: unknown argument 'pth'; did you mean 'path'?
qmp-shell: a quote (') is not closed
qmp-shell: 5 of 6 lines were refused
`,
			]);
		});

		it("runs the lines of -c", async () => {
			expect(await sh("qmp-shell -c query-name -c query-name")).toEqual(
				done('{"return": {}}\n{"return": {}}\n'),
			);
			expect((await sh("qmp-shell -c nosuch")).status).toBe(1);
		});

		it("indents and sorts with -p, and shows what is sent with -v", async () => {
			expect(await sh("qmp-shell -p -v -c 'qom-list path=/objects/s'")).toEqual(
				expect.objectContaining({
					status: 1,
					stdout: `{
    "arguments": {
        "path": "/objects/s"
    },
    "execute": "qom-list"
}
{
    "error": {
        "class": "DeviceNotFound",
        "desc": "Device '/objects/s' not found"
    }
}
`,
				}),
			);
			expect(await sh("qmp-shell -v -c query-name")).toEqual(
				done('{"execute": "query-name", "arguments": {}}\n{"return": {}}\n'),
			);
		});

		it("makes transactions, on one line or on several", async () => {
			const add = "block-dirty-bitmap-add node=d0 name=";
			const { stdout, stderr } = await sh(`qmp-shell <<'E'
transaction( ${add}b0 granularity=64K )
transaction(
${add}b1 persistent=off
${add}b2
)
transaction( ${add}b3 granularity=64K abort )
transaction( nosuch )
transaction( ${add}b4 zzzz=1 )
)
E`);
			expect(stdout.split("\n").slice(0, 2)).toEqual([
				...['{"return": {}}', '{"return": {}}'],
			]);
			expect(stdout.split("\n")[2]).toMatch(/"desc": ".*'nosuch'/);
			expect(stderr.split("\n").slice(0, 3)).toEqual([
				"qmp-shell: 'abort' is not an argument; write NAME=VALUE",
				expect.stringMatching(/: unknown argument 'zzzz'; there are /),
				"qmp-shell: ')' is not a command; write COMMAND NAME=VALUE...",
			]);
			const nodes = await other.execute("query-named-block-nodes");
			const { "dirty-bitmaps": bitmaps } = nodes.find(
				(node: { "node-name": string }) => node["node-name"] === "d0",
			);
			expect(bitmaps.map(({ name }: { name: string }) => name).sort()).toEqual([
				...["b0", "b1", "b2"],
			]);
		});

		it("prints events, too", async () => {
			const { stdout } = await sh(
				"qmp-shell -c 'device_add driver=virtio-rng-pci id=ev0 bus=nosuch' -c system_reset -c query-name -c query-name; sleep 0",
			);
			expect(stdout).toMatch(
				/^\{"timestamp": \{"seconds": \d+, "microseconds": \d+\}, "event": "RESET", "data": \{/m,
			);
		});

		it("appends all traffic to the file of -l", async () => {
			const path = join(directory, "traffic");
			await sh(`qmp-shell -l "$DIR/traffic" -c query-name`);
			await sh(`qmp-shell -l "$DIR/traffic" -c query-name`);
			const lines = (await readFile(path, "utf8")).trimEnd().split("\n");
			expect(lines.map((line) => Object.keys(JSON.parse(line))[0])).toEqual([
				...["execute", "return", "execute", "return"],
				...["execute", "return", "execute", "return"],
			]);
			expect((await stat(path)).mode & 0o777).toBe(0o600);
			expect(await refusal("qmp-shell -l /nosuch/file -c query-name")).toEqual([
				...[
					1,
					"",
					"qmp-shell: /nosuch/file: cannot be appended to (ENOENT); name another file with -l",
				],
			]);
		});

		it("leaves the negotiation to the user with -N", async () => {
			const { status, stdout } = await sh(
				"qmp-shell -N -c query-name -c qmp_capabilities -c 'qom-list path=/objects/sec0'",
			);
			expect(status).toBe(1);
			expect(stdout).toMatch(
				/^\{"error": \{"class": "CommandNotFound".*\n\{"return": \{\}\}\n\{"return": \[\{"name": "type"/,
			);
		});

		it("speaks the human monitor's language with -H", async () => {
			const { status, stdout, stderr } = await sh(
				"printf '%s\\n' 'info version' 'cpu 1' 'info cpus' 'cpu 7' 'cpu x' | qmp-shell -H",
			);
			expect(stdout).toMatch(/^\d+\.\d+\.\d+.*\n[^\r]*\* CPU #1:[^\r]*\n/);
			expect(stdout).toMatch(/GenericError: .*'cpu-index'.*\n$/);
			expect(stderr).toBe(
				"qmp-shell: CPU 1\nqmp-shell: cpu needs the number of a CPU\nqmp-shell: 2 of 5 lines were refused\n",
			);
			expect(status).toBe(1);
		});

		it("colours nothing", async () => {
			const { stdout, stderr } = await sh("qmp-shell -c nosuch", {
				QMP_SOCKET: vm.socket,
				NO_COLOR: "1",
			});
			expect(`${stdout}${stderr}`).not.toContain("\x1b");
		});

		it("says what is wrong with the monitor", async () => {
			expect(await refusal("qmp-shell /nosuch -c query-name")).toEqual([
				...[3, "", expect.stringMatching(/^qmp-shell: \/nosuch: no such/)],
			]);
			expect((await refusal("qmp-shell -c x", {}))[0]).toBe(2);
			expect(
				(await refusal("qmp-shell -c x", { QMP_SOCKET: vm.secondSocket }))[0],
			).toBe(4);
		});

		it("ends when a reader has seen enough", async () => {
			expect(
				await sh("qmp-shell -c query-qmp-schema -c query-name | head -c 10"),
			).toEqual(done('{"return":'));
		});
	});

	it("quit ends QEMU and the shell", async () => {
		const doomed = await startTestMachine(["-M", "none"]);
		try {
			const { status, stdout, stderr } = await sh(
				"qmp-shell -c query-name -c quit -c query-name",
				{ QMP_SOCKET: doomed.socket },
			);
			expect([status, stderr]).toEqual([0, ""]);
			expect(stdout).toMatch(/SHUTDOWN.*\n\{"return": \{\}\}\n$/s);
			if (doomed.process.exitCode === null) await once(doomed.process, "exit");
		} finally {
			await doomed.stop();
		}
	});
});
