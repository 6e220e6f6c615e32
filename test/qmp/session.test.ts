import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import {
	type AddressInfo,
	createServer,
	type Server,
	type Socket,
} from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import {
	afterAll,
	afterEach,
	beforeAll,
	describe,
	expect,
	it,
	vi,
} from "vitest";
import {
	CommandError,
	ConnectError,
	DisconnectedError,
	ProtocolError,
	type QomfsError,
	TimeoutError,
} from "../../src/errors.ts";
import { type Json, type JsonObject, parseJson } from "../../src/json.ts";
import { formatAddress } from "../../src/qmp/address.ts";
import { MessageSplitter } from "../../src/qmp/messageSplitter.ts";
import type { Greeting } from "../../src/qmp/messages.ts";
import { connectSession } from "../../src/qmp/openSession.ts";
import { QmpSession } from "../../src/qmp/session.ts";
import type { SocketAddress } from "../../src/qmp/socketAddress.ts";
import type { Transport } from "../../src/qmp/transport.ts";

class FakeTransport implements Transport {
	onMessage: Transport["onMessage"] = () => {};
	onClose: Transport["onClose"] = () => {};
	readonly sent: string[] = [];
	#open = true;

	send(text: string): number {
		return Buffer.byteLength(this.sent[this.sent.push(text) - 1] ?? "");
	}

	close(): void {
		queueMicrotask(() => this.end(new DisconnectedError("closed")));
	}

	async explainSilence(): Promise<QomfsError> {
		return new TimeoutError("silence");
	}

	async explainEnd(): Promise<undefined> {}

	async explainLasting(): Promise<undefined> {}

	end(reason: QomfsError): void {
		if (this.#open) this.onClose(reason);
		this.#open = false;
	}

	receive(text: string): void {
		this.onMessage(text, Buffer.byteLength(text));
	}

	/** Answers the nth command that was sent. */
	answer(index: number, value: Json): void {
		this.receive(JSON.stringify({ return: value, id: this.idOf(index) }));
	}

	idOf(index: number): Json | undefined {
		return (parseJson(this.sent[index] ?? "{}") as JsonObject).id;
	}
}

const greeting: Greeting = {
	kind: "greeting",
	version: { major: 11, minor: 1, micro: 3, package: "" },
	capabilities: [],
	message: {},
};

function start(timeoutMs = 1000) {
	const transport = new FakeTransport();
	return { transport, session: new QmpSession(transport, greeting, timeoutMs) };
}

/** What a promise fails with. */
async function failureOf(promise: Promise<unknown>): Promise<Error> {
	const [outcome] = await Promise.allSettled([promise]);
	if (outcome.status === "fulfilled") throw new Error("it did not fail");
	return outcome.reason;
}

describe("a command", () => {
	it("is sent as short as can be", async () => {
		const { transport, session } = start();
		const replies = [
			session.execute("query-version"),
			session.execute("qom-list", { path: "/" }),
		];
		transport.answer(0, {});
		transport.answer(1, []);
		expect(await Promise.all(replies)).toStrictEqual([{}, []]);
		expect(transport.sent).toStrictEqual([
			'{"execute":"query-version","id":0}',
			'{"execute":"qom-list","arguments":{"path":"/"},"id":1}',
		]);
	});

	it("gets its own answer, however many are in flight and in whatever order they are answered", async () => {
		const step = fc.oneof(fc.constant("execute" as const), fc.nat({ max: 40 }));
		await fc.assert(
			fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
				const { transport, session } = start();
				const answers: Promise<Json>[] = [];
				const unanswered: number[] = [];
				const answer = (pick: number) => {
					const [index] = unanswered.splice(pick % unanswered.length, 1);
					if (index !== undefined) transport.answer(index, `answer ${index}`);
				};
				for (const step of steps) {
					if (step === "execute")
						unanswered.push(answers.push(session.execute("x")) - 1);
					else if (unanswered.length > 0) answer(step);
				}
				while (unanswered.length > 0) answer(unanswered.length - 1);
				expect(await Promise.all(answers)).toStrictEqual(
					answers.map((_, index) => `answer ${index}`),
				);
			}),
		);
	});

