/** A machine over a real socket, with a QMP server that does what a test says. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
	AddressError,
	CommandError,
	ConnectError,
	DisconnectedError,
	TimeoutError,
} from "../../src/errors.ts";
import {
	connect,
	Machine,
	type MachineOptions,
} from "../../src/machine/machine.ts";
import { parseAddress } from "../../src/qmp/address.ts";
import { greetingOf, HostileServer, reply } from "../support/hostileServer.ts";

let directory: string;
let socket: string;
let server: HostileServer;
const machines: Machine[] = [];

beforeEach(async () => {
	directory = await mkdtemp(join(tmpdir(), "qomfs-machine-"));
	socket = join(directory, "qmp.sock");
	server = await HostileServer.listen(socket);
});

afterEach(async () => {
	for (const machine of machines.splice(0)) await machine.close();
	await server.close();
	await rm(directory, { recursive: true });
});

/** Nothing ages by itself in the time that a test takes. */
const freshness = {
	...{ listTtlMs: 60_000, valueTtlMs: 60_000 },
	...{ entryTtlMs: 0, attributesTtlMs: 0 },
};

function machineFor(options: MachineOptions = {}): Machine {
	const machine = new Machine(parseAddress(socket), {
		...{ freshness, delayMs: () => 1, ...options },
	});
	machines.push(machine);
	return machine;
}

async function opened(options?: MachineOptions): Promise<Machine> {
	const machine = machineFor(options);
	await machine.open();
	return machine;
}

const commands = () => server.requests.map(({ execute }) => execute);

/** What the machine tells, in its order; `count` of it can be waited for. */
function toldBy(machine: Machine) {
	const told: string[] = [];
	const end = machine.subscribe({
		onConnected: (session) =>
			told.push(`connected to ${session.greeting.version.major}`),
		onLost: () => told.push("lost"),
		onEvent: ({ name }) => told.push(name),
	});
	const untilTold = (count: number) =>
		expect.poll(() => told.length).toBeGreaterThanOrEqual(count);
	return { told, untilTold, end };
}

/** QEMU goes; when it is back, it is of another version. */
async function restart(major: number): Promise<void> {
	server.greeting = greetingOf(major);
	server.each((peer) => peer.destroy());
}

const event = (name: string, data: object = {}) =>
	`${JSON.stringify({ event: name, data, timestamp: { seconds: 1, microseconds: 2 } })}\r\n`;

describe("a machine that is opened", () => {
	it("has negotiated, and knows what QEMU is and what it can do", async () => {
		const machine = await opened();
		expect(commands()).toEqual(["qmp_capabilities", "qom-list-get"]);
		expect(machine).toMatchObject({ isConnected: true, type: undefined });
		expect(machine.version).toMatchObject({ major: 7, minor: 1, micro: 2 });
		expect(machine.source.givesValues).toBe(false);
	});

	it("gives values with listings where QEMU does", async () => {
		server.trick = ({ execute, id }) =>
			execute === "qom-list-get" ? reply(id, []) : "honest";
		expect((await opened()).source.givesValues).toBe(true);
	});

	it("that is kept knows its type", async () => {
		const machine = await opened({ isKept: true });
		expect(machine.type).toBe("hostile");
		expect(machine.status()).toMatchObject({ machine: "hostile" });
	});

	it("that is kept may have no machine in it yet", async () => {
		server.tree = { "/": [] };
		expect((await opened({ isKept: true })).type).toBe(undefined);
	});

	it.each<[MachineOptions, readonly string[]]>([
		[{ hasObjects: false }, ["qmp_capabilities"]],
		[{ hasObjects: false, isKept: true }, ["qmp_capabilities"]],
		[{ negotiates: false }, []],
	])("with %j asks no more than it must", async (options, asked) => {
		await opened(options);
		expect(commands()).toEqual(asked);
	});

	it("says in one place what state it is in", async () => {
		const beforeMs = Date.now();
		const machine = await opened();
		expect(machine.status()).toEqual({
			...{ connection: "connected", source: socket, monitor: "given" },
			...{ qemu: "7.1.2", machine: null },
			since: new Date(machine.sinceMs).toISOString(),
			...{ commands: 2, hits: 0, misses: 0 },
			bytesSent: expect.any(Number),
			bytesReceived: expect.any(Number),
		});
		expect(machine.sinceMs).toBeGreaterThanOrEqual(beforeMs);
	});

	it("tells the traffic, as it is on the wire", async () => {
		const traffic: string[] = [];
		const onTraffic = (direction: string, text: string) => {
			traffic.push(`${direction} ${text}`);
		};
		const machine = await opened({ hasObjects: false, onTraffic });
		await machine.execute("query-name");
		expect(traffic.map((line) => line.split(" ")[0])).toEqual([
			...["sent", "received", "sent", "received"],
		]);
		expect(traffic[2]).toContain('"execute":"query-name"');
	});
});

