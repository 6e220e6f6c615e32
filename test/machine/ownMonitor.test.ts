/** A monitor of one's own, with a QMP server that does what a real one does not. */
import {
	chown,
	mkdir,
	mkdtemp,
	readdir,
	rm,
	symlink,
	writeFile,
} from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Machine } from "../../src/machine/machine.ts";
import { parseAddress } from "../../src/qmp/address.ts";
import {
	greetingOf,
	HostileServer,
	reply,
	type Trick,
} from "../support/hostileServer.ts";

let directory: string;
let server: HostileServer;
let machine: Machine;
/** Connections of the server to us. */
const calls: Socket[] = [];

beforeEach(async () => {
	directory = await mkdtemp(join(tmpdir(), "qomfs-own-"));
	const path = join(directory, "qmp.sock");
	server = await HostileServer.listen(path);
	machine = new Machine(parseAddress(path), {
		...{ hasObjects: false, ownMonitor: true, timeoutMs: 1000 },
	});
});

afterEach(async () => {
	await machine.close();
	for (const call of calls.splice(0)) call.destroy();
	await server.close();
	await rm(directory, { recursive: true });
});

/** Calls as QEMU does, and says what a new monitor says. */
function call(path: string, says: string | undefined): Socket {
	const socket = connect(path);
	calls.push(socket);
	socket.on("error", () => {});
	if (says !== undefined) socket.write(says);
	socket.on("data", () => socket.write(reply(0, {})));
	return socket;
}

const refused = (id: number) =>
	`${JSON.stringify({ id, error: { class: "GenericError", desc: "no" } })}\r\n`;

/** As QEMU 11, but for what a test says. */
function qemu(tricks: Readonly<Record<string, Trick>> = {}): Trick {
	return (request, socket) => {
		const trick = tricks[request.execute];
		if (trick) return trick(request, socket);
		switch (request.execute) {
			case "qom-list-types":
				return reply(request.id, [{ name: "monitor-qmp" }]);
			case "query-chardev":
				return reply(request.id, []);
			case "chardev-add":
				call(request.arguments.backend.data.addr.data.path, greetingOf(11));
				return reply(request.id, {});
			case "object-add":
			case "object-del":
			case "chardev-remove":
				return reply(request.id, {});
			default:
				return "honest";
		}
	};
}

const commands = () => server.requests.map(({ execute }) => execute);
const path = (request: { readonly arguments?: unknown }) =>
	(
		request as {
			arguments: { backend: { data: { addr: { data: { path: string } } } } };
		}
	).arguments.backend.data.addr.data.path;

describe("a machine that may have a monitor of its own", () => {
	it("goes on there, and leaves the one that was given", async () => {
		server.trick = qemu();
		await machine.open();
		expect(machine.hasOwnMonitor).toBe(true);
		expect(machine.version?.major).toBe(7);
		const givenOnes = () => {
			let count = 0;
			server.each(() => count++);
			return count;
		};
		await expect.poll(givenOnes).toBe(0);
		expect(await readdir(directory)).toEqual(["qmp.sock"]);
	});

	it.skipIf(process.getuid?.() !== 0)(
		"meets nobody whose socket belongs to somebody else, who may change the place",
		async () => {
			await chown(join(directory, "qmp.sock"), 65534, 65534);
			server.trick = qemu();
			await machine.open();
			expect(machine.hasOwnMonitor).toBe(false);
			expect(commands()).not.toContain("chardev-add");
		},
	);

	it("removes no file of others, whatever name leads to it", async () => {
		const elsewhere = join(directory, "elsewhere");
		await mkdir(elsewhere);
		await writeFile(join(elsewhere, "qmp"), "");
		await symlink(elsewhere, join(directory, ".qomfs-4190001-abcdef"));
		await mkdir(join(directory, ".qomfs-4190002-abcdef"));
		server.trick = qemu();
		await machine.open();
		expect(machine.hasOwnMonitor).toBe(true);
		expect(await readdir(elsewhere)).toEqual(["qmp"]);
		expect((await readdir(directory)).toSorted()).toEqual([
			...[".qomfs-4190001-abcdef", "elsewhere", "qmp.sock"],
		]);
	});

	it("removes what others have left, and nothing else", async () => {
		const chardevs = [
			{ label: "qomfs-monitor-1-00000000", filename: "disconnected:unix:/x" },
			{ label: "qomfs-monitor-2-00000000", filename: "unix:/x" },
			{ label: "qomfs-monitor", filename: "disconnected:unix:/x" },
			{ label: "serial0", filename: "disconnected:unix:/x,server=on" },
		];
		server.trick = qemu({
			"query-chardev": ({ id }) => reply(id, chardevs),
		});
		await machine.open();
		const removed = server.requests
			.filter(({ execute }) => /-(del|remove)$/.test(execute))
			.map(({ execute, arguments: { id } }) => `${execute} ${id.slice(0, 15)}`);
		expect(removed).toEqual([
			"object-del qomfs-monitor-1",
			"chardev-remove qomfs-monitor-1",
			"chardev-remove qomfs-monitor-2", // QEMU refuses that while it is in use
		]);
	});

	it.each<[string, Trick]>([
		[
			"that no QEMU has it",
			qemu({ "qom-list-types": ({ id }) => reply(id, []) }),
		],
		["nonsense", qemu({ "qom-list-types": ({ id }) => reply(id, 5) })],
		[
			"nonsense of its devices",
			qemu({
				"query-chardev": ({ id }) => reply(id, [1, null, { label: {} }]),
				"chardev-add": ({ id }) => refused(id),
			}),
		],
		["no to the device", qemu({ "chardev-add": ({ id }) => refused(id) })],
		["no to the monitor", qemu({ "object-add": ({ id }) => refused(id) })],
		[
			"yes, and does not call",
			qemu({ "chardev-add": ({ id }) => reply(id, {}) }),
		],
		["nothing at all to that", qemu({ "chardev-add": () => undefined })],
		[
			"yes, calls, and says nothing there",
			qemu({
				"chardev-add": (request) => {
					call(path(request), undefined);
					return reply(request.id, {});
				},
			}),
		],
		[
			"yes, calls, and says nonsense there",
			qemu({
				"chardev-add": (request) => {
					call(path(request), "HTTP/1.1 400\r\n\r\n");
					return reply(request.id, {});
				},
			}),
		],
		[
			"yes, calls, and hangs up",
			qemu({
				"chardev-add": (request) => {
					call(path(request), undefined).end();
					return reply(request.id, {});
				},
			}),
		],
	])(
		"keeps the one that was given where the peer says %s",
		async (_what, trick) => {
			server.trick = trick;
			await machine.open();
			expect(machine.hasOwnMonitor).toBe(false);
			expect(await machine.execute("query-name")).toEqual({});
			expect(await readdir(directory)).toEqual(["qmp.sock"]);
			if (commands().includes("object-add"))
				expect(commands()).toContain("chardev-remove");
		},
	);

	it("is lost with the QEMU that goes meanwhile", async () => {
		server.trick = qemu({
			"object-add": (_request, socket) => {
				socket.destroy();
				return undefined;
			},
		});
		await machine.open().catch(() => {});
		await expect.poll(() => machine.isConnected).toBe(false);
		expect(await readdir(directory)).toEqual(["qmp.sock"]);
	});
});