	it("keeps its id to itself while others come and go", async () => {
		const { transport, session } = start();
		const first = session.execute("first");
		for (let index = 1; index <= 30; index++) {
			const reply = session.execute("next");
			transport.answer(index, index);
			expect(await reply).toBe(index);
		}
		transport.answer(0, "its own");
		expect(await first).toBe("its own");
	});

	it("fails with QEMU's class and text", async () => {
		const { transport, session } = start();
		const failure = failureOf(session.execute("qom-get"));
		transport.receive(
			'{"id":0,"error":{"class":"DeviceNotFound","desc":"Device \'/x\' not found"}}',
		);
		expect(await failure).toBeInstanceOf(CommandError);
		expect(await failure).toMatchObject({
			command: "qom-get",
			class: "DeviceNotFound",
			desc: "Device '/x' not found",
		});
	});

	it("carries 64-bit integers both ways without losing a digit", async () => {
		const { transport, session } = start();
		const reply = session.execute("qom-set", {
			values: [2n ** 64n - 1n, -(2n ** 63n)],
		});
		expect(transport.sent[0]).toContain(
			'"values":[18446744073709551615,-9223372036854775808]',
		);
		transport.receive(
			'{"return":[18446744073709551615,-9223372036854775808],"id":0}',
		);
		expect(await reply).toStrictEqual([2n ** 64n - 1n, -(2n ** 63n)]);
	});

	it("that is the oldest fails by an error without an id", async () => {
		const { transport, session } = start();
		const failure = failureOf(session.execute("oldest"));
		const younger = session.execute("younger");
		transport.receive(
			'{"error":{"class":"GenericError","desc":"JSON parse error"}}',
		);
		transport.answer(1, "fine");
		expect(await failure).toMatchObject({ command: "oldest" });
		expect(await younger).toBe("fine");
	});

	it.each([
		'{"return":"stray","id":9}',
		'{"return":"stray","id":"0"}',
		'{"return":"stray","id":null}',
		'{"return":"stray","id":18446744073709551615}',
		'{"id":9,"error":{"class":"GenericError","desc":"stray"}}',
	])(
		"is not settled by a reply with an id that nobody gave: %s",
		async (stray) => {
			const { transport, session } = start();
			const reply = session.execute("x");
			transport.receive(stray);
			transport.answer(0, "its own");
			expect(await reply).toBe("its own");
		},
	);

	it("is not disturbed by replies while nothing is in flight", async () => {
		const { transport, session } = start();
		transport.receive('{"return":"stray","id":0}');
		transport.receive('{"error":{"class":"GenericError","desc":"stray"}}');
		const reply = session.execute("x");
		transport.answer(0, "its own");
		expect(await reply).toBe("its own");
	});
});