describe("a machine that cannot be opened", () => {
	it("says so where nobody listens", async () => {
		await expect(connect(join(directory, "nobody.sock"))).rejects.toThrow(
			ConnectError,
		);
	});

	it("says so where it is no address", async () => {
		await expect(connect("a:b:c")).rejects.toThrow(AddressError);
	});

	it("leaves the monitor to the next client where setting up fails", async () => {
		const ended: Promise<unknown>[] = [];
		server.trick = ({ execute }, peer) => {
			if (execute !== "qom-list-get") return "honest";
			ended.push(new Promise((resolve) => peer.once("close", resolve)));
			return undefined;
		};
		await expect(opened({ timeoutMs: 20 })).rejects.toThrow(TimeoutError);
		expect(ended).toHaveLength(1);
		await Promise.all(ended);
	});
});

describe("a command", () => {
	it("is sent once, and answered", async () => {
		const machine = await opened();
		expect(
			await machine.execute("qom-get", { path: "/machine", property: "type" }),
		).toBe("hostile");
		expect(commands().filter((name) => name === "qom-get")).toHaveLength(1);
	});

	it("fails with QEMU's error", async () => {
		const machine = await opened();
		const failing = machine.execute("nosuch");
		await expect(failing).rejects.toThrow(CommandError);
		await expect(failing).rejects.toMatchObject({ class: "CommandNotFound" });
	});

	it("fails when its own timeout is over", async () => {
		server.trick = ({ execute }) =>
			execute === "query-name" ? undefined : "honest";
		const machine = await opened();
		const failing = machine.execute("query-name", {}, { timeoutMs: 20 });
		await expect(failing).rejects.toThrow(TimeoutError);
		expect(machine.isConnected).toBe(true);
	});

	it("under way when QEMU goes fails, and is not sent again", async () => {
		const machine = await opened({ reconnects: true });
		const { untilTold } = toldBy(machine);
		server.trick = ({ execute }, peer) => {
			if (execute !== "query-name") return "honest";
			peer.destroy();
			return undefined;
		};
		await expect(machine.execute("query-name")).rejects.toThrow(
			DisconnectedError,
		);
		await untilTold(2);
		expect(machine.isConnected).toBe(true);
		expect(commands().filter((name) => name === "query-name")).toHaveLength(1);
	});
});

