/** The domains of a real libvirt, by its own proxy and by virsh. */
import {
	mkdtemp,
	readdir,
	readFile,
	rm,
	symlink,
	writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { LibvirtServer, lacksLibvirt } from "../../tools/libvirtServer.ts";
import { rootUser, SshServer } from "../../tools/sshServer.ts";
import { defaultQemu } from "../../tools/virtualMachine.ts";
import { lacksSsh } from "../support/farMachine.ts";
import {
	lacksMount,
	type Mounted,
	mountQomfs,
	run,
} from "../support/mounted.ts";
import { Sandbox } from "../support/sandbox.ts";
import { expectRefusal, Tools } from "../support/tools.ts";

/** The system's QEMU is the one that libvirt knows. */
const lacks =
	lacksMount || lacksLibvirt() !== undefined || defaultQemu.root !== "";

const carriers = ["virt-qemu-qmp-proxy", "virsh"] as const;

const oddNames = ["two words", `q'u"o\\te-ü`, "new\nline", "--help", "7", ".."];

describe.skipIf(lacks)("libvirt", () => {
	let server: LibvirtServer;
	let tools: Tools;
	let box: Sandbox;
	/** Where there is all but the proxy. */
	let withoutProxy: string;

	beforeAll(async () => {
		server = await LibvirtServer.start();
		tools = await Tools.create();
		box = await Sandbox.create();
		withoutProxy = await mkdtemp(join(tmpdir(), "qomfs-path-"));
		for (const program of await readdir("/usr/bin"))
			if (program !== carriers[0])
				await symlink(`/usr/bin/${program}`, join(withoutProxy, program));
		await server.create("one");
	});

	afterEach(async () => {
		expect(await box.leftovers()).toEqual([]);
	});

	afterAll(async () => {
		await box?.remove();
		await tools?.remove();
		if (withoutProxy) await rm(withoutProxy, { recursive: true });
		await server?.[Symbol.asyncDispose]();
	});

	const sourceOf = (domain: string) =>
		`${server.uri}&domain=${encodeURIComponent(domain)}`;

	/** Of a carrier. */
	const environment = (carrier: string) =>
		carrier === "virsh"
			? { PATH: `${withoutProxy}:${dirname(process.execPath)}` }
			: {};

	describe.each(carriers)("by %s", (carrier) => {
		const qomfs = (...args: string[]) =>
			box.qomfs(args, { env: environment(carrier) });
		const tool = (name: string, ...args: string[]) =>
			run(process.execPath, [join(tools.directory, name), ...args], {
				env: { ...process.env, ...environment(carrier) },
			});

		it("shows and sets what QEMU has", async () => {
			const source = sourceOf("one");
			expect(
				await tool("qom-get", "-s", source, "/machine", "type"),
			).toMatchObject({ status: 0, stdout: "pc-i440fx-7.2-machine\n" });
			const listed = await tool("qom-list", "-s", source, "/");
			expect(listed.stdout).toContain("machine/\n");
			const path = "/machine/unattached/sysbus";
			const set = await tool("qom-get", "-s", source, path, "nosuch");
			expect(set).toMatchObject({ status: 1, stdout: "" });
			expect(set.stderr).toMatch(/not found/);
		});

		it("saves the whole machine, the same as the other does", async () => {
			const file = join(box.directory, `${carrier}.json`);
			const taken = await qomfs("snapshot", sourceOf("one"), "-o", file);
			expect(taken).toMatchObject({ status: 0 });
			const saved = JSON.parse(await readFile(file, "utf8"));
			expect(saved.objects.length).toBeGreaterThan(50);
			expect(saved.qemu.version).toMatch(/^7\.2\./);
			const other = carrier === "virsh" ? environment(carriers[0]) : {};
			const compared = await box.qomfs(["diff", file, sourceOf("one")], {
				env: other,
			});
			expect(compared).toMatchObject({ status: 0, stdout: "" });
		});

		it("passes on every character of a request", async () => {
			const name = `it's "q" \\ ; $x \`y\` !! \t\u00e9\u{1f431}`;
			const refused = await tool(
				...["qom-get", "-s", sourceOf("one"), "--", `/${name}`, "x"],
			);
			expect(refused.status).toBe(1);
			expect(refused.stderr).toContain("q");
			expect(refused.stderr).toContain("\u{1f431}");
			// A text like a mark of ours is one like any other.
			for (const mark of ["M1-", "M2-", "M3-", "M4-"])
				expect(
					(await tool("qom-get", "-s", sourceOf("one"), `/${mark}`, "x"))
						.stderr,
				).toBe(`qom-get: /${mark}.x: Device '/${mark}' not found\n`);
		});

		it("tells of events as QEMU does", async () => {
			const listening = run(
				process.execPath,
				[
					join(tools.directory, "qomfs"),
					...["events", "-s", sourceOf("one"), "--count", "2"],
				],
				{ env: { ...process.env, ...environment(carrier) } },
			);
			// Nobody says when it listens, so it is told again and again.
			let isOver = false;
			void listening.finally(() => {
				isOver = true;
			});
			while (!isOver) {
				await server.virsh("suspend", "one");
				await server.virsh("resume", "one");
			}
			const { stdout, stderr } = await listening;
			expect(stderr).toBe("");
			expect(stdout).toMatch(/STOP|RESUME/);
		});

		it("mounts it, and says how that is done", async () => {
			const { status, stderr } = await qomfs(sourceOf("one"), box.mountpoint);
			expect(status).toBe(0);
			expect(stderr).toBe(
				`qomfs: reached by ${carrier}; libvirt calls such a domain tainted (custom-monitor)\n`,
			);
			const told = JSON.parse(
				await readFile(join(box.mountpoint, ".qomfs/status"), "utf8"),
			);
			expect(told).toMatchObject({
				...{ connection: "connected", through: carrier },
			});
			expect(await readFile(join(box.mountpoint, "type"), "utf8")).toBe(
				"container\n",
			);
			expect(await qomfs("umount", box.mountpoint)).toMatchObject({
				status: 0,
			});
			expect(await server.virsh("dominfo", "one")).toMatch(/tainted: custom/);
		});

		it("is gone with its programs when it is killed", async () => {
			const mounting = await box.foreground(
				[sourceOf("one"), box.mountpoint, "-f"],
				environment(carrier),
			);
			mounting.process.kill("SIGKILL");
			await mounting.ended;
			await expect.poll(() => box.leftovers()).toEqual([]);
		});

		it.each<[string, () => string, number, RegExp]>([
			[
				"no such domain",
				() => sourceOf("nosuch"),
				3,
				/there is no such domain/,
			],
			["any domain", () => server.uri, 2, /names all running domains/],
			["../x", () => sourceOf("../x"), 3, /there is no such domain/],
			[
				"no libvirt",
				() => "qemu+unix:///session?socket=/nosuch&domain=one",
				3,
				/libvirt is not running there \(No such file/,
			],
			[
				"no host",
				() => "qemu+ssh://nosuch.invalid/session?domain=one",
				3,
				/ssh does not get there \(Could not resolve hostname/,
			],
		])("refuses in one line: %s", async (_what, source, status, message) => {
			expectRefusal(await qomfs("find", "-s", source(), "/"), status, message);
		});
	});

	it("tells a domain that is shut off", async () => {
		await server.define("off");
		const finished = await box.qomfs(["find", "-s", sourceOf("off"), "/"]);
		await server.virsh("undefine", "off");
		expectRefusal(finished, 3, /the domain is shut off; virsh -c '.*' start/);
	});

	it.skipIf(lacksSsh)("is reached by its own ssh", async () => {
		await using far = await SshServer.start(rootUser);
		const netcat = join(far.home, "nc");
		await writeFile(
			netcat,
			'#!/bin/sh\nfor socket; do :; done\nexec socat - "UNIX-CONNECT:$socket"\n',
			{ mode: 0o755 },
		);
		const socket = join(server.directory, "libvirt-sock");
		const source = `qemu+ssh://far/session?socket=${socket}&netcat=${netcat}&domain=one`;
		for (const carrier of carriers) {
			const env = far.environment({ ...process.env, ...environment(carrier) });
			// Each virsh, and the proxy, has an ssh of its own.
			const options = ["-o", "connect_timeout=30"];
			expect(
				await box.qomfs([source, box.mountpoint, ...options], { env }),
				carrier,
			).toMatchObject({ status: 0 });
			expect(await readFile(join(box.mountpoint, "machine/type"), "utf8")).toBe(
				"pc-i440fx-7.2-machine\n",
			);
			await box.qomfs(["umount", box.mountpoint]);
		}
	});

	it("needs a virsh here", async () => {
		const finished = await box.qomfs(
			["find", "-s", "qemu:///session?domain=one", "/"],
			{ env: { PATH: box.directory } },
		);
		expectRefusal(finished, 3, /there is no virsh here; install it/);
	});

	describe("without a domain", () => {
		let mounted: Mounted | undefined;

		afterEach(async () => {
			await mounted?.unmount();
			mounted = undefined;
		});

		it("has a directory for each that runs, whatever its name, as they come and go", async () => {
			for (const name of oddNames) await server.create(name);
			mounted = await mountQomfs(server.uri);
			const { path } = mounted;
			const listed = async () => (await readdir(path)).toSorted();
			const isUuid = (name: string) => /^[0-9a-f-]{36}$/.test(name);
			const names = await listed();
			// What cannot be a name of a directory goes by its UUID.
			expect(names.filter((name) => !isUuid(name))).toEqual(
				["one", ...oddNames.filter((name) => name !== "..")].toSorted(),
			);
			expect(names.filter(isUuid)).toHaveLength(1);
			const type = (name: string) => () =>
				readFile(join(path, name, "machine/type"), "utf8").catch(() => "");
			// On a slow machine some are connected a little later.
			for (const name of names)
				await expect
					.poll(type(name), { timeout: 20_000, message: name })
					.toBe("pc-i440fx-7.2-machine\n");
			await server.virsh("destroy", "two words");
			await expect
				.poll(listed, { timeout: 10_000 })
				.toEqual(names.filter((name) => name !== "two words"));
			await server.create("late");
			await expect
				.poll(() => readFile(join(path, "late/type"), "utf8").catch(() => ""), {
					timeout: 10_000,
				})
				.toBe("container\n");
		});
	});

	describe("that goes", () => {
		it("is found again, with its domains", async () => {
			const { status } = await box.qomfs([server.uri, box.mountpoint]);
			expect(status).toBe(0);
			await server.stop();
			const listed = () => readdir(box.mountpoint);
			const type = () =>
				readFile(join(box.mountpoint, "one/type"), "utf8").catch(
					({ code }) => code,
				);
			await expect.poll(type, { timeout: 20_000 }).not.toBe("container\n");
			await server.serve();
			await server.create("one");
			await expect.poll(type, { timeout: 30_000 }).toBe("container\n");
			await expect.poll(listed, { timeout: 20_000 }).toEqual(["one"]);
			expect(await box.qomfs(["umount", box.mountpoint])).toMatchObject({
				status: 0,
			});
		});
	});
});