describe("a command that is not answered in time", () => {
	afterEach(() => {
		vi.useRealTimers();
	});

	it("fails, its late reply is dropped and the session goes on", async () => {
		vi.useFakeTimers();
		const { transport, session } = start(1000);
		const failure = failureOf(session.execute("slow"));
		vi.advanceTimersByTime(1000);
		expect(await failure).toBeInstanceOf(TimeoutError);
		expect((await failure).message).toBe(
			"slow: no answer from QEMU within 1 s",
		);
		// More than there are ids: none may take the one that is still to be answered.
		for (let index = 1; index <= 30; index++) {
			const reply = session.execute("next");
			if (index === 25) transport.answer(0, "late");
			transport.answer(index, `answer ${index}`);
			expect(await reply).toBe(`answer ${index}`);
		}
	});

	it("still takes the error without an id that is meant for it", async () => {
		vi.useFakeTimers();
		const { transport, session } = start(1000);
		const late = failureOf(session.execute("slow"));
		vi.advanceTimersByTime(1000);
		await late;
		const next = session.execute("next");
		transport.receive('{"error":{"class":"GenericError","desc":"late"}}');
		transport.answer(1, "fine");
		expect(await next).toBe("fine");
	});

	it("is given the time that it asks for itself", async () => {
		vi.useFakeTimers();
		const { transport, session } = start(1000);
		const short = failureOf(
			session.execute("short", undefined, { timeoutMs: 10 }),
		);
		const long = session.execute("long", undefined, { timeoutMs: 60_000 });
		vi.advanceTimersByTime(50_000);
		transport.answer(1, "fine");
		expect(await short).toBeInstanceOf(TimeoutError);
		expect(await long).toBe("fine");
	});

	it("leaves no timer behind once it is answered or the session ends", async () => {
		vi.useFakeTimers();
		const { transport, session } = start();
		const answered = session.execute("x");
		const failed = failureOf(session.execute("y"));
		transport.answer(0, {});
		await answered;
		expect(vi.getTimerCount()).toBe(1);
		await session.close();
		await failed;
		expect(vi.getTimerCount()).toBe(0);
	});
});

describe("events", () => {
	const event = (name: string) => `{"event":"${name}","data":{"n":1}}`;

	it("reach every listener, in order with the replies", async () => {
		const { transport, session } = start();
		const heard: string[] = [];
		session.onEvent(({ name }) => heard.push(`1 ${name}`));
		session.onEvent(({ name, data }) => heard.push(`2 ${name} ${data.n}`));
		const reply = session.execute("x").then(() => heard.push("reply"));
		transport.receive(event("A"));
		transport.answer(0, {});
		await reply;
		transport.receive(event("B"));
		expect(heard).toStrictEqual(["1 A", "2 A 1", "reply", "1 B", "2 B 1"]);
	});

	it("do not reach a listener that was removed, even by another listener", () => {
		const { transport, session } = start();
		const heard: string[] = [];
		const removeFirst = session.onEvent(({ name }) => {
			heard.push(`first ${name}`);
			removeFirst();
			removeLast();
		});
		session.onEvent(({ name }) => heard.push(`second ${name}`));
		const removeLast = session.onEvent(({ name }) =>
			heard.push(`last ${name}`),
		);
		transport.receive(event("A"));
		transport.receive(event("B"));
		expect(heard).toStrictEqual(["first A", "second A", "second B"]);
	});

	it("settle no command", async () => {
		const { transport, session } = start();
		const reply = session.execute("x");
		transport.receive('{"event":"STOP","id":0}');
		transport.answer(0, "its own");
		expect(await reply).toBe("its own");
	});
});

describe("the end of a session", () => {
	it("by close() fails everything in flight", async () => {
		const { session } = start();
		const failures = [session.execute("x"), session.execute("y")].map(
			failureOf,
		);
		await session.close();
		for (const failure of failures)
			expect(await failure).toBeInstanceOf(DisconnectedError);
		expect(await session.ended).toBeInstanceOf(DisconnectedError);
	});

	it("may be asked for twice", async () => {
		const { session } = start();
		await Promise.all([session.close(), session.close()]);
		await session.close();
		expect(await session.ended).toBeInstanceOf(DisconnectedError);
	});

	it("by QEMU fails everything in flight with its reason", async () => {
		const { transport, session } = start();
		const failure = failureOf(session.execute("x"));
		const reason = new DisconnectedError("QEMU has ended");
		transport.end(reason);
		expect(await failure).toBe(reason);
		expect(await session.ended).toBe(reason);
	});

	it("lets no command through any more", async () => {
		const { transport, session } = start();
		await session.close();
		expect(await failureOf(session.execute("x"))).toBe(await session.ended);
		expect(transport.sent).toStrictEqual([]);
	});

	it.each([
		'{"foo":1}',
		'{"return":1e400,"id":0}',
		"{]}",
		'{"error":{"class":"GenericError"},"id":0}',
	])("comes with a message that is not QMP: %s", async (text) => {
		const { transport, session } = start();
		const failures = [session.execute("x"), session.execute("y")].map(
			failureOf,
		);
		transport.receive(text);
		for (const failure of failures)
			expect(await failure).toBeInstanceOf(ProtocolError);
		expect(await failureOf(session.execute("z"))).toBeInstanceOf(ProtocolError);
		expect(transport.sent).toHaveLength(2);
	});

	it("is told with its reason when a message was not QMP", async () => {
		const { transport, session } = start();
		transport.receive('{"foo":1}');
		expect(await session.ended).toBeInstanceOf(ProtocolError);
	});
});