describe("a machine whose QEMU goes", () => {
	it("fails at once with the reason, and says so in its status", async () => {
		const machine = await opened();
		const { untilTold } = toldBy(machine);
		await machine.view.list("/");
		await restart(8);
		await untilTold(1);
		expect(machine.isConnected).toBe(false);
		await expect(machine.view.list("/")).rejects.toThrow(DisconnectedError);
		await expect(machine.execute("query-name")).rejects.toBe(machine.reason);
		expect(machine.reason).toBeInstanceOf(DisconnectedError);
		expect(machine.status()).toMatchObject({
			...{ connection: "reconnecting", reason: machine.reason.message },
			qemu: "7.1.2",
		});
	});

	it("tells its subscribers, in order, and takes what comes back as another", async () => {
		const machine = await opened({ reconnects: true, isKept: true });
		const { told, untilTold, end } = toldBy(machine);
		const { sinceMs } = machine;
		server.tree = {
			...server.tree,
			"/machine": [{ name: "type", type: "string", value: "newer" }],
		};
		await expect.poll(() => Date.now()).toBeGreaterThan(sinceMs);
		await restart(8);
		await untilTold(2);
		expect(told).toEqual(["lost", "connected to 8"]);
		expect(machine).toMatchObject({ type: "newer", isConnected: true });
		expect(machine.version).toMatchObject({ major: 8 });
		expect(machine.sinceMs).toBeGreaterThan(sinceMs);
		expect(machine.status().commands).toBe(server.requests.length);
		end();
		const later = toldBy(machine);
		await restart(9);
		await later.untilTold(2);
		expect(told).toHaveLength(2);
	});

	it("forgets what it knew of the old one", async () => {
		const machine = await opened({ reconnects: true });
		const { untilTold } = toldBy(machine);
		const names = async () =>
			(await machine.view.list("/")).map(({ name }) => name);
		const before = await names();
		server.tree = { "/": [{ name: "new", type: "string", value: "x" }] };
		expect(await names()).toEqual(before);
		await restart(8);
		await untilTold(2);
		expect(await names()).toEqual(["new"]);
	});

	it("is opened later as soon as there is somebody", async () => {
		await server.close();
		const machine = machineFor();
		const { told, untilTold } = toldBy(machine);
		machine.openLater();
		await expect.poll(() => machine.reason).toBeInstanceOf(DisconnectedError);
		expect(machine.status()).toMatchObject({ qemu: null });
		server = await HostileServer.listen(socket);
		await untilTold(1);
		expect(told).toEqual(["connected to 7"]);
	});
});

describe("an event", () => {
	it("is told to every subscriber", async () => {
		const machine = await opened();
		const [one, two] = [toldBy(machine), toldBy(machine)];
		server.broadcast(event("STOP") + event("RESUME"));
		await one.untilTold(2);
		expect([one.told, two.told]).toEqual([
			["STOP", "RESUME"],
			["STOP", "RESUME"],
		]);
	});

	it("of a device that is gone makes its object, and nothing else, be asked for anew", async () => {
		const machine = await opened();
		const { untilTold } = toldBy(machine);
		server.tree = {
			"/": [{ name: "a", type: "child<x>" }],
			"/a": [{ name: "d", type: "child<x>" }],
			"/a/d": [],
			"/b": [],
		};
		for (const path of ["/a", "/b"]) await machine.view.list(path);
		server.broadcast(event("DEVICE_DELETED", { device: "d", path: "/a/d" }));
		await untilTold(1);
		const before = server.requests.length;
		for (const path of ["/b", "/a"]) await machine.view.list(path);
		expect(
			server.requests.slice(before).map(({ arguments: args }) => args.path),
		).toEqual(["/a"]);
	});

	it("without a path is no reason to forget anything", async () => {
		const machine = await opened();
		const { untilTold } = toldBy(machine);
		await machine.view.list("/");
		const before = server.requests.length;
		server.broadcast(event("DEVICE_DELETED") + event("POWERDOWN"));
		await untilTold(2);
		await machine.view.list("/");
		expect(server.requests).toHaveLength(before);
	});
});

describe("a machine that is closed", () => {
	it("leaves the monitor, and does not come back", async () => {
		const machine = await opened({ reconnects: true });
		const { told } = toldBy(machine);
		const ended = new Promise((resolve) =>
			server.each((peer) => peer.once("close", resolve)),
		);
		await machine.close();
		await ended;
		await expect(machine.execute("query-name")).rejects.toThrow(
			DisconnectedError,
		);
		expect(told).toEqual([]);
		// Another that is opened now is the second to come, and the last.
		await opened();
		expect(server.connections).toHaveLength(2);
	});

	it("no longer waits for a QEMU to come", async () => {
		await server.close();
		const machine = machineFor();
		machine.openLater();
		await machine.close();
		server = await HostileServer.listen(socket);
		await opened();
		expect(server.connections).toHaveLength(1);
		expect(machine.isConnected).toBe(false);
	});

	it("is closed at the end of a block", async () => {
		let ended: Promise<unknown>;
		{
			await using machine = await connect(socket);
			expect(machine.isConnected).toBe(true);
			ended = new Promise((resolve) =>
				server.each((peer) => peer.once("close", resolve)),
			);
		}
		await ended;
	});
});
