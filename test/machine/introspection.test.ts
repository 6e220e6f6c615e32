/** Who serves a monitor, and a second instance of it that may come to harm. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
	chmod,
	chown,
	copyFile,
	mkdir,
	mkdtemp,
	readFile,
	readlink,
	rename,
	rm,
	symlink,
	utimes,
} from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DisconnectedError, QomfsError } from "../../src/errors.ts";
import { binaryOf } from "../../src/machine/introspection/binary.ts";
import { ThrowAway } from "../../src/machine/introspection/throwAway.ts";
import { parseAddress } from "../../src/qmp/address.ts";
import { findServer } from "../../src/qmp/server.ts";
import { defaultQemu } from "../../tools/virtualMachine.ts";
import { HostileServer } from "../support/hostileServer.ts";
import {
	lacksQemu,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";

let directory: string;

beforeEach(async () => {
	directory = await mkdtemp(join(tmpdir(), "qomfs-introspection-"));
});

afterEach(() => rm(directory, { recursive: true }));

const lacksRoot = process.getuid?.() !== 0;
const noRoot = "only root can act as somebody else";

it("a server in a program that is no QEMU is not found", async () => {
	const path = join(directory, "qmp.sock");
	const server = await HostileServer.listen(path);
	try {
		expect(await findServer(parseAddress(path))).toBeUndefined();
		expect(await binaryOf(parseAddress(path))).toBeUndefined();
	} finally {
		await server.close();
	}
});

describe.skipIf(lacksQemu)("a QEMU", () => {
	let vm: TestMachine;

	afterEach(() => vm?.stop());

	it("is found by its socket, also through a link", async () => {
		vm = await startTestMachine(["-M", "none"]);
		const toSocket = join(directory, "link.sock");
		const toDirectory = join(directory, "link");
		await symlink(vm.socket, toSocket);
		await symlink(dirname(vm.socket), toDirectory);
		for (const path of [
			vm.socket,
			vm.secondSocket,
			toSocket,
			join(toDirectory, basename(vm.socket)),
		])
			expect(await findServer(parseAddress(path)), path).toBe(vm.pid);
		const other = join(vm.directory, "other.sock");
		expect(await findServer(parseAddress(other))).toBeUndefined();
	});

	it("is found by its port on the loopback, and on no other host", async () => {
		const port = await freePort();
		const monitor = `tcp:127.0.0.1:${port},server=on,wait=off`;
		vm = await startTestMachine(["-M", "none", "-qmp", monitor]);
		for (const host of ["127.0.0.1", "localhost", "127.1"])
			expect(await findServer(parseAddress(`${host}:${port}`)), host).toBe(
				vm.pid,
			);
		for (const address of [
			`qemu.example:${port}`,
			`127.qemu.example:${port}`,
			`192.0.2.1:${port}`,
			`127.0.0.1:${port + 1}`,
		])
			expect(await findServer(parseAddress(address)), address).toBeUndefined();
	});

	it("is run by the name of its program, which has the same build each time", async () => {
		vm = await startTestMachine(["-M", "none"]);
		const [first, second] = [vm.socket, vm.secondSocket].map((path) =>
			binaryOf(parseAddress(path)),
		);
		const program = await readlink(`/proc/${vm.pid}/exe`);
		const { root } = defaultQemu;
		expect((await first)?.command).toEqual(
			root
				? [
						...["chroot", "--userspec=+0:+0", "--groups=", root],
						program.slice(root.length),
					]
				: [program],
		);
		expect(await second).toEqual(await first);
	});
});

describe("a program", () => {
	let server: ChildProcess | undefined;
	let program: string;
	let socket: string;

	/** Its name is all that makes it a QEMU. */
	async function serve(user: { uid?: number; gid?: number } = {}) {
		const script = `net.createServer().listen(${JSON.stringify(socket)}, () => console.log("up"))`;
		server = spawn(program, ["-e", script], {
			...user,
			stdio: ["ignore", "pipe", "inherit"],
		});
		if (server.stdout) await once(server.stdout, "data");
	}

	beforeEach(async () => {
		program = join(directory, "qemu-system-copy");
		socket = join(directory, "qmp.sock");
		await copyFile(process.execPath, program);
		await chmod(program, 0o755);
	});

	afterEach(async () => {
		if (!server?.kill("SIGKILL")) return;
		await once(server, "exit");
	});

	const found = () => binaryOf(parseAddress(socket));

	it("is not run if others may change it", async () => {
		await serve();
		expect(await found()).toMatchObject({ command: [program] });
		for (const mode of [0o775, 0o757]) {
			await chmod(program, mode);
			expect(await found(), mode.toString(8)).toBeUndefined();
		}
	});

	it("is not run if it belongs to somebody else", async ({ skip }) => {
		skip(lacksRoot, noRoot);
		await serve();
		await chown(program, 65534, 65534);
		expect(await found()).toBeUndefined();
	});

	it("is run as the user of its machine, even by root", async ({ skip }) => {
		skip(lacksRoot, noRoot);
		const nobody = { uid: 65534, gid: 65534 };
		const place = join(directory, "nobody");
		await chmod(directory, 0o755);
		await mkdir(place);
		await chown(place, nobody.uid, nobody.gid);
		socket = join(place, "qmp.sock");
		await serve(nobody);
		expect(await found()).toMatchObject({ command: [program], user: nobody });
	});

	it("is not run by root if somebody else can put another one in its place", async ({
		skip,
	}) => {
		skip(lacksRoot, noRoot);
		await serve();
		expect(await found()).toMatchObject({ command: [program] });
		await chown(directory, 65534, 65534);
		expect(await found()).toBeUndefined();
		await chown(directory, 0, 0);
		await chmod(directory, 0o777);
		expect(await found()).toBeUndefined();
	});

	it("that is there in a mount namespace alone is not run outside of it", async ({
		skip,
	}) => {
		skip(lacksRoot, noRoot);
		const inside = join(directory, "inside");
		await mkdir(inside);
		const script = `net.createServer().listen(${JSON.stringify(socket)}, () => console.log("up"))`;
		server = spawn("unshare", [
			...["-m", "--propagation", "private", "sh", "-c"],
			'mount -t tmpfs t "$2"; cp "$1" "$2/qemu-x"; exec "$2/qemu-x" -e "$3"',
			...["sh", program, inside, script],
		]);
		if (server.stdout) await once(server.stdout, "data");
		expect(await findServer(parseAddress(socket))).toBeDefined();
		expect(await found()).toBeUndefined();
	});

	it("is another build once it was written anew", async () => {
		await serve();
		const before = await found();
		await utimes(program, 0, 0);
		expect((await found())?.build).not.toBe(before?.build);
	});

	it("is run from its process if there is another file by its name meanwhile", async () => {
		await serve();
		await rename(program, `${program}.old`);
		await copyFile("/bin/true", program);
		const link = `/proc/${server?.pid}/exe`;
		expect(await found()).toMatchObject({ command: [`${program}.old`] });
		await rm(`${program}.old`);
		// Root might start what another user has put there since.
		if (process.getuid?.() === 0) expect(await found()).toBeUndefined();
		else expect(await found()).toMatchObject({ command: [link] });
	});
});

