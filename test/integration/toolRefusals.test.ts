/** What the tools refuse, and what they say then. */
import { chmod } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lacksQemu } from "../support/mounted.ts";
import { OrdinaryUser } from "../support/ordinaryUser.ts";
import { RawQmp } from "../support/rawQmp.ts";
import { ToolMachine } from "../support/toolMachine.ts";
import { controlsIn, expectRefusal, type Tools } from "../support/tools.ts";

describe.skipIf(lacksQemu)("the tools", () => {
	let machine: ToolMachine;
	let tools: Tools;

	beforeAll(async () => {
		machine = await ToolMachine.start();
		tools = machine.tools;
	});

	afterAll(() => machine?.stop());

	describe("name the nearest", () => {
		it.each([
			[["qom-get", "io0.pol-max-ns"], /there is poll-max-ns\n/],
			[["qom-get", "/objects/io1.type"], /there is \/objects\/io0\n/],
			[["qom-get", "ne0.mac"], /there is \/machine\/peripheral\/net0\n/],
			[["qom-get", "ne0", "mac"], /there is \/machine\/peripheral\/net0\n/],
			[
				["qom-get", "virtio-backend", "type"],
				/is ambiguous|there is \/machine/,
			],
			[["qom-set", "io0.pol-max-ns", "1"], /there is poll-max-ns\n/],
			[["qom-list", "/machin/peripheral"], /there is \/machine\n/],
			[["qom-tree", "net1"], /there is \/machine\/peripheral\/net0\n/],
			[
				["qom-list", "virtio-backend"],
				/ambiguous; there is (\/\S+, ){3}\.\.\.\n/,
			],
			[["qom-get", "nosuchthing.at-all"], /Device 'nosuchthing' not found\n/],
			[["qom-get", "net0.mac", "bootindex"], /net0 with the property mac\n/],
			[["qom-set", "io0.type", "8K", "9"], /io0 with the property type\n/],
		])("of %j", async ([tool = "", ...args], message) => {
			expectRefusal(await tools.run(tool, ...args), 1, message);
		});

		it("but not the same again, where a name holds a slash", async () => {
			const id = "we ird:x/y";
			const backend = { type: "null", data: {} };
			await machine.qmp.execute("chardev-add", { id, backend });
			try {
				for (const [tool, word] of [
					["qom-list", `/chardevs/${id}`],
					["qom-get", `/chardevs/${id}.type`],
				] as const)
					expectRefusal(
						await tools.run(tool, word),
						1,
						/not found; its name holds a slash, so no path leads to it\n$/,
					);
			} finally {
				await machine.qmp.execute("chardev-remove", { id });
			}
		});
	});

	it.each([
		[
			["qom-get", "net0.nosuch", "io0.type", "nosuch.x", "rng0.type"],
			"io0.type: iothread\nrng0.type: virtio-rng-pci\n",
			/^qom-get: net0\.nosuch: .*\nqom-get: nosuch\.x: .*not found\n$/,
		],
		[
			["qom-list", "nosuch", "/objects/io0/nosuch", "/chardevs"],
			/^\/chardevs:\n(.*\n)*type\n/,
			/^qom-list: nosuch: .*\nqom-list: \/objects\/io0\/nosuch: .*\n$/,
		],
	])(
		"show the others where one name is refused: %j",
		async ([tool = "", ...args], stdout, stderr) => {
			expect(await tools.run(tool, ...args)).toEqual({
				status: 1,
				stdout:
					typeof stdout === "string" ? stdout : expect.stringMatching(stdout),
				stderr: expect.stringMatching(stderr),
			});
		},
	);

	describe("refuse what is wrong in one line", () => {
		it.each<[string[], number, RegExp]>([
			[["qom-list", "--nosuch"], 2, /unknown option '--nosuch'/],
			[["qom-set", "io0.x=5"], 2, /write a blank .*: qom-set io0\.x 5\n/],
			[["qom-set", "-s", "/x", "io0.x=5"], 2, /write a blank/],
			[["qom-get"], 2, /missing.*property/],
			[["qom-get", "io0"], 2, /'io0' names no property; write PATH\.PROPERTY/],
			[["qom-get", "io0.type", "--timeout", "x"], 2, /number of seconds/],
			[["qom-get", "io0.type", "--timeout", "0"], 2, /number of seconds/],
			[["qomfs", "completion", "tcsh"], 2, /must be bash, zsh or fish/],
			[["qomfs", "completion", "constructor"], 2, /must be bash, zsh or fish/],
			[["qomfs", "events", "--count", "0"], 2, /--count must be more than 0/],
			[
				["qom-list", "-s", "/nosuch/vm.sock"],
				3,
				/\/nosuch\/vm\.sock: no such socket; is QEMU running/,
			],
			[["qom-list", "-s", "/dev/null"], 3, /not a socket/],
			[["qom-list", "-s", "127.0.0.1:1"], 3, /connection refused/],
			[["qom-list", "-s", "a:b:c"], 2, /not a monitor's address/],
			[["qom-list", "\x1b[31mred\nline"], 1, /\?\[31mred line: /],
			[["qom-get", "\x1b[31mred.x\n"], 1, /\?\[31mred/],
			[["qom-list", "x".repeat(100_000)], 1, /not found/],
		])("%j", async ([tool = "", ...args], status, message) => {
			const finished = await tools.run(tool, ...args);
			expectRefusal(finished, status, message);
			expect(controlsIn(finished.stderr)).toEqual([]);
		});

		it.each([["nosuchcommand"], ["lst"], ["lst", "/x", "/y"]])(
			"an unknown command, and name it: %s",
			async (...args) => {
				const finished = await tools.run("qomfs", ...args);
				expectRefusal(finished, 2, new RegExp(args[0] ?? ""));
			},
		);

		it("a monitor that somebody holds, and name who", async () => {
			const holder = await RawQmp.connect(machine.vm.socket);
			try {
				const finished = await tools.run("qom-list");
				const isSeen = !process.env.QOMFS_QEMU_ROOT; // paths differ in a chroot
				expectRefusal(
					finished,
					isSeen ? 4 : finished.status,
					isSeen
						? new RegExp(`busy: pid ${process.pid} .*; end that client`)
						: /monitor/,
				);
			} finally {
				holder.close();
			}
		});

		it("a socket without permission, and say whose it is and what to do", async (context) => {
			const user = await OrdinaryUser.create();
			if (typeof user === "string") return context.skip(user);
			try {
				await chmod(machine.vm.directory, 0o755);
				await chmod(machine.vm.socket, 0o000);
				const finished = await user.qomfs(["list", "-s", machine.vm.socket]);
				expectRefusal(
					finished,
					3,
					/permission denied.*user \w+ and group \w+: .*(run as|chmod)/,
				);
			} finally {
				await chmod(machine.vm.socket, 0o755);
				await user.remove();
			}
		});
	});
});
