/** `qomfs find` against a real machine. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lacksQemu } from "../support/mounted.ts";
import { ToolMachine } from "../support/toolMachine.ts";
import { expectRefusal, type Tools } from "../support/tools.ts";

describe.skipIf(lacksQemu)("the tools", () => {
	let machine: ToolMachine;
	let tools: Tools;

	beforeAll(async () => {
		machine = await ToolMachine.start();
		tools = machine.tools;
	});

	afterAll(() => machine?.stop());

	describe("find", () => {
		const find = async (...words: string[]) =>
			(await tools.output("qomfs", "find", ...words))
				.split("\n")
				.slice(0, -1)
				.toSorted();

		it("without a test finds every object", async () => {
			expect(await find()).toEqual((await machine.objectPaths()).toSorted());
		});

		it.each([
			[["-type", "iothread"], ["/objects/io0"]],
			[["-type", "*-rng-pci"], ["/machine/peripheral/rng0"]],
			[["-name", "net?"], ["/machine/peripheral/net0"]],
			[["-name", "device[0]"], ["/machine/unattached/device[0]"]],
			[["-prop", "poll-max-ns"], ["/objects/io0"]],
			[["/objects", "-prop", "poll-*=32768"], ["/objects/io0"]],
			[
				["-prop", "mac=52:*"],
				["/machine/peripheral/net0", "/machine/peripheral/net0/virtio-backend"],
			],
			[
				["-link-to", "io0"],
				["/machine/peripheral/blk0", "/machine/peripheral/blk0/virtio-backend"],
			],
			[
				["net0", "rng0", "-maxdepth", "0"],
				["/machine/peripheral/net0", "/machine/peripheral/rng0"],
			],
			[["io0"], ["/objects/io0"]],
			[["-iname", "NET?"], ["/machine/peripheral/net0"]],
			[
				["-name", "io0", "-o", "-name", "net0"],
				["/machine/peripheral/net0", "/objects/io0"],
			],
			[
				[
					"/objects",
					"-maxdepth",
					"1",
					"!",
					"-name",
					"*0",
					"!",
					"-name",
					"compat*",
				],
				["/objects", "/objects/pc.ram"],
			],
			[
				["(", "-name", "io0", "-o", "-name", "net0", ")", "-type", "device"],
				["/machine/peripheral/net0"],
			],
			[
				[
					"/objects/io0",
					"-not",
					"(",
					"-name",
					"io0",
					"-and",
					"-type",
					"iothread",
					")",
				],
				[],
			],
			[["io0", "--long"], ["/objects/io0  iothread"]],
			[
				["io0", "-name", "io*", "--json"],
				['{"path":"/objects/io0","type":"iothread"}'],
			],
			[
				[
					"/machine",
					"-type",
					"virtio-device",
					"-prop",
					"serial=SER1",
					"-name",
					"virtio-*",
				],
				["/machine/peripheral/blk0/virtio-backend"],
			],
			[["-name", "nosuch*"], []],
			[["-type", "iothread", "-name", "nosuch"], []],
		])("%j finds %j", async (words, expected) => {
			expect(await find(...words)).toEqual(expected);
		});

		it("-type takes derived types and interfaces", async () => {
			expect(await find("-type", "device")).toContain(
				"/machine/peripheral/net0",
			);
			expect(await find("-type", "user-creatable")).toContain("/objects/io0");
		});

		it("-print0 ends each path with a NUL, for xargs -0", async () => {
			const { stdout } = await tools.sh(
				"qomfs find xhci -name 'usb2 port*' -print0 | xargs -0 -n1 qom-list | grep -c type",
			);
			expect(stdout).toBe("4\n");
		});

		it("takes the machine's options between the tests, and as a tool's own name", async () => {
			const { socket } = machine.vm;
			const env = { QMP_SOCKET: "/nosuch.sock" };
			for (const line of [
				`qomfs find -type iothread -s ${socket}`,
				`qomfs find /objects --socket=${socket} -type iothread`,
			])
				expect(await tools.sh(line, env)).toMatchObject({
					...{ status: 0, stdout: "/objects/io0\n", stderr: "" },
				});
			expect(await tools.output("qomfs", "qom-get", "io0.type")).toBe(
				"iothread\n",
			);
		});

		it.each([
			[["-nmae", "x"], 2, /unknown test '-nmae'/],
			[["-name"], 2, /-name needs a word/],
			[["-name", "x", "-o"], 2, /a test is missing before the end/],
			[["-o", "-name", "x"], 2, /a test is missing before '-o'/],
			[["!"], 2, /a test is missing/],
			[["(", "-name", "x"], 2, /a '\)' is missing/],
			[["-name", "x", ")"], 2, /closes nothing/],
			[["-maxdepth", "x"], 2, /-maxdepth x: not a whole number/],
			[["-type", "iothred"], 2, /did you mean 'iothread'/],
			[["nosuch"], 1, /nosuch.*not found/],
			[["-link-to", "nosuch"], 1, /nosuch.*not found/],
			[["-link-to", "virtio-backend"], 1, /ambiguous/],
			[
				["virtio-backend"],
				1,
				/ambiguous; there is \/machine\/peripheral\/\w+\/virtio-backend, /,
			],
		])("%j is refused", async (words, status, message) => {
			expectRefusal(
				await tools.run("qomfs", "find", ...words),
				status,
				message,
			);
		});
	});
});