describe("a throw-away instance", () => {
	let throwAway: ThrowAway;

	afterEach(async () => {
		throwAway.close();
		await expectNoneLeft();
	});

	it("is the same one for question after question", async () => {
		throwAway = fake();
		expect(await throwAway.describe("a")).toEqual(described("a"));
		const both = ["b", "c"].map((type) => throwAway.describe(type));
		expect(await Promise.all(both)).toEqual(["b", "c"].map(described));
		expect(await asked()).toEqual(["start", "a", "b", "c"]);
	});

	it("tells of a type that ends it, and there is another one for the next", async () => {
		throwAway = fake({ deadly: ["bad"] });
		expect(await throwAway.describe("bad")).toEqual(ending);
		expect(await throwAway.describe("a")).toEqual(described("a"));
		expect(await throwAway.describe("bad")).toEqual(ending);
		// Twice alone, for somebody else may have ended it.
		expect(await asked()).toEqual([
			...["start", "bad", "start", "bad"],
			...["start", "a", "bad", "start", "bad", "start", "bad"],
		]);
	});

	it("describes a type that ends it only after another one", async () => {
		throwAway = fake({ deadlyAfter: { second: "first" } });
		expect(await throwAway.describe("first")).toEqual(described("first"));
		expect(await throwAway.describe("second")).toEqual(described("second"));
		expect(await asked()).toEqual([
			...["start", "first", "second"],
			...["start", "second"],
		]);
	});

	it("fails if it ends before it greets", async () => {
		throwAway = fake({ start: "ends" });
		await expect(throwAway.describe("a")).rejects.toThrow(/before it greeted/);
	});

	it("fails if it never greets, and is ended", async () => {
		throwAway = fake({ start: "silent" });
		await expect(throwAway.describe("a")).rejects.toThrow(QomfsError);
		await expectNoneLeft();
	});

	it("fails if it has another version by now, and is ended", async () => {
		throwAway = fake({ major: 11 });
		await expect(throwAway.describe("a")).rejects.toThrow(
			/is QEMU 11\.2\.0 by now/,
		);
		await expectNoneLeft();
	});

	it("fails if there is no such program", async () => {
		throwAway = new ThrowAway(
			{ command: [join(directory, "none")], user: undefined, build: "" },
			version,
		);
		await expect(throwAway.describe("a")).rejects.toThrow(/before it greeted/);
	});

	it.each([
		["the first", []],
		["a later", ["a"]],
	])(
		"that is closed during %s question says nothing of the type",
		async (_which, before) => {
			throwAway = fake({ mute: ["slow"] });
			for (const type of before) await throwAway.describe(type);
			const answer = throwAway.describe("slow");
			answer.catch(() => {});
			const questions = ["start", ...before, "slow"];
			await expect.poll(asked).toEqual(questions);
			throwAway.close();
			await expect(answer).rejects.toThrow(DisconnectedError);
			await expectNoneLeft();
			expect(await asked()).toEqual(questions);
			expect(await throwAway.describe("b")).toEqual(described("b"));
		},
	);

	it.each(["SIGINT", "SIGTERM", "SIGKILL"] as const)(
		"ends with those who have started it, even if it does not care for a %s to all of them",
		async (signal) => {
			throwAway = fake();
			const source = new URL(
				"../../src/machine/introspection/throwAway.ts",
				import.meta.url,
			);
			const script = `
			import { ThrowAway } from "${source}";
			const [binary, version] = JSON.parse(process.argv[1]);
			await new ThrowAway(binary, version).describe("a");
			setInterval(() => {}, 1000);`;
			const args = JSON.stringify([binaryLike({ mute: ["a"] }), version]);
			const starter = spawn(
				process.execPath,
				["--input-type=module", "-e", script, args],
				{ detached: true, stdio: "inherit" },
			);
			await expect.poll(asked).toEqual(["start", "a"]);
			process.kill(-(starter.pid as number), signal);
			await once(starter, "exit");
			await expectNoneLeft();
		},
	);

	const version = { major: 7, minor: 2, micro: 0, package: "" };

	const ending = {
		properties: new Map(),
		refusal: "QEMU ends when it is asked",
	};

	const described = (type: string) => ({
		properties: new Map([
			[
				"type",
				{
					...{ type: "string", description: `of ${type}` },
					defaultValue: undefined,
				},
			],
		]),
	});

	const log = () => join(directory, "log");

	function binaryLike(behaviour: object) {
		const script = new URL("../fixtures/fakeQemu.ts", import.meta.url).pathname;
		const options = JSON.stringify({ log: log(), ...behaviour });
		return {
			command: [process.execPath, script, options] as const,
			user: undefined,
			build: "",
		};
	}

	function fake(behaviour: object = {}): ThrowAway {
		return new ThrowAway(binaryLike(behaviour), version);
	}

	const lines = async () =>
		(await readFile(log(), "utf8").catch(() => "")).split("\n").slice(0, -1);

	/** Starts, and the types that were asked for. */
	const asked = async () =>
		(await lines()).map((line) => line.replace(/^(start) \d+$/, "$1"));

	/** Neither instances nor the shells that watch them. */
	async function expectNoneLeft(): Promise<void> {
		const pids = (await lines()).flatMap(
			(line) => /^start (\d+)$/.exec(line)?.[1] ?? [],
		);
		const living = async () => {
			const commands = await Promise.all(
				pids.map((pid) =>
					readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""),
				),
			);
			return commands.filter((command) => command.includes(directory));
		};
		await expect.poll(living).toEqual([]);
	}
});

async function freePort(): Promise<number> {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	server.close();
	await once(server, "close");
	return port;
}
