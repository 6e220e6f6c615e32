import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { patienceMs } from "../support/faultBench.ts";
import { FaultTally, socketsIn } from "../support/faultTally.ts";
import {
	goodEntry,
	goodName,
	greetingOf,
	type HostileRequest,
	HostileServer,
	plainTree,
	reply,
} from "../support/hostileServer.ts";
import { gone, lacksMount, run } from "../support/mounted.ts";
import { Sandbox } from "../support/sandbox.ts";

const timeoutMs = 1000;
const options = [
	`timeout=${timeoutMs / 1000}`,
	"cache_timeout=0",
	"connect_timeout=1",
];

const tally = new FaultTally("hostile peers");
let box: Sandbox;
let server: HostileServer;
let pid = 0;

beforeEach(async () => {
	box = await Sandbox.create();
	server = await HostileServer.listen(join(box.directory, "qmp.sock"));
	pid = 0;
});

afterEach(async () => {
	await run("fusermount3", ["-uz", box.mountpoint]);
	if (pid > 0) await gone(pid);
	await server.close();
	const left = [
		...(await box.leftovers()),
		...(await socketsIn(box.directory)),
	];
	tally.left(left);
	await box.remove();
	expect(left).toEqual([]);
});

afterAll(() => {
	tally.print();
	expect(tally.hangs).toEqual([]);
	expect(tally.leftovers).toBe(0);
});

const at = (path: string) => join(box.mountpoint, path);

const tryMount = (...more: string[]) =>
	box.qomfs([
		...[server.address, box.mountpoint, "-o", [...options, ...more].join(",")],
	]);

const status = async () =>
	JSON.parse(await readFile(at(".qomfs/status"), "utf8"));

async function mount(...more: string[]): Promise<void> {
	expect(await tryMount(...more)).toEqual({
		status: 0,
		stdout: "",
		stderr: "",
	});
	pid = (await status()).pid;
}

/** Memory that the daemon has ever held, in MB. */
async function peakMb(): Promise<number> {
	const text = await readFile(`/proc/${pid}/status`, "utf8");
	return Number(/^VmHWM:\s+(\d+)/m.exec(text)?.[1]) / 1024;
}

const read = (path: string) => tally.read(at(path), timeoutMs);

/** The same daemon serves, and a peer that behaves again is read again. */
async function expectAlive(withinMs = patienceMs): Promise<void> {
	const startMs = performance.now();
	for (;;) {
		const { answer } = await read(goodName);
		if (answer === "ok") break;
		if (performance.now() - startMs > withinMs)
			throw new Error(`not back: ${answer} ${JSON.stringify(await status())}`);
		await sleep(50); // between two looks
	}
	expect(await readFile(at(goodName), "utf8")).toBe("fine\n");
	expect((await status()).pid).toBe(pid);
}

const isValue = ({ execute }: HostileRequest) => execute === "qom-get";

describe.skipIf(lacksMount)(
	"a peer that misbehaves before it is mounted",
	() => {
		const deep = `${"[".repeat(10_000)}${"]".repeat(10_000)}`;

		it.each<[string, string | Uint8Array, number, RegExp]>([
			[
				"says nothing",
				"",
				3,
				/said nothing for 1 s, so it is no free QMP monitor; start QEMU/,
			],
			[
				"does not speak QMP",
				"SSH-2.0-OpenSSH\r\n",
				3,
				/does not speak QMP.*; give/,
			],
			[
				"greets with JSON of its own",
				'{"hello":1}',
				3,
				/does not greet as QMP/,
			],
			[
				"greets with half of it",
				'{"QMP":{"version"',
				3,
				/no QMP greeting; is it/,
			],
			[
				"greets with a version of objects",
				'{"QMP":{"version":{"qemu":{"major":{"valueOf":1,"toString":1}}}}}',
				3,
				/does not greet/,
			],
			[
				"greets 10,000 levels deep",
				`{"QMP":${deep}}`,
				3,
				/nested more than 1024/,
			],
			[
				"greets in invalid UTF-8",
				Buffer.from('{"QMP":"\xff"}', "latin1"),
				3,
				/not valid UTF-8/,
			],
		])("is refused: %s", async (_what, greeting, exitStatus, message) => {
			server.greeting = greeting;
			tally.fault();
			const { status, stdout, stderr } = await tryMount();
			expect([status, stdout]).toEqual([exitStatus, ""]);
			expect(stderr).toMatch(/^qomfs: [^\n]+\n$/);
			expect(stderr).toMatch(message);
		});

		it.each([
			["negotiation", "qmp_capabilities"],
			["first question", "qom-list-get"],
		])("never answers the %s: timed out", async (_what, command) => {
			server.trick = ({ execute }) =>
				execute === command ? undefined : "honest";
			tally.fault();
			const { status, stderr } = await tryMount();
			expect(status).toBe(5);
			expect(stderr).toMatch(/^qomfs: [^\n]*no answer from QEMU within 1 s\n$/);
		});
	},
);

