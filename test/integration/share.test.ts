/** The monitor that a mount holds, shared with others. */
import { readFile, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { MonitorClient } from "../support/monitorClient.ts";
import {
	lacksMount,
	type Mounted,
	mountQomfs,
	run,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";
import { Tools } from "../support/tools.ts";

describe.skipIf(lacksMount)("a shared monitor", () => {
	let vm: TestMachine;
	let mounted: Mounted;
	let shared: string;
	const clients: MonitorClient[] = [];

	beforeAll(async () => {
		vm = await startTestMachine();
		mounted = await mountQomfs(vm.socket, "cache_timeout=3600");
		shared = await readlink(join(mounted.path, ".qomfs/qmp.sock"));
	});

	afterEach(() => {
		for (const client of clients.splice(0)) client.close();
	});

	afterAll(async () => {
		await mounted?.unmount();
		await vm?.stop();
	});

	const kept = (client: MonitorClient) => {
		clients.push(client);
		return client;
	};
	const connect = async (path = shared) =>
		kept(await MonitorClient.connect(path));
	const negotiated = async (path = shared) =>
		kept(await MonitorClient.negotiated(path));

	const get = (path: string, property: string, rest = "") =>
		`{"execute":"qom-get","arguments":{"path":"${path}","property":"${property}"}${rest}}`;

	/** Each is answered by one line. */
	const exchanges: readonly (string | Uint8Array)[] = [
		'{"execute":"query-name"}',
		'{"execute":"query-name","id":1}',
		'{"execute":"nosuch","id":1}',
		'{"execute":"qom-set","arguments":5}',
		'{"execute":"qmp_capabilities","id":"first"}',
		'{"execute":"qmp_capabilities","id":"again"}',
		'{"execute":"qmp_capabilities"}',
		'{"execute":"query-name"}',
		...[
			...["null", "0", "-1", "1.5", "true", '""', '"x"', '"é😀"', "[]", "{}"],
			...['{"a":[1,{"b":null}]}', "18446744073709551615", "9007199254740993"],
			'"\\u007f\\n\\""',
		].map((id) => `{"execute":"query-name","id":${id}}`),
		'{"id":2,"execute":"query-name"}',
		'{ "execute" : "query-name" ,\n\t"id" :\r\n 3 }',
		'{"execute":"query-version","id":4}',
		'{"execute":"query-status","arguments":{},"id":5}',
		'{"execute":"qom-list","arguments":{"path":"/objects"},"id":6}',
		get("/objects/io0", "poll-max-ns", ',"id":7'),
		get("/objects/io0", "nosuch", ',"id":8'),
		get("/nosuch", "type", ',"id":9'),
		get("/machine/unattached/device[0]", "lbr-fmt", ',"id":10'),
		'{"execute":"qom-get","id":11}',
		'{"execute":"qom-get","arguments":{"path":5,"property":"x"},"id":12}',
		'{"execute":"qom-get","arguments":{"path":"/","property":"type","x":1},"id":13}',
		'{"execute":"nosuch","id":14}',
		'{"execute":"nosuch"}',
		'{"execute":5,"id":15}',
		'{"id":16}',
		"{}",
		'{"execute":"query-name","foo":1,"id":17}',
		'{"execute":"query-name","arguments":[],"id":18}',
		'{"exec-oob":"query-name","id":19}',
		'{"execute":"qom-set","arguments":{"path":"/objects/io0","property":"poll-max-ns","value":7},"id":20}',
		'{"execute":"qom-set","arguments":{"path":"/objects/io0","property":"poll-max-ns","value":32768},"id":20}',
		'{"execute":"qom-set","arguments":{"path":"/objects/io0","property":"poll-max-ns","value":"x"},"id":21}',
		'{"execute":"qom-set","arguments":{"path":"/objects/io0","property":"poll-max-ns","value":-1},"id":22}',
		'{"execute":"device_add","arguments":{"driver":"nosuch"},"id":23}',
		'{"execute":"device_del","arguments":{"id":"nosuch"},"id":24}',
		'{"execute":"object-add","arguments":{"qom-type":"iothread","id":"io9"},"id":25}',
		'{"execute":"object-del","arguments":{"id":"io9"},"id":26}',
		'{"execute":"object-del","arguments":{"id":"io9"},"id":27}',
		'{"execute":"human-monitor-command","arguments":{"command-line":"info name"},"id":28}',
		'{"execute":"query-qmp-schema","id":29}',
	];

	it("answers as QEMU does, byte for byte", async () => {
		const [real, ours] = [await connect(vm.secondSocket), await connect()];
		expect(ours.lines).toEqual(real.lines);
		// One after the other, for what they make can be there once.
		for (const client of [real, ours])
			for (const text of exchanges) await client.ask(text);
		expect(ours.lines).toEqual(real.lines);
		expect(ours.lines).toHaveLength(1 + exchanges.length);
	});

	it("takes the negotiation of out-of-band execution as QEMU does", async () => {
		const [real, ours] = [await connect(vm.secondSocket), await connect()];
		for (const text of [
			'{"exec-oob":"query-name","id":1}',
			'{"execute":"qmp_capabilities","arguments":{"enable":["oob"]},"id":2}',
			'{"exec-oob":"query-name","id":3}',
			'{"exec-oob":5,"id":4}',
			'{"exec-oob":"query-name","execute":"query-name","id":5}',
			'{"execute":"query-name","id":6}',
		])
			expect(await ours.ask(text), text).toBe(await real.ask(text));
	});

	it("goes on behind what is no JSON, as QEMU does, but in other words", async () => {
		const ours = await negotiated();
		for (const text of [
			"foo\n",
			'{"a":}\n',
			"[1]\n",
			"5\n",
			Buffer.from('{"execute":"\xff"}\n', "latin1"),
			`${"[".repeat(2000)}\n`,
			'{"execute":"query-name"} garbage\n',
		]) {
			ours.send(text);
			expect(await ours.ask('{"execute":"query-name","id":"next"}')).toMatch(
				/^\{"(error": \{"class": "GenericError", "desc": "JSON parse error, |return": \{\})/,
			);
			await expect
				.poll(() => ours.lines.at(-1))
				.toBe('{"return": {}, "id": "next"}');
		}
	});

	it("gives each client its own answers, in its order, whatever ids they choose", async () => {
		const names = ["poll-max-ns", "poll-grow", "type", "aio-max-batch"];
		const expected = new Map<string, string>();
		const direct = await negotiated(vm.secondSocket);
		for (const name of names)
			expected.set(name, await direct.ask(get("/objects/io0", name)));
		const each = 300;
		await Promise.all(
			names.flatMap((name) =>
				[1, 2, 3, 4].map(async () => {
					const client = await negotiated();
					client.send(
						Array.from({ length: each }, (_none, index) =>
							get("/objects/io0", name, `,"id":${index % 7}`),
						).join(""),
					);
					await client.seen(2 + each);
					const plain = expected.get(name)?.slice(0, -1);
					expect(client.lines.slice(2)).toEqual(
						Array.from(
							{ length: each },
							(_none, index) => `${plain}, "id": ${index % 7}}`,
						),
					);
				}),
			),
		);
	});

	it("tells events to all who have negotiated", async () => {
		const [one, two, silent] = [
			await negotiated(),
			await negotiated(),
			await connect(),
		];
		await one.ask('{"execute":"system_reset"}');
		for (const client of [one, two])
			await expect
				.poll(() => client.lines.join("\n"))
				.toMatch(/^\{"timestamp": \{.*"event": "RESET"/m);
		expect(silent.lines).toHaveLength(1);
	});

	it("shows in the mount what was changed, before the reply is there", async () => {
		const client = await negotiated();
		const file = join(mounted.path, "objects/io0/poll-max-ns");
		for (let value = 1; value <= 50; value++) {
			await client.ask(
				`{"execute":"qom-set","arguments":{"path":"/objects/io0","property":"poll-max-ns","value":${value}}}`,
			);
			expect((await stat(file)).size).toBe(`${value}\n`.length);
			expect(await readFile(file, "utf8")).toBe(`${value}\n`);
		}
		const added = join(mounted.path, "objects/io5");
		await expect(stat(added)).rejects.toThrow(/ENOENT/);
		await client.ask(
			'{"execute":"object-add","arguments":{"qom-type":"iothread","id":"io5"}}',
		);
		expect((await stat(added)).isDirectory()).toBe(true);
		await client.ask('{"execute":"object-del","arguments":{"id":"io5"}}');
		await expect(stat(added)).rejects.toThrow(/ENOENT/);
	});

	it("harms nobody by a client that never reads, and one that breaks off", async () => {
		const good = await negotiated();
		const deaf = await negotiated();
		deaf.socket.pause();
		deaf.send('{"execute":"query-qmp-schema"}'.repeat(300));
		for (let count = 0; count < 20; count++) {
			const half = await negotiated();
			half.send('{"execute":"query-qmp-schema"}'.repeat(5));
			half.send('{"execute":"qom-');
			half.close();
		}
		expect(await good.ask('{"execute":"query-name"}')).toBe('{"return": {}}');
		expect(await readFile(join(mounted.path, "objects/io0/type"), "utf8")).toBe(
			"iothread\n",
		);
		const { pid } = await mounted.status();
		const memory = await readFile(`/proc/${pid}/status`, "utf8");
		expect(Number(/^VmHWM:\s+(\d+)/m.exec(memory)?.[1]) / 1024).toBeLessThan(
			200,
		);
		// It gets all once it reads, though it had to wait for it.
		deaf.socket.resume();
		await deaf.seen(302);
	});

	it("takes 64 clients, and no more", async () => {
		const all = await Promise.all(
			Array.from({ length: 64 }, () => negotiated()),
		);
		await expect(MonitorClient.connect(shared)).rejects.toThrow(/closed/);
		all[0]?.close();
		await expect
			.poll(() => connect().then(() => "connected", String))
			.toBe("connected");
	});

	it("is for its user alone", async () => {
		expect((await stat(shared)).mode & 0o777).toBe(0o600);
		expect((await stat(join(shared, ".."))).mode & 0o077).toBe(0);
	});

	it("can be the source of another mount", async () => {
		const second = await mountQomfs(mounted.path);
		try {
			expect(await second.status()).toMatchObject({ source: mounted.path });
			const { stdout } = await second.sh(
				'cat "$M/objects/io0/type"; findmnt -n -o SOURCE "$M"',
			);
			expect(stdout).toBe(`iothread\n${mounted.path}\n`);
		} finally {
			await second.unmount();
		}
	});

	it("serves a second mount of the same monitor, which goes on alone", async () => {
		const first = await mountQomfs(vm.socket);
		const second = await mountQomfs(vm.socket);
		try {
			const value = async ({ sh }: Mounted) =>
				(await sh('cat "$M/objects/io0/poll-max-ns"')).stdout;
			await second.sh('echo 77 > "$M/objects/io0/poll-max-ns"');
			const tools = await Tools.create(second.path);
			expect(await tools.output("qom-get", "io0.poll-max-ns")).toBe("77\n");
			expect(await tools.output("qmp-shell", "-c", "query-name")).toBe(
				'{"return": {}}\n',
			);
			const third = await mountQomfs(second.path);
			expect(await value(third)).toBe("77\n");
			await third.unmount();
			await tools.remove();
			expect([await value(first), await value(second)]).toEqual([
				...["77\n", "77\n"],
			]);
			await first.unmount();
			await expect.poll(() => value(second), { timeout: 10_000 }).toBe("77\n");
		} finally {
			await second.unmount();
		}
	});

	it("is where our tools go while the mount is there", async () => {
		const tools = await Tools.create();
		try {
			for (const source of [vm.socket, mounted.path]) {
				tools.socket = source;
				for (const line of [
					"qom-get io0.type",
					"qomfs find -name io0",
					"qmp query-name",
					"qmp-shell -c query-name",
					"qomfs events --count 1 & sleep 1; qmp system_reset; wait",
				])
					expect(await tools.sh(line), line).toMatchObject({
						...{ status: 0, stderr: "" },
					});
			}
		} finally {
			await tools.remove();
		}
	});
});

describe.skipIf(lacksMount)("a monitor that is shared for reading", () => {
	it.each(["share=ro", "ro"])(
		"refuses what may change the machine: -o %s",
		async (options) => {
			const vm = await startTestMachine();
			const mounted = await mountQomfs(vm.socket, options);
			const client = await MonitorClient.negotiated(
				await readlink(join(mounted.path, ".qomfs/qmp.sock")),
			);
			for (const command of [
				"qom-set",
				"device_add",
				"quit",
				"stop",
				"human-monitor-command",
			])
				expect(await client.ask(`{"execute":"${command}","id":1}`)).toBe(
					`{"id": 1, "error": {"class": "GenericError", "desc": "The command ${command} may change the machine, and this monitor is shared for reading alone"}}`,
				);
			expect(await client.ask('{"execute":"query-name","id":1}')).toBe(
				'{"return": {}, "id": 1}',
			);
			client.close();
			await mounted.unmount();
			await vm.stop();
		},
	);

	it("is not shared at all where that is asked for", async () => {
		const vm = await startTestMachine();
		const mounted = await mountQomfs(vm.socket, "share=no");
		await expect(
			readlink(join(mounted.path, ".qomfs/qmp.sock")),
		).rejects.toThrow(/ENOENT/);
		await mounted.unmount();
		await vm.stop();
	});
});

describe.skipIf(lacksMount)("a shared monitor whose QEMU ends", () => {
	it("tells its clients as QEMU does, and is gone with the mount", async () => {
		const vm = await startTestMachine();
		const mounted = await mountQomfs(vm.socket, "connect_timeout=1");
		const path = await readlink(join(mounted.path, ".qomfs/qmp.sock"));
		const one = await MonitorClient.negotiated(path);
		const two = await MonitorClient.negotiated(path);
		one.send('{"execute":"quit","id":"q"}');
		await Promise.all([one.ended, two.ended]);
		expect(one.lines.slice(2)).toEqual([
			expect.stringMatching(/"event": "SHUTDOWN"/),
			'{"return": {}, "id": "q"}',
		]);
		expect(two.lines.at(-1)).toMatch(/"event": "SHUTDOWN"/);
		await expect(MonitorClient.connect(path)).rejects.toThrow(/closed/);
		// Our tools tell of QEMU, not of the mount that waits for it.
		const tools = await Tools.create(vm.socket);
		expect((await tools.run("qom-get", "io0.type")).stderr).toMatch(
			`qom-get: ${vm.socket}: `,
		);
		await tools.remove();
		await mounted.unmount();
		expect((await run("test", ["-e", path])).status).toBe(1);
		await vm.stop();
	});
});
