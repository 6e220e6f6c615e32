/** Monitors of another host, through a real sshd that lets another user in. */
import { execFile } from "node:child_process";
import {
	chmod,
	mkdir,
	readdir,
	readFile,
	symlink,
	writeFile,
} from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { password } from "../../tools/sshServer.ts";
import { giveToFarUser, lacksSsh, sshServer } from "../support/farMachine.ts";
import {
	gone,
	type Mounted,
	mountQomfs,
	run,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";
import { RawQmp } from "../support/rawQmp.ts";
import { Sandbox } from "../support/sandbox.ts";
import { TcpProxy } from "../support/tcpProxy.ts";
import { keys, lacksTerminal, Terminal } from "../support/terminal.ts";
import { expectRefusal, Tools } from "../support/tools.ts";

describe.skipIf(lacksSsh)("a monitor that ssh leads to", () => {
	const server = sshServer();
	let vm: TestMachine;
	let tools: Tools;
	let box: Sandbox;
	let source: string;

	beforeAll(async () => {
		vm = await startTestMachine();
		await giveToFarUser(vm.directory);
		source = `${server().url}${vm.socket}`;
		tools = await Tools.create(source);
		box = await Sandbox.create();
	});

	// Whatever a test has done, nothing of it stays.
	afterEach(async () => {
		expect(await box.leftovers()).toEqual([]);
	});

	afterAll(async () => {
		await tools?.remove();
		await vm?.stop();
		await box?.remove();
	});

	/** `qomfs find`, in the sandbox. */
	const find = (far: string) => box.qomfs(["find", "-s", far, "/objects"]);

	/** What a tool prints of the machine by its socket. */
	async function near(tool: string, ...args: string[]): Promise<string> {
		const { stdout } = await run(
			process.execPath,
			[join(tools.directory, tool), ...args],
			{ env: tools.environment({ QMP_SOCKET: vm.socket }) },
		);
		return stdout;
	}

	it.each([
		["qom-list", "/machine"],
		["qom-get", "/machine", "type"],
		["qom-tree", "/objects"],
		["qomfs", "find", "-type", "iothread"],
		["qomfs", "topology"],
		["qmp", "query-status"],
	])("is one for %s %s", async (tool, ...args) => {
		const far = await tools.output(tool, ...args);
		expect(far).not.toBe("");
		expect(await near(tool, ...args)).toBe(far);
	});

	it("is set, saved, and compared with one of this host", async () => {
		await tools.output("qom-set", "/objects/io0", "poll-max-ns", "12345");
		expect(await near("qom-get", "/objects/io0", "poll-max-ns")).toBe(
			"12345\n",
		);
		const saved = join(box.directory, "far.json");
		await tools.output("qomfs", "snapshot", "-o", saved);
		expect(await tools.output("qomfs", "diff", saved, source)).toBe("");
		expect(await tools.output("qomfs", "diff", vm.secondSocket, source)).toBe(
			"",
		);
	});

	describe("and a mount of it", () => {
		let mounted: Mounted;

		beforeAll(async () => {
			mounted = await mountQomfs(source);
		});
		afterAll(() => mounted?.unmount());

		it("is read, written, and walked as any other", async () => {
			const asked = await mounted.sh(
				'cd "$M"/objects/io0 && echo 777 > poll-max-ns && cat poll-max-ns type && find "$M" | wc -l',
			);
			expect(asked).toMatchObject({ status: 0, stderr: "" });
			expect(asked.stdout).toMatch(/^777\niothread\n\d{4,}\n$/);
		});

		it("names the source, and shares the monitor under that name", async () => {
			const { stdout } = await run("findmnt", [
				...["-n", "-o", "SOURCE", mounted.path],
			]);
			expect(stdout).toBe(`${source}\n`);
			expect(await mounted.status()).toMatchObject({
				...{ connection: "connected", source, monitor: "given" },
			});
			const before = server().log.match(/Accepted/g)?.length;
			expect(await tools.output("qom-get", "/objects/io0", "type")).toBe(
				"iothread\n",
			);
			// By the mount's connection, not by one more.
			expect(server().log.match(/Accepted/g)?.length).toBe(before);
		});
	});

	it("may listen on TCP there", async () => {
		const proxy = await TcpProxy.listen(vm.socket);
		try {
			const far = `${server().url}/?tcp=${proxy.address}`;
			expect(await tools.output("qom-get", "-s", far, "io0.type")).toBe(
				"iothread\n",
			);
		} finally {
			await proxy.close();
		}
	});

	it.each([
		...["with a blank", "per%cent", "co:lon", "back\\slash", "it's", "é"],
		...["$HOME", "`id`", "-L", "*"],
	])("may have any name: %s", async (name) => {
		const directory = join(server().home, name);
		await mkdir(directory, { recursive: true });
		await symlink(vm.socket, join(directory, "qmp"));
		const path = `${directory}/qmp`.replaceAll("%", "%25");
		expect(
			await tools.output("qom-get", "-s", `${server().url}${path}`, "io0.type"),
		).toBe("iothread\n");
	});

	it.each<[string, string | (() => string), number, RegExp]>([
		[
			"no such host",
			"ssh://nosuch.invalid/q",
			3,
			/no such host 'nosuch.invalid'/,
		],
		[
			"no sshd",
			"ssh://127.0.0.1:1/q",
			3,
			/no sshd answers .*Connection refused/,
		],
		[
			"a refused user",
			"ssh://nobody-here@far/q",
			3,
			/permission denied for nobody/,
		],
		[
			"a key that is not known",
			() => `ssh://${server().address}:${server().port}/q`,
			3,
			/host key is not known here; 'ssh -p \d+ 127[.\d]+' shows it/,
		],
		["no such socket", "ssh://far/nosuch/q", 3, /no such socket on that host/],
		["a file", "ssh://far/etc/passwd", 3, /not a socket; give the path/],
		["a directory", "ssh://far/etc", 3, /a directory; with a slash/],
		["no port", "ssh://far/?tcp=127.0.0.1:1", 3, /connection refused; is QEMU/],
		["a password", "ssh://me:x@far/q", 2, /takes no password/],
		["an option", "ssh://-oProxyCommand=id/q", 2, /names no monitor/],
		["no path", "ssh://far", 2, /names no monitor; write ssh:/],
		["a directory of one", "ssh://far/run/", 2, /names a directory/],
	])("is refused in one line: %s", async (_what, far, status, message) => {
		expectRefusal(
			await find(typeof far === "string" ? far : far()),
			status,
			message,
		);
	});

	it("belongs to another user there", async () => {
		const closed = createServer();
		await new Promise<void>((resolve) =>
			closed.listen(join(box.directory, "closed"), resolve),
		);
		await chmod(join(box.directory, "closed"), 0o600);
		const result = await find(`ssh://far${box.directory}/closed`);
		closed.close();
		expectRefusal(result, 3, /permission denied; the socket there belongs/);
	});

	it("is held by another client", async () => {
		const holder = await RawQmp.connect(vm.socket);
		try {
			expectRefusal(
				await box.qomfs(["find", "-s", source, "--timeout", "1", "/objects"]),
				4,
				/is busy: another client holds this monitor/,
			);
		} finally {
			holder.close();
		}
	});

	it("is stopped", async () => {
		process.kill(vm.pid, "SIGSTOP");
		try {
			expectRefusal(
				await box.qomfs(["find", "-s", source, "--timeout", "1", "/objects"]),
				5,
				/takes no connection, though nobody else holds it; is QEMU stopped/,
			);
		} finally {
			process.kill(vm.pid, "SIGCONT");
		}
	});

	it.each([
		["stops at once", "kill -STOP $$"],
		["does not end when it is told to", "trap '' TERM; exec sleep 60"],
		["has others speak for it", 'sleep 60 & echo $! >>"$0.pids"; exec yes >&2'],
	])("is not waited for when ssh %s", async (_what, script) => {
		const bin = join(box.directory, `bin ${_what}`);
		await mkdir(bin);
		await writeFile(join(bin, "ssh"), `#!/bin/sh\n${script}\n`, {
			mode: 0o755,
		});
		const startMs = performance.now();
		expectRefusal(
			await box.qomfs(["find", "-s", source, "--timeout", "1", "/objects"], {
				env: { PATH: `${bin}:${process.env.PATH}` },
			}),
			5,
			/ssh is not connected yet, is the host up/,
		);
		// It would be a minute, or no end.
		expect(performance.now() - startMs).toBeLessThan(30_000);
		const others = await readFile(join(bin, "ssh.pids"), "utf8").catch(
			() => "",
		);
		for (const pid of others.split("\n").filter(Boolean))
			process.kill(Number(pid));
	});

	it("needs an ssh here", async () => {
		const bin = join(box.directory, "bin");
		await mkdir(bin);
		await symlink("/bin/sh", join(bin, "sh"));
		const without = await box.qomfs(["find", "-s", source, "/objects"], {
			env: { PATH: bin },
		});
		expectRefusal(without, 3, /there is no ssh here; install it/);
	});

	it.each([
		[
			"sockets",
			"AllowStreamLocalForwarding no",
			/does not forward there; AllowStreamLocal/,
		],
		["anything", "DisableForwarding yes", /sshd does not forward there/],
		["commands", "ForceCommand /bin/false", undefined],
	])("where sshd forbids %s", async (_what, setting, message) => {
		await server().stop();
		await server().serve([setting]);
		try {
			const found = await find(source);
			if (message) expectRefusal(found, 3, message);
			// To forward a socket no shell is needed there.
			else expect(found).toMatchObject({ status: 0, stderr: "" });
		} finally {
			await server().stop();
			await server().serve();
		}
	});

	describe.skipIf(lacksTerminal)("with a password", () => {
		beforeAll(async () => {
			await server().stop();
			await server().serve([
				"PasswordAuthentication yes",
				"PubkeyAuthentication no",
			]);
		});

		afterAll(async () => {
			await server().stop();
			await server().serve();
		});

		function atTerminal([tool = "", ...args]: readonly string[]): Terminal {
			return new Terminal(
				[process.execPath, join(tools.directory, tool), ...args],
				{ ...process.env, XDG_RUNTIME_DIR: join(box.directory, "tmp") },
			);
		}

		it("is refused where nobody can be asked", async () => {
			expectRefusal(
				await find(source),
				3,
				/permission denied for far.*; 'ssh far' must work without a question/,
			);
		});

		it.each([
			["a command", () => ["qom-get", "-s", source, "io0.type"], "iothread"],
			["a mount", () => ["qomfs", source, box.mountpoint], ""],
		] as const)(
			"asks for it at the terminal: %s",
			async (_what, words, shown) => {
				const terminal = atTerminal(words());
				await terminal.shows(/password: ?$/);
				terminal.type(`${password}\r`);
				await terminal.shows(shown);
				expect(await terminal.ended).toBe(0);
				expect(terminal.seen).not.toContain(password);
				await box.qomfs(["umount", box.mountpoint]);
			},
		);

		it("is not asked for any more after Ctrl-C", async () => {
			const terminal = atTerminal(["qomfs", source, box.mountpoint]);
			await terminal.shows(/password: ?$/);
			terminal.type(keys.ctrlC);
			expect(await terminal.ended).not.toBe(0);
		});
	});

	it("is gone with its ssh when its command is killed", async () => {
		const watching = await box.foreground([source, box.mountpoint, "-f"]);
		watching.process.kill("SIGKILL");
		await watching.ended;
		await expect.poll(() => box.leftovers()).toEqual([]);
		expect(await tools.output("qom-get", "io0.type")).toBe("iothread\n");
	});

	describe("by a connection that the user has already", () => {
		const ssh = (...args: string[]) => run("ssh", args);
		let control: string;

		beforeAll(async () => {
			control = join(server().directory, "control");
			const config = await readFile(server().clientConfig, "utf8");
			await writeFile(
				server().clientConfig,
				`Host user\n ControlPath ${control}\n${config.replace("Host far", "Host far user")}`,
			);
			// ssh stays as it goes to the background, and keeps what it has of ours open.
			const master = ["-M", "-N", "-f", "-E", "/dev/null", "user"];
			await promisify(execFile)("sh", [
				"-c",
				'ssh "$@" </dev/null >/dev/null 2>&1',
				"sh",
				...master,
			]);
		});

		afterAll(async () => {
			await ssh("-O", "exit", "user");
		});

		it("uses that, and leaves it as it was", async () => {
			const before = server().log.match(/Accepted/g)?.length;
			const far = `ssh://user${vm.socket}`;
			expect(await find(far)).toMatchObject({ status: 0, stderr: "" });
			const mounted = await mountQomfs(far);
			await mounted.sh('cat "$M/type"');
			await mounted.unmount();
			expectRefusal(
				await find("ssh://user/nosuch.sock"),
				3,
				/no such socket on that host/,
			);
			expect(server().log.match(/Accepted/g)?.length).toBe(before);
			const { stderr } = await ssh("-O", "check", "user");
			expect(stderr).toMatch(/Master running/);
			// The master has closed what it had opened for us.
			const pid = /pid=(\d+)/.exec(stderr)?.[1];
			const { stdout } = await run("ss", ["-xlpH"]);
			expect(
				stdout.split("\n").filter((line) => line.includes(`pid=${pid},`)),
			).toHaveLength(1);
		});
	});

	describe("behind a jump host", () => {
		const far = () => `ssh://inner${vm.socket}`;

		/** Changes how `inner` is reached while a test runs. */
		async function reachedBy(way: string, test: () => Promise<void>) {
			const config = await readFile(server().clientConfig, "utf8");
			const { address, port } = server();
			await writeFile(
				server().clientConfig,
				`Host inner\n HostName ${address}\n Port ${port}\n ${way}\n${config.replace("Host far", "Host far inner")}`,
			);
			await test().finally(() => writeFile(server().clientConfig, config));
		}

		it("is reached", () =>
			reachedBy("ProxyJump far", async () => {
				const mounted = await mountQomfs(far(), "connect_timeout=30");
				expect((await mounted.sh('cat "$M/type"')).stdout).toBe("container\n");
				await mounted.unmount();
			}));

		it("is told from one behind a host that is not there", () =>
			reachedBy("ProxyJump nosuch.invalid", async () =>
				expectRefusal(await find(far()), 3, /ssh:\/\/inner: .*nosuch\.invalid/),
			));
	});

	describe("of a directory there", () => {
		it("is found behind what a login shell says by itself", async () => {
			const directory = join(server().home, "spoken of");
			await mkdir(directory);
			await symlink(vm.socket, join(directory, "one.sock"));
			await server().stop();
			await server().serve([
				`ForceCommand echo Welcome; exec sh -c "$SSH_ORIGINAL_COMMAND"`,
			]);
			const mounted = await mountQomfs(`${server().url}${directory}/`);
			try {
				expect(await readdir(mounted.path)).toEqual(["one"]);
			} finally {
				await mounted.unmount();
				await server().stop();
				await server().serve();
			}
		});

		it("shows all machines, and those that come and go", async () => {
			const directory = join(server().home, "vms");
			await mkdir(join(directory, "domain-3-mail"), { recursive: true });
			await symlink(vm.socket, join(directory, "one.sock"));
			await symlink(
				vm.secondSocket,
				join(directory, "domain-3-mail/monitor.sock"),
			);
			await writeFile(join(directory, "notes.txt"), "");
			const mounted = await mountQomfs(`${server().url}${directory}/`);
			const listed = async () => (await readdir(mounted.path)).toSorted();
			try {
				expect(await listed()).toEqual(["mail", "one"]);
				expect(
					await readFile(join(mounted.path, "mail/objects/io0/type"), "utf8"),
				).toBe("iothread\n");
				const late = createServer();
				await new Promise<void>((resolve) =>
					late.listen(join(directory, "it's late.qmp"), resolve),
				);
				await expect
					.poll(listed, { timeout: 10_000 })
					.toEqual(["it's late", "mail", "one"]);
				late.close();
				await expect.poll(listed, { timeout: 10_000 }).toEqual(["mail", "one"]);
			} finally {
				const { pid } = await mounted.status();
				await mounted.unmount();
				await gone(pid);
			}
		});
	});
});
