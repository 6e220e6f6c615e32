/** Whatever is wrong with a command line: one line that says what to do, and nothing stays behind. */
import { once } from "node:events";
import { chmod, mkdir, rename, symlink, writeFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import {
	type AddressInfo,
	connect,
	createServer,
	type Server,
	type Socket,
} from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import {
	afterAll,
	afterEach,
	beforeAll,
	beforeEach,
	describe,
	expect,
	it,
	type TestContext,
} from "vitest";
import { smallMachine } from "../../tools/virtualMachine.ts";
import {
	type Finished,
	gone,
	lacksMount,
	lacksQemu,
	qomfsBin,
	run,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";
import { OrdinaryUser } from "../support/ordinaryUser.ts";
import { RawQmp } from "../support/rawQmp.ts";
import { Sandbox } from "../support/sandbox.ts";

let box: Sandbox;

beforeEach(async () => {
	box = await Sandbox.create();
});

afterEach(async () => {
	await box.remove();
});

/** One line, hence no stack trace. "What failed; what to do" or "what failed; is it ...?" */
function expectRefusal(
	finished: Finished,
	status: number,
	message: RegExp,
): void {
	expect(finished).toEqual({
		status,
		stdout: "",
		stderr: expect.stringMatching(/^qomfs: [^\n]+\n$/),
	});
	expect(finished.stderr).toMatch(message);
	if (status !== 2) expect(finished.stderr).toMatch(/[;?]/);
}

const quick = ["-o", "connect_timeout=1"];

/** Without any rights of root; skips the test where that cannot be had. */
async function runAsOrdinaryUser(
	{ skip }: TestContext,
	args: readonly string[],
	options?: { mayMount: boolean },
): Promise<Finished> {
	const user = await OrdinaryUser.create(options);
	if (typeof user === "string") return skip(user);
	try {
		return await box.qomfs(args, { user });
	} finally {
		await user.remove();
	}
}

/** Puts a server in the way; returns how to end it. */
async function listen(
	server: Server,
	where: { path: string } | { host: string; port: number },
): Promise<() => Promise<void>> {
	const sockets = new Set<Socket>();
	server.on("connection", (socket: Socket) => {
		sockets.add(socket);
		socket.on("error", () => socket.destroy());
	});
	await new Promise<void>((resolve) => server.listen(where, resolve));
	return async () => {
		for (const socket of sockets) socket.destroy();
		await new Promise((resolve) => server.close(resolve));
	};
}

async function refusedPort(): Promise<number> {
	const server = createServer();
	const close = await listen(server, { host: "127.0.0.1", port: 0 });
	const { port } = server.address() as AddressInfo;
	await close();
	return port;
}

/** A socket file whose server is gone, as a killed QEMU leaves it. */
async function leaveSocket(path: string): Promise<void> {
	const close = await listen(createServer(), { path: `${path}.new` });
	await rename(`${path}.new`, path);
	await close();
}

describe("a SOURCE where nothing listens", () => {
	it.each<[string, RegExp, (path: string) => unknown]>([
		["a missing socket", /no such socket; is QEMU running with -qmp/, () => {}],
		["a socket left behind", /nothing listens.*QEMU has ended/, leaveSocket],
		[
			"a regular file",
			/neither a monitor's socket nor a snapshot/,
			(path) => writeFile(path, "text"),
		],
		[
			"a device",
			/not a socket; give the path/,
			(path) => symlink("/dev/null", path),
		],
		["a link to nowhere", /no such socket/, (path) => symlink("nowhere", path)],
	])("is refused: %s", async (_what, message, prepare) => {
		const path = join(box.directory, "source");
		await prepare(path);
		const finished = await box.qomfs([path, box.mountpoint, ...quick]);
		expectRefusal(finished, 3, message);
		expect(finished.stderr).toContain(path);
		expect(await box.leftovers()).toEqual([]);
	});

	it("is refused: a directory without a monitor", async () => {
		const path = join(box.directory, "source");
		await mkdir(path);
		const finished = await box.qomfs([path, box.mountpoint]);
		expectRefusal(finished, 2, /there is no monitor in it/);
		expect(await box.leftovers()).toEqual([]);
	});

	it("is refused: /dev/null", async () => {
		const finished = await box.qomfs(["/dev/null", box.mountpoint]);
		expectRefusal(finished, 3, /\/dev\/null: not a socket; give the path/);
	});

	it("is refused: a TCP port", async () => {
		const source = `127.0.0.1:${await refusedPort()}`;
		const finished = await box.qomfs([source, box.mountpoint, ...quick]);
		expectRefusal(finished, 3, /connection refused; is QEMU running with -qmp/);
		expect(finished.stderr).toContain(source);
		expect(await box.leftovers()).toEqual([]);
	});

	it("is refused: a host that cannot be reached", async () => {
		// The kernel knows by itself that no TCP leads there.
		const source = "255.255.255.255:4444";
		const finished = await box.qomfs([source, box.mountpoint, ...quick]);
		expectRefusal(finished, 3, /255\.255\.255\.255:4444: .*unreach/i);
		expect(await box.leftovers()).toEqual([]);
	});
});

describe("a SOURCE that is no QMP server", () => {
	it.each<[string, RegExp, (socket: Socket) => unknown]>([
		["says nothing", /said nothing for 1 s.*start QEMU with -qmp/, () => {}],
		[
			"is a mail server",
			/does not speak QMP: "220 /,
			(socket) => socket.write("220 host ESMTP\r\n"),
		],
		[
			"answers bytes without sense",
			/does not speak QMP/,
			(socket) => socket.write(Buffer.from([0, 1, 0x80, 0xfe, 10, 0x1b, 0x5b])),
		],
		[
			"speaks telnet",
			/telnet.*drop telnet=on/,
			(socket) => socket.write(Buffer.from([255, 251, 1])),
		],
		[
			"sends other JSON",
			/does not greet as QMP/,
			(socket) => socket.write('{"jsonrpc": "2.0"}\n'),
		],
		[
			"sends lines of JSON that break a line of ours",
			/does not greet as QMP/,
			(socket) => socket.write('{"a":\n"b\\n"}\n'),
		],
		[
			"sends half a greeting",
			/no QMP greeting; is it a QMP monitor\?/,
			(socket) => socket.write('{"QMP": {"version": {"qemu"'),
		],
		["closes at once", /closed the connection/, (socket) => socket.end()],
		[
			"closes in the middle of its greeting",
			/closed the connection/,
			(socket) => socket.end('{"QMP": {'),
		],
		[
			"sends 100 MB without an end",
			/longer than|no QMP greeting/,
			(socket) =>
				pipeline(Readable.from(endlessGreeting()), socket).catch(() => {}),
		],
	])("is refused: one that %s", async (_what, message, converse) => {
		const path = join(box.directory, "server");
		let heardBytes = 0;
		const server = createServer((socket) => {
			socket.on("data", (chunk) => {
				heardBytes += chunk.length;
			});
			converse(socket);
		});
		const close = await listen(server, { path });
		try {
			const finished = await box.qomfs([path, box.mountpoint, ...quick]);
			expectRefusal(finished, 3, message);
			expect(finished.stderr).toContain(path);
			expect(heardBytes).toBe(0); // whoever it is, it was not talked to
			expect(await box.leftovers()).toEqual([]);
		} finally {
			await close();
		}
	});

	function* endlessGreeting() {
		yield '{"QMP": "';
		const chunk = Buffer.alloc(2 ** 20, "x");
		for (let megabytes = 0; megabytes < 100; megabytes++) yield chunk;
	}

	it("is refused: an HTTP server, which waits to be asked", async () => {
		const server = createHttpServer();
		const close = await listen(server, { host: "127.0.0.1", port: 0 });
		const { port } = server.address() as AddressInfo;
		const source = `tcp:127.0.0.1:${port}`;
		const finished = await box.qomfs([source, box.mountpoint, ...quick]);
		await close();
		expectRefusal(finished, 3, /no free QMP monitor; start QEMU with -qmp/);
		expect(await box.leftovers()).toEqual([]);
	});
});

describe("a command line", () => {
	it.each<[string, string[], RegExp]>([
		["an unknown option", ["-o", "cache_timout=1"], /did you mean 'cache_t/],
		["one that is like none", ["-o", "frobnicate"], /mount --help/],
		["one of several unknown", ["-o", "ro,uid=0,allow_othr"], /'allow_other'/],
		["a bad number", ["-o", "uid=root"], /uid=root: not a whole number/],
		["a bad mode", ["-o", "umask=9"], /umask=9: not an octal number/],
		["a bad time", ["-o", "cache_timeout=1s"], /number of seconds/],
		["no time", ["-o", "timeout=0"], /must be more than 0/],
		["no value", ["-o", "fsname"], /fsname=NAME/],
		["an empty value", ["-o", "fsname="], /fsname=/],
		["a value too many", ["-o", "ro=1"], /takes no value/],
		["-o without options", ["-o"], /'-o .*argument missing.*--help/],
		["an unknown flag", ["--forground"], /'--forground'.*--help/],
		["a third argument", ["more"], /write NAME=SOURCE for each/],
	])("is refused with %s", async (_what, flags, message) => {
		const args = ["/nosuch.sock", box.mountpoint, ...flags];
		expectRefusal(await box.qomfs(args), 2, message);
		expect(await box.leftovers()).toEqual([]);
	});

	it.each<[string[], RegExp]>([
		[["/nosuch.sock"], /missing.*'mountpoint'.*--help/],
		[["mount"], /missing.*'source'.*--help/],
		[["umount"], /missing.*'mountpoint'.*--help/],
		[["umount", "--force", "."], /'--force'.*--help/],
		[["host:port", "."], /write \/path\/to\/qmp\.sock or HOST:PORT/],
		[["host:99999", "."], /write \/path\/to\/qmp\.sock or HOST:PORT/],
		[["unix:", "."], /write unix:PATH/],
		[[`/${"x".repeat(200)}`, "."], /longer than the 107.*symlink/],
	])("is refused: %j", async (args, message) => {
		expectRefusal(await box.qomfs(args), 2, message);
	});

	it("is refused with a relative path in a directory that was removed", async () => {
		const script =
			'mkdir "$1/old" && cd "$1/old" && rmdir "$1/old" && shift && exec "$@"';
		const finished = await run("sh", [
			...["-c", script, "sh", box.directory],
			...[process.execPath, qomfsBin, "/nosuch.sock", "mnt"],
		]);
		expectRefusal(finished, 1, /directory/);
		expect(await box.leftovers()).toEqual([]);
	});

	it("is refused by a Node that is too old", async () => {
		const fake =
			'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.19.0" } });' +
			'Object.defineProperty(process, "version", { value: "v20.19.0" });';
		const finished = await box.qomfs(["/nosuch.sock", box.mountpoint], {
			nodeArgs: [
				"--import",
				`data:text/javascript,${encodeURIComponent(fake)}`,
			],
		});
		expectRefusal(finished, 1, /needs Node 22\.12 .*v20\.19\.0; 'npm install/);
		expect(await box.leftovers()).toEqual([]);
	});
});

describe("a MOUNTPOINT", () => {
	it.each<[string, RegExp, (path: string) => unknown]>([
		["is missing", /no such directory; create it with 'mkdir /, () => {}],
		["is a file", /not a directory/, (path) => writeFile(path, "")],
		[
			"has entries",
			/not empty; mount on an empty one/,
			(path) => mkdir(join(path, ".hidden"), { recursive: true }),
		],
		[
			"is a circle of links",
			/symlinks go round in circles/,
			(path) => symlink("other", path),
		],
	])("is refused if it %s", async (_what, message, prepare) => {
		const path = join(box.directory, "other");
		await prepare(path);
		const finished = await box.qomfs(["/nosuch.sock", path]);
		expectRefusal(finished, 1, message);
		expect(finished.stderr).toContain(path);
		expect(await box.leftovers()).toEqual([]);
	});

	it("is refused if something else is mounted there", async () => {
		const finished = await box.qomfs(["/nosuch.sock", "/proc"]);
		expectRefusal(finished, 1, /\/proc: something else is mounted there; use/);
	});

	it("is refused if one may not look into it", async (context) => {
		await chmod(box.mountpoint, 0o000);
		const finished = await runAsOrdinaryUser(context, [
			...["/nosuch.sock", box.mountpoint],
		]);
		await chmod(box.mountpoint, 0o755);
		expectRefusal(finished, 1, /permission denied/i);
		expect(await box.leftovers()).toEqual([]);
	});
});

it("a socket without permission is refused, and its owner named", async (context) => {
	const path = join(box.directory, "private.sock");
	const close = await listen(createServer(), { path });
	try {
		await chmod(path, 0o000);
		await chmod(box.mountpoint, 0o777);
		const finished = await runAsOrdinaryUser(context, [
			...[path, box.mountpoint, ...quick],
		]);
		expectRefusal(
			finished,
			3,
			/permission denied; it belongs to user \S+ and group \S+: .*(run as|chmod)/,
		);
		expect(await box.leftovers()).toEqual([]);
	} finally {
		await close();
	}
});

describe.skipIf(lacksQemu)("a QEMU", () => {
	let vm: TestMachine;
	/** Holds the second monitor. */
	let qmp: RawQmp;
	let serial: string;

	beforeAll(async () => {
		const place = await Sandbox.create();
		serial = join(place.directory, "serial.sock");
		vm = await startTestMachine([
			...[...smallMachine, "-S"],
			...["-serial", `unix:${serial},server=on,wait=off`],
			...[
				"-chardev",
				"socket,id=tcp0,host=127.0.0.1,port=0,server=on,wait=off",
			],
			...["-mon", "chardev=tcp0,mode=control"],
		]);
		qmp = await RawQmp.connect(vm.secondSocket);
		const { stop } = vm;
		vm = {
			...vm,
			async stop() {
				await stop();
				await place.remove();
			},
		};
	});

	afterAll(async () => {
		qmp?.close();
		await vm?.stop();
	});

	async function tcpPort(): Promise<number> {
		const chardevs = await qmp.execute("query-chardev");
		const { filename } = chardevs.find(
			({ label }: { label: string }) => label === "tcp0",
		);
		return Number(/127\.0\.0\.1:(\d+)/.exec(filename)?.[1]);
	}

	it("has a serial port, which is no monitor", async () => {
		const finished = await box.qomfs([serial, box.mountpoint, ...quick]);
		expectRefusal(finished, 3, /no free QMP monitor; start QEMU with -qmp/);
		expect(await box.leftovers()).toEqual([]);
	});

	it.each(["unix", "tcp"])(
		"has a %s monitor that is taken: says so in time",
		async (kind) => {
			const port = await tcpPort();
			const source = kind === "unix" ? vm.secondSocket : `127.0.0.1:${port}`;
			const holder = connect(port, "127.0.0.1");
			await once(holder, "data"); // it is served
			const finished = await box.qomfs([source, box.mountpoint, ...quick]);
			holder.destroy();
			expectRefusal(
				finished,
				4,
				/is busy: (another client|pid \d+ \(.+\)) holds this monitor.*second -qmp/,
			);
			expect(finished.stderr).toContain(source);
			expect(await box.leftovers()).toEqual([]);
		},
	);

	it("cannot be mounted without fusermount3", async () => {
		const finished = await box.qomfs([vm.socket, box.mountpoint], {
			env: { PATH: box.mountpoint },
		});
		expectRefusal(finished, 1, /fusermount3 is missing; install it with 'apt/);
		expect(await box.leftovers()).toEqual([]);
	});

	it("cannot be mounted without /dev/fuse", async (context) => {
		await chmod(vm.directory, 0o755);
		await chmod(vm.socket, 0o777);
		await chmod(box.mountpoint, 0o777);
		const finished = await runAsOrdinaryUser(
			context,
			[vm.socket, box.mountpoint],
			{ mayMount: false },
		);
		expectRefusal(
			finished,
			1,
			/\/dev\/fuse is missing or not accessible; load/,
		);
		expect(await box.leftovers()).toEqual([]);
	});

	describe.skipIf(lacksMount)("that is mounted", () => {
		const daemonPid = async (): Promise<number> => {
			const status = join(box.mountpoint, ".qomfs/status");
			return JSON.parse((await run("cat", [status])).stdout).pid;
		};

		it("is not mounted a second time on the same place", async () => {
			expect(await box.qomfs([vm.socket, box.mountpoint])).toMatchObject({
				status: 0,
			});
			const finished = await box.qomfs([vm.socket, box.mountpoint]);
			expectRefusal(
				finished,
				1,
				/already mounted there; 'qomfs umount .*' ends/,
			);
			const type = join(box.mountpoint, "machine/type");
			expect((await run("cat", [type])).status).toBe(0); // the first goes on
			await box.qomfs(["umount", box.mountpoint]);
			expect(await box.leftovers()).toEqual([]);
		});

		it("is busy on another place, if it does not share its monitor", async () => {
			const held = "share=no,own_monitor=no";
			await box.qomfs([vm.socket, box.mountpoint, "-o", held]);
			const other = join(box.directory, "other");
			await mkdir(other);
			expectRefusal(
				await box.qomfs([vm.socket, other, ...quick]),
				4,
				/is busy.*(second|another) -qmp/,
			);
			await box.qomfs(["umount", box.mountpoint]);
			expect(await box.leftovers()).toEqual([]);
		});

		it.each([
			["the same path", "mnt"],
			["a path through a link", "link/mnt"],
			["a link to it", "link-to-mnt"],
		])(
			"leaves a dead mount when its daemon is killed, which the next mount on %s clears",
			async (_what, path) => {
				await symlink(".", join(box.directory, "link"));
				await symlink("mnt", join(box.directory, "link-to-mnt"));
				await box.qomfs([vm.socket, box.mountpoint]);
				const pid = await daemonPid();
				process.kill(pid, "SIGKILL");
				await gone(pid);
				const again = await box.qomfs([vm.socket, join(box.directory, path)]);
				expect(again).toEqual({ status: 0, stdout: "", stderr: "" });
				expect(await daemonPid()).not.toBe(pid);
				const { stdout } = await run("findmnt", ["-n", "-t", "fuse.qomfs"]);
				expect(stdout.split(box.mountpoint)).toHaveLength(2); // there is but one
				await box.qomfs(["umount", box.mountpoint]);
				expect(await box.leftovers()).toEqual([]);
			},
		);
	});
});