describe.skipIf(lacksMount)("a peer that answers wrongly", () => {
	const ids: readonly [string, (id: number) => string, string][] = [
		["an id that nobody gave", (id) => reply(id + 1000, "wrong"), "ETIMEDOUT"],
		["an id that is a text", (id) => reply(`${id}`, "wrong"), "ETIMEDOUT"],
		["an id that is an object", () => reply({ a: 1 }, "wrong"), "ETIMEDOUT"],
		["nothing", () => "", "ETIMEDOUT"],
		["twice", (id) => reply(id, "fine") + reply(id, "wrong"), "ok"],
		[
			"what nobody asked, first",
			(id) => reply(id + 7, "wrong") + reply(id, "fine"),
			"ok",
		],
		[
			"a return that is an error too",
			(id) => `{"error":1,"return":"fine","id":${id}}`,
			"ok",
		],
		[
			"an error without a text",
			(id) => `{"error":{"class":1},"id":${id}}`,
			"ENODEV",
		],
		["no object", () => "[1,2,3]", "ENODEV"],
		["another protocol", () => "HTTP/1.1 200 OK\r\n\r\n", "ENODEV"],
		["broken JSON", (id) => `{"return": tru, "id": ${id}}`, "ENODEV"],
		[
			"a number out of range",
			(id) => `{"return": 1e999, "id": ${id}}`,
			"ENODEV",
		],
		[
			"half of it, and hangs",
			(id) => `{"id": ${id}, "return": "fi`,
			"ETIMEDOUT",
		],
		["a second greeting", (id) => greetingOf(9) + reply(id, "fine"), "ok"],
	];

	it.each(ids)("with %s", async (_what, wire, expected) => {
		await mount();
		server.trick = (request) =>
			isValue(request) ? wire(request.id) : "honest";
		tally.fault();
		const { answer } = await read(goodName);
		expect(answer).toBe(expected);
		if (expected === "ok")
			expect(await readFile(at(goodName), "utf8")).toBe("fine\n");
		server.trick = () => "honest";
		// Half a message swallows the beginning of the next: that session has to end first.
		if (/half/.test(_what)) server.each((socket) => socket.destroy());
		await expectAlive();
	});

	it("with half of it, and closes", async () => {
		await mount();
		server.trick = (request, socket) => {
			if (!isValue(request)) return "honest";
			socket.end(`{"id": ${request.id}, "return": "fi`);
			return undefined;
		};
		tally.fault();
		expect((await read(goodName)).answer).toBe("ENODEV");
		server.trick = () => "honest";
		await expectAlive();
	});

	it.each<[string, unknown]>([
		["no list", { a: 1 }],
		["a list of no objects", [1, null, "x"]],
		["null", null],
	])(
		"with %s where a listing should be: a clear error, and the session goes on",
		async (_what, value) => {
			await mount();
			server.trick = ({ execute, id }) =>
				execute === "qom-list" ? reply(id, value) : "honest";
			tally.fault();
			const { answer } = await tally.attempt(
				() => readdir(box.mountpoint),
				timeoutMs,
			);
			expect(answer).toMatch(/^E/);
			expect(await readFile(at(".qomfs/errors"), "utf8")).toMatch(
				/unknown form/,
			);
			server.trick = () => "honest";
			await expectAlive();
		},
	);

	it("byte by byte is understood all the same", async () => {
		await mount("timeout=5");
		let sent = Promise.resolve();
		server.trick = async (request, socket) => {
			sent = sent.then(async () => {
				for (const byte of Buffer.from(server.answer(request))) {
					socket.write(Buffer.of(byte));
					await sleep(1); // or they would go together
				}
			});
			await sent;
			return undefined;
		};
		tally.fault();
		await expectAlive();
	});
});