describe("the counters of a session", () => {
	it("count commands, and bytes both ways", async () => {
		const { transport, session } = start();
		const reply = session.execute("é");
		transport.answer(0, "€");
		await reply;
		expect(session.counters).toStrictEqual({
			commands: 1,
			bytesSent: Buffer.byteLength('{"execute":"é","id":0}'),
			bytesReceived: Buffer.byteLength('{"return":"€","id":0}'),
		});
	});
});

const greetingText =
	'{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian"}, "capabilities": ["oob"]}}\r\n';

/** Greets, and answers every command with its name. */
function monitor(socket: Socket): void {
	const splitter = new MessageSplitter();
	socket.write(greetingText);
	socket.on("data", (chunk) => {
		for (const text of splitter.push(chunk)) {
			const { execute, id } = JSON.parse(text);
			socket.write(`${JSON.stringify({ return: execute, id })}\r\n`);
		}
	});
}

const kinds = ["unix", "tcp"] as const;
type Kind = (typeof kinds)[number];

describe("connecting", () => {
	/** For servers that will not say what is waited for. */
	const shortMs = 200;
	const cleanups: (() => void)[] = [];
	let dir: string;
	let names = 0;

	beforeAll(async () => {
		dir = await mkdtemp(join(tmpdir(), "qomfs-session-"));
	});

	afterEach(() => {
		for (const cleanup of cleanups.splice(0)) cleanup();
	});

	afterAll(() => rm(dir, { recursive: true }));

	const newPath = () => join(dir, `${names++}.sock`);

	async function listen(server: Server, kind: Kind): Promise<SocketAddress> {
		const path = newPath();
		server.on("connection", (socket) => {
			cleanups.push(() => socket.destroy());
			socket.on("error", () => {}); // the client may leave in mid-sentence
		});
		cleanups.push(() => server.close());
		await new Promise<void>((resolve) => {
			if (kind === "unix") server.listen(path, resolve);
			else server.listen(0, "127.0.0.1", resolve);
		});
		if (kind === "unix") return { kind, path };
		const { port } = server.address() as AddressInfo;
		return { kind, host: "127.0.0.1", port };
	}

	const serve = (kind: Kind, onClient: (socket: Socket) => void) =>
		listen(createServer(onClient), kind);

	async function refusalOf(
		address: SocketAddress,
		connectTimeoutMs = 2000,
	): Promise<Error> {
		const failure = await failureOf(
			connectSession(address, { connectTimeoutMs }),
		);
		expect(failure.message).not.toContain("\n");
		return failure;
	}

	/** Listens but accepts nobody, as QEMU does while it has a client. */
	async function serveNobody(kind: Kind): Promise<SocketAddress> {
		const path = newPath();
		const asleep = new Int32Array(new SharedArrayBuffer(4));
		const worker = new Worker(
			`const { parentPort, workerData } = require("node:worker_threads");
			const server = require("node:net").createServer();
			const target = workerData.kind === "unix" ? { path: workerData.path } : { port: 0, host: "127.0.0.1" };
			server.listen(target, () => {
				parentPort.postMessage(server.address().port);
				Atomics.wait(workerData.asleep, 0, 0);
				process.exit();
			});`,
			{ eval: true, workerData: { kind, path, asleep } },
		);
		cleanups.push(() => {
			Atomics.store(asleep, 0, 1);
			Atomics.notify(asleep, 0);
		});
		const port = await new Promise<number>((resolve, reject) => {
			worker.once("message", resolve).once("error", reject);
		});
		return kind === "unix" ? { kind, path } : { kind, host: "127.0.0.1", port };
	}

	describe.each(kinds)("over %s", (kind) => {
		it("greets, negotiates, and then takes commands", async () => {
			const session = await connectSession(await serve(kind, monitor));
			expect(session.greeting).toMatchObject({
				version: { major: 7, minor: 2, micro: 22, package: "Debian" },
				capabilities: ["oob"],
			});
			expect(session.counters.commands).toBe(1);
			expect(await session.execute("query-version")).toBe("query-version");
			await session.close();
		});

		it("sends nothing by itself when it is not to negotiate", async () => {
			const session = await connectSession(await serve(kind, monitor), {
				negotiate: false,
			});
			expect(session.counters.commands).toBe(0);
			expect(await session.execute("query-version")).toBe("query-version");
			await session.close();
		});

		it("tells of all traffic after the greeting, in order", async () => {
			const traffic: string[] = [];
			const session = await connectSession(await serve(kind, monitor), {
				onTraffic: (direction, text) => traffic.push(`${direction} ${text}`),
			});
			await session.execute("x", { password: "p" }, { secret: true });
			expect(traffic).toEqual([
				'sent {"execute":"qmp_capabilities","id":0}',
				'received {"return":"qmp_capabilities","id":0}',
				'sent {"execute":"x","arguments":{"password":"p"},"id":1}',
				'received {"return":"x","id":1}',
			]);
			await session.close();
		});

		it("understands a pretty monitor that speaks a few bytes at a time", async () => {
			const pretty = (value: unknown) =>
				`${JSON.stringify(value, null, 4).replaceAll("\n", "\r\n")}\r\n`;
			const slowly = (socket: Socket, text: string) => {
				const bytes = Buffer.from(text);
				for (let at = 0; at < bytes.length; at += 7)
					socket.write(bytes.subarray(at, at + 7));
			};
			const address = await serve(kind, (socket) => {
				slowly(socket, pretty(JSON.parse(greetingText)));
				socket.on("data", () =>
					slowly(socket, pretty({ return: { é: "}{" }, id: 0 })),
				);
			});
			const session = await connectSession(address);
			expect(session.greeting.version.major).toBe(7);
			await session.close();
		});

		it("fails everything in flight when QEMU goes", async () => {
			let client: Socket | undefined;
			const session = await connectSession(
				await serve(kind, (socket) => {
					client = socket;
					socket.write(greetingText);
					socket.once("data", () => socket.write('{"return":{},"id":0}'));
				}),
			);
			const failure = failureOf(session.execute("query-version"));
			client?.destroy();
			expect(await failure).toBeInstanceOf(DisconnectedError);
			expect(await session.ended).toBe(await failure);
		});

		it("fails everything in flight when QEMU sends what is not QMP", async () => {
			const session = await connectSession(
				await serve(kind, (socket) => {
					socket.write(greetingText);
					socket.once("data", () => {
						socket.write('{"return":{},"id":0}');
						socket.once("data", () => socket.write("Segmentation fault\n"));
					});
				}),
			);
			const failure = await failureOf(session.execute("query-version"));
			expect(failure).toBeInstanceOf(ProtocolError);
			expect(await session.ended).toBe(failure);
		});

		it.each([
			["garbage", "garbage\n"],
			["an HTTP error", "HTTP/1.1 400 Bad Request\r\n\r\n"],
			["telnet", "\xff\xfb\x01\xff\xfb\x03"],
			["JSON that is no greeting", '{"hello": "world"}\n'],
			["a reply instead of a greeting", '{"return": {}}\n'],
			["braces without JSON", "{hello}\n"],
		])("refuses a server that sends %s", async (_name, text) => {
			const address = await serve(kind, (socket) =>
				socket.write(text, "latin1"),
			);
			const failure = await refusalOf(address);
			expect(failure).toBeInstanceOf(ProtocolError);
			expect(failure.message).toContain(formatAddress(address));
		});

		it.each([
			["says nothing", ""],
			["is in the middle of its greeting", greetingText.slice(0, 40)],
		])("refuses a server that hangs up while it %s", async (_name, text) => {
			const address = await serve(kind, (socket) => socket.end(text));
			expect(await refusalOf(address)).toBeInstanceOf(ProtocolError);
		});

		it("refuses a server that stops in the middle of its greeting", async () => {
			const half = greetingText.slice(0, 40);
			const address = await serve(kind, (socket) => socket.write(half));
			const failure = await refusalOf(address, shortMs);
			expect(failure).toBeInstanceOf(ProtocolError);
			expect(failure.message).toMatch(/sent 40 bytes/);
		});

		it("refuses an HTTP server, which waits to be asked", async () => {
			const address = await listen(createHttpServer(), kind);
			const failure = await refusalOf(address, shortMs);
			expect(failure).toBeInstanceOf(ProtocolError);
			expect(failure.message).toMatch(/said nothing/);
		});

		it("times out where the server accepts nobody, and blames no other client", async () => {
			const address = await serveNobody(kind);
			const failure = await refusalOf(address, shortMs);
			expect(failure).toBeInstanceOf(TimeoutError);
			expect(failure.message).toMatch(
				/takes no connection .* stopped, or busy/,
			);
		});

		it("gives up on a server that greets and does not negotiate", async () => {
			const address = await serve(kind, (socket) => socket.write(greetingText));
			expect(await refusalOf(address, shortMs)).toBeInstanceOf(TimeoutError);
		});

		it("hangs up on a server that it has refused", async () => {
			const hungUp = Promise.withResolvers<string>();
			const address = await serve(kind, (socket) => {
				socket.write("garbage\n");
				socket.resume().once("close", () => hungUp.resolve("hung up"));
			});
			await refusalOf(address);
			expect(await hungUp.promise).toBe("hung up");
		});
	});

	it("fails on a missing socket, and says how QEMU makes one", async () => {
		const path = newPath();
		const failure = await refusalOf({ kind: "unix", path });
		expect(failure.constructor).toBe(ConnectError);
		expect(failure.message).toContain(`${path}: no such socket`);
		expect(failure.message).toContain(`-qmp unix:${path},server=on,wait=off`);
	});

	it("fails on a regular file, a device and a directory", async () => {
		const file = newPath();
		await writeFile(file, "");
		for (const path of [file, "/dev/null", dir]) {
			const failure = await refusalOf({ kind: "unix", path });
			expect(failure.constructor).toBe(ConnectError);
			expect(failure.message).toContain(`${path}: not a socket`);
		}
	});

	it("fails on a socket that QEMU has left behind", async () => {
		const server = createServer();
		const address = await listen(server, "unix");
		const path = newPath();
		await rename(formatAddress(address), path);
		await new Promise((resolve) => server.close(resolve));
		const failure = await refusalOf({ kind: "unix", path });
		expect(failure.constructor).toBe(ConnectError);
		expect(failure.message).toContain(`${path}: nothing listens`);
	});

	it("fails on a tcp port where nothing listens", async () => {
		const server = createServer();
		const address = await listen(server, "tcp");
		await new Promise((resolve) => server.close(resolve));
		const failure = await refusalOf(address);
		expect(failure.constructor).toBe(ConnectError);
		expect(failure.message).toContain(
			`${formatAddress(address)}: connection refused`,
		);
	});
});