describe.skipIf(lacksMount)("a peer that sends too much", () => {
	const megabyte = Buffer.alloc(2 ** 20, "x");

	it("is cut off in the middle of a gigabyte line, at 64 MiB", async () => {
		await mount("timeout=20");
		const before = await peakMb();
		let sentMb = 0;
		server.trick = async (request, socket) => {
			if (!isValue(request)) return "honest";
			const closed = new Promise((resolve) => socket.once("close", resolve));
			socket.write(`{"id":${request.id},"return":"`);
			for (; sentMb < 1024 && !socket.destroyed; sentMb++)
				if (!socket.write(megabyte))
					await Promise.race([
						new Promise((resolve) => socket.once("drain", resolve)),
						closed,
					]);
			return undefined;
		};
		tally.fault();
		expect((await tally.read(at(goodName), 20_000)).answer).toBe("ENODEV");
		expect(sentMb).toBeLessThan(80);
		expect((await peakMb()) - before).toBeLessThan(250);
		expect((await status()).reason ?? "67108864 bytes").toMatch(
			/67108864 bytes/,
		);
		server.trick = () => "honest";
		await expectAlive();
	});

	it("may send 30 MB in one value, and it is whole", async () => {
		await mount("timeout=20");
		const value = "v".repeat(30e6);
		server.tree = { "/": [goodEntry, { name: "big", type: "string", value }] };
		tally.fault();
		const { stdout } = await run("sh", ["-c", 'wc -c < "$1"', "sh", at("big")]);
		expect(stdout.trim()).toBe("30000001");
		expect(await peakMb()).toBeLessThan(600);
		server.tree = plainTree;
		await expectAlive();
	});

	it("nests 10,000 levels deep: the session ends, with the reason", async () => {
		await mount();
		const deep = `${"[".repeat(10_000)}1${"]".repeat(10_000)}`;
		server.trick = (request) =>
			isValue(request) ? `{"return":${deep},"id":${request.id}}` : "honest";
		tally.fault();
		expect((await read(goodName)).answer).toBe("ENODEV");
		expect(await readFile(at(".qomfs/errors"), "utf8")).toMatch(
			/nested more than 1024 levels/,
		);
		server.trick = () => "honest";
		await expectAlive();
	});

	it("nests as deep as is allowed: the value is shown", async () => {
		await mount();
		const deep = `${"[".repeat(1000)}1${"]".repeat(1000)}`;
		server.trick = (request) =>
			isValue(request) ? `{"return":${deep},"id":${request.id}}` : "honest";
		tally.fault();
		expect(await readFile(at(goodName), "utf8")).toBe(`${deep}\n`);
	});

	it("sends events by the ten thousand, and the mount answers meanwhile", async () => {
		await mount("timeout=10");
		const before = await peakMb();
		const paths = [
			"/machine/gone",
			"",
			"x",
			"/",
			"/../../etc",
			"/a\\u0000b",
			"/\\ud800",
			"//",
			`/${"l".repeat(300)}`,
		];
		const events = paths.map(
			(path) =>
				`{"event":"DEVICE_DELETED","timestamp":{"seconds":1,"microseconds":2},"data":{"path":"${path}"}}\r\n`,
		);
		const odd = [
			'{"event":"X"}',
			'{"event":"X","data":[1],"timestamp":"y"}',
			'{"event":"DEVICE_DELETED","data":{"path":{"a":1}}}',
			'{"event":"X","timestamp":{"seconds":null}}',
		];
		for (let round = 0; round < 5; round++) {
			tally.fault();
			server.broadcast([...events, ...odd].join("").repeat(2000));
			expect((await tally.read(at(goodName), 10_000)).answer).toBe("ok");
			expect((await tally.read(at(".qomfs/status"), 10_000)).answer).toBe("ok");
		}
		expect((await peakMb()) - before).toBeLessThan(300);
		expect((await status()).connection).toBe("connected");
		await expectAlive();
	});

	it("sends an event whose numbers are none", async () => {
		await mount();
		tally.fault();
		server.broadcast(
			'{"event":"X","timestamp":{"seconds":{"valueOf":1,"toString":2}}}',
		);
		await expectAlive();
	});

	const treeOf = (count: number) => ({
		"/": [
			goodEntry,
			...Array.from({ length: count }, (_none, index) => ({
				...{ name: `p${index}`, type: "int", value: index },
			})),
		],
	});

	it("lists 50,000 entries", async () => {
		await mount("timeout=30", "cache_timeout=30");
		server.tree = treeOf(50_000);
		tally.fault();
		const { stdout } = await run("sh", [
			...["-c", 'ls -U "$1" | wc -l', "sh", box.mountpoint],
		]);
		expect(stdout.trim()).toBe("50001");
		expect((await tally.read(at("p49999"), 30_000)).answer).toBe("ok");
		expect(await readFile(at("p49999"), "utf8")).toBe("49999\n");
		expect(await peakMb()).toBeLessThan(300);
	});

	it("does not list a million, and says why", async () => {
		await mount("timeout=30");
		server.tree = treeOf(1_000_000);
		tally.fault();
		const { answer } = await tally.attempt(
			() => readdir(box.mountpoint),
			30_000,
		);
		expect(answer).toBe("ENODEV");
		expect(await readFile(at(".qomfs/errors"), "utf8")).toMatch(
			/message of more than 2000000 values/,
		);
		expect(await peakMb()).toBeLessThan(300);
		server.tree = plainTree;
		await expectAlive();
	});
});

describe.skipIf(lacksMount)("a peer whose names are no file names", () => {
	const bad = [
		...["a/b", "/", "/etc", "..", ".", "", "nul\0nul", "n".repeat(300)],
		...["\ud800", "x\udfff", "../../etc/passwd", ".qomfs"],
	];
	/** Odd, but the kernel takes them. */
	const odd = [
		"a b",
		"line\nfeed",
		"*",
		"-rf",
		"\x1b[31m",
		"é😀",
		"n".repeat(255),
		"__proto__",
		"constructor",
	];

	beforeEach(() => {
		server.tree = {
			"/": [goodEntry, { name: "dir", type: "child<container>" }],
			"/dir": [
				...bad.map((name) => ({ ...{ name, type: "string", value: "bad" } })),
				...bad.map((name) => ({ ...{ name, type: "child<container>" } })),
				...odd.map((name) => ({ ...{ name, type: "string", value: "odd" } })),
				...["twice", "twice"].map((name, index) => ({
					...{
						name,
						type: index ? "child<container>" : "string",
						value: "first",
					},
				})),
				goodEntry,
			],
		};
	});

	it("hides them, and none of their neighbours", async () => {
		await mount();
		tally.fault();
		const names = await readdir(at("dir"));
		expect([...names].sort()).toEqual(
			[...odd, "twice", goodName, ".qomfs"].sort(),
		);
		for (const name of odd)
			expect(await readFile(at(`dir/${name}`), "utf8")).toBe("odd\n");
		expect(await readFile(at(`dir/${goodName}`), "utf8")).toBe("fine\n");
		expect(await readFile(at("dir/twice"), "utf8")).toBe("first\n");
		await readdir(at("dir"));
		const log = await readFile(at(".qomfs/errors"), "utf8");
		const told = log
			.trimEnd()
			.split("\n")
			.map((line) => JSON.parse(line));
		expect(told).toHaveLength(bad.length - 1); // all but .qomfs, each once
		expect(told).toContainEqual(
			expect.objectContaining({
				errno: "ENAMETOOLONG",
				path: `/dir/${"n".repeat(255)}...`,
				desc: "no file can have this name; it is left out",
			}),
		);
	});

	it("lets ls -lR end without an error", async () => {
		await mount();
		tally.fault();
		const finished = await run("ls", ["-lR", box.mountpoint]);
		expect(finished).toMatchObject({ status: 0, stderr: "" });
	});

	it("keeps links inside the mount", async () => {
		await mount();
		const links = [
			...[
				"/../../etc/passwd",
				"../../etc",
				"etc",
				"/a/../b",
				"//",
				"/nul\0",
				"/./x",
			],
			...[`/${"n".repeat(300)}`, 7, null, { a: 1 }, ["/"], "/\ud800"],
		];
		server.tree = {
			"/": [
				goodEntry,
				...links.map((value, index) => ({
					...{ name: `bad${index}`, type: "link<x>", value },
				})),
				{ name: "fine", type: "link<x>", value: `/${goodName}` },
				{
					name: "long",
					type: "link<x>",
					value: `/${goodName}${"/n".repeat(2048)}`,
				},
			],
		};
		tally.fault();
		expect(await readlink(at("fine"))).toBe(goodName);
		for (const index of links.keys()) {
			const { answer } = await tally.attempt(async () => {
				const target = await readlink(at(`bad${index}`));
				expect(join(box.mountpoint, target)).toContain(`${box.mountpoint}/`);
				expect(target).not.toMatch(/\.\.|\/etc/);
			}, timeoutMs);
			expect(answer).toMatch(/^(ok|EIO)$/);
		}
		await expect(readlink(at("long"))).rejects.toThrow(/ENAMETOOLONG/);
		expect(await readFile(at(".qomfs/errors"), "utf8")).toMatch(
			/leads to a path of more than 4095 bytes/,
		);
		expect(await readdir(box.mountpoint)).toHaveLength(links.length + 3);
	});

	it("takes cycles of children for what they are, and stays small", async () => {
		await mount();
		const cycle = [goodEntry, { name: "c", type: "child<container>" }];
		server.trick = ({ execute, id }) =>
			execute === "qom-list" ? reply(id, cycle) : "honest";
		tally.fault();
		const before = await peakMb();
		const { status } = await run("timeout", [
			...["-s", "KILL", "2", "find", box.mountpoint],
		]);
		expect(status).not.toBe(1); // it ends by itself, or was ended
		expect(await peakMb()).toBeLessThan(before + 200);
		expect(await lstat(at("c/".repeat(200)))).toBeTruthy();
		server.trick = () => "honest";
		await expectAlive();
	});
});
