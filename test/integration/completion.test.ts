/** The script of `qomfs completion`, sourced by a real shell that asks a real machine. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
	lacksQemu,
	run,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";
import { Tools } from "../support/tools.ts";

/** Splits words as readline does, so that COMP_WORDS are those that bash would give. */
const driver = `
source <(qomfs completion bash) || exit
COMP_LINE=$1 COMP_POINT=\${2:-\${#1}} COMPREPLY=()
compopt() { echo "compopt $*"; }
_qomfs
printf '%s\\n' "\${COMPREPLY[@]}"
`;

describe.skipIf(lacksQemu)("completion", () => {
	let vm: TestMachine;
	let tools: Tools;

	beforeAll(async () => {
		vm = await startTestMachine();
		tools = await Tools.create(vm.socket);
	});

	afterAll(async () => {
		await tools?.remove();
		await vm?.stop();
	});

	/** COMPREPLY with the cursor at the end of the line. */
	async function complete(
		line: string,
		env: NodeJS.ProcessEnv = {},
	): Promise<string[]> {
		const { status, stdout, stderr } = await run(
			"bash",
			["--norc", "-c", driver, "bash", line],
			{ env: tools.environment(env) },
		);
		expect([status, stderr]).toEqual([0, ""]);
		return stdout
			.split("\n")
			.filter((word) => word !== "" && !word.startsWith("compopt "));
	}

	it("offers commands, none that are hidden", async () => {
		const commands = await complete("qomfs ");
		for (const command of ["mount", "umount", "get", "set", "find", "events"])
			expect(commands).toContain(command);
		expect(commands).not.toContain("complete");
		expect(await complete("qomfs li")).toEqual(["list"]);
	});

	it.each([
		["qom-get --js", ["--json"]],
		["qom-tree --d", ["--depth", "--draw"]],
		["qomfs events --c", ["--count"]],
		["qomfs find /objects -na", ["-name"]],
		["qom-set --unsafe", ["--unsafe-writes"]],
		["qom-get --hel", ["--help"]],
	])("offers options: %s", async (line, expected) => {
		expect(await complete(line)).toEqual(expected);
	});

	it.each([
		["qom-get /obj", ["/objects/"]],
		["qom-list /objects/io", ["/objects/io0/"]],
		["qom-tree /machine/peripheral/net", ["/machine/peripheral/net0/"]],
		["qomfs find /obj", ["/objects/"]],
		["qomfs find -link-to /obj", ["/objects/"]],
		["qomfs get /obj", ["/objects/"]],
		[
			"qom-list /machine/unattached/device\\[0",
			["/machine/unattached/device\\[0\\]/"],
		],
		[
			"qom-list '/machine/unattached/device[0",
			["/machine/unattached/device[0]/"],
		],
		[
			"qom-list /machine/peripheral/xhci/xhci-core/usb2\\ port\\ \\#2",
			["/machine/peripheral/xhci/xhci-core/usb2\\ port\\ \\#2\\[0\\]/"],
		],
	])(
		"offers objects, quoted as bash needs them: %s",
		async (line, expected) => {
			expect(await complete(line)).toEqual(expected);
		},
	);

	it.each([
		["qom-get io0.poll-m", ["io0.poll-max-ns"]],
		["qom-get /objects/io0.poll-m", ["/objects/io0.poll-max-ns"]],
		["qom-get /objects/io0/poll-m", ["/objects/io0/poll-max-ns"]],
		["qom-set io0.poll-m", ["io0.poll-max-ns"]],
		["qom-get /machine/q35/pcie.0.real", ["/machine/q35/pcie.0.realized"]],
		[
			"qom-get /machine/unattached/device\\[0\\].lbr-",
			["/machine/unattached/device\\[0\\].lbr-fmt"],
		],
		["qom-get io0.type io0.poll-m", ["io0.poll-max-ns"]],
		["qom-set io0.poll-max-ns ", []],
		["qom-set kbd.attached o", ["on", "off"]],
		["qom-set net0 disable-legacy a", ["auto"]],
		["qmp device_add driver=virtio-rng-pci max-", ["max-bytes="]],
		["qmp device_add driver=virtio-rng-pci disable-legacy=a", ["auto"]],
		["qmp device_add driver=virtio-rng-pci bus=xh", ["xhci.0"]],
	])("offers properties: %s", async (line, expected) => {
		expect(await complete(line)).toEqual(expected);
	});

	it.each([
		["qom-get io0 poll-m", ["poll-max-ns"]],
		["qom-set io0 poll-m", ["poll-max-ns"]],
	])("offers properties as a word of their own: %s", async (line, expected) => {
		expect(await complete(line)).toEqual(expected);
	});

	it.each([
		["qomfs mount -o unsafe", ["unsafe_writes", "unsafe_reads"]],
		[
			"qomfs mount vm.sock mnt -o ro,unsafe_w",
			["ro,unsafe_writes", "ro,unsafe_writes,"],
		],
		["qom-fuse mnt -o ro,value", ["ro,value_timeout="]],
		[
			"qomfs vm.sock mnt -o ro,unsafe_w",
			["ro,unsafe_writes", "ro,unsafe_writes,"],
		],
	])("offers mount options: %s", async (line, expected) => {
		expect(await complete(line)).toEqual(expected);
	});

	it("offers types", async () => {
		expect(await complete("qom-tree --type iothr")).toEqual(["iothread"]);
		expect(await complete("qomfs find -type iothr")).toEqual(["iothread"]);
	});

	it("asks the machine of -s, in every way to write it", async () => {
		const env = { QMP_SOCKET: "/nosuch.sock" };
		for (const socket of [
			`-s ${vm.socket}`,
			`--socket ${vm.socket}`,
			`--socket=${vm.socket}`,
			`-s 'unix:${vm.socket}'`,
		])
			expect(await complete(`qom-get ${socket} io0.poll-m`, env)).toEqual([
				"io0.poll-max-ns",
			]);
	});

	// = : and @ end a word for bash, which puts the reply behind them.
	it.each([
		["qom-tree --type=iothr", ["iothread"]],
		["qom-get /objects\\=x=/objects/io0.poll-m", []],
		[
			"qomfs mount vm.sock mnt -o fsname=x,unsafe_w",
			["x,unsafe_writes", "x,unsafe_writes,"],
		],
	])("gives bash only what stands behind =: %s", async (line, expected) => {
		expect(await complete(line)).toEqual(expected);
	});

	it("looks at what is before the cursor alone", async () => {
		const { stdout } = await run(
			"bash",
			[
				"--norc",
				"-c",
				driver,
				"bash",
				"qom-get /obnonsense io0.type",
				`${"qom-get /ob".length}`,
			],
			{ env: tools.environment() },
		);
		expect(stdout).toContain("/objects/\n");
	});

	it("offers nothing, and says nothing, where no machine answers", async () => {
		for (const socket of ["/nosuch.sock", ""])
			expect(await complete("qom-get /", { QMP_SOCKET: socket })).toEqual([]);
	});

	it("runs nothing of what stands on the line", async () => {
		const file = join(tools.directory, "ran");
		await complete(`qom-get $(touch ${file})/io0.`);
		await complete(`qom-get \`touch ${file}\``);
		expect((await run("test", ["-e", file])).status).toBe(1);
	});

	it("is registered for every launcher", async () => {
		const { stdout } = await tools.sh(
			"source <(qomfs completion bash); complete -p qomfs qom-list qom-get qom-set qom-tree qom-fuse qmp qmp-shell | grep -c _qomfs",
		);
		expect(stdout).toBe("8\n");
	});

	it("keeps the cursor where a word goes on, and moves it on where it is whole", async () => {
		const asked = async (line: string) =>
			(
				await run("bash", ["--norc", "-c", driver, "bash", line], {
					env: tools.environment(),
				})
			).stdout;
		expect(await asked("qom-list /obj")).toMatch(/^compopt -o nospace\n/);
		expect(await asked("qom-get io0.poll-m")).not.toMatch(/compopt/);
	});

	it("works at a real prompt of bash", async () => {
		const shell = spawn(
			"script",
			["-qec", "bash --norc --noprofile -i", "/dev/null"],
			{
				stdio: ["pipe", "pipe", "ignore"],
				env: tools.environment({ TERM: "dumb" }),
			},
		);
		let shown = "";
		shell.stdout.on("data", (chunk) => {
			shown += chunk;
		});
		const typed = async (text: string, wanted: string) => {
			shown = "";
			shell.stdin.write(text);
			await expect.poll(() => shown, { timeout: 30_000 }).toContain(wanted);
		};
		try {
			await typed(
				"bind 'set enable-bracketed-paste off'; echo rea''dy\n",
				"ready",
			);
			await typed("source <(qomfs completion bash); echo loa''ded\n", "loaded");
			await typed("qom-get /objects/io0.poll-m\t", "poll-max-ns ");
			await typed("\n", "32768");
			await typed(
				"qom-get /machine/unattached/device\\[0\\].lbr-\t",
				"device\\[0\\].lbr-fmt ",
			);
			await typed("\n", "18446744073709551552");
		} finally {
			const ended = once(shell, "exit");
			shell.kill("SIGKILL");
			await ended;
		}
	});

	it("loads into zsh", async ({ skip }) => {
		skip(
			(await run("zsh", ["--version"])).status !== 0,
			"zsh is not installed",
		);
		const { status, stderr } = await run(
			"zsh",
			[
				"-f",
				"-c",
				"autoload -Uz compinit; compinit -D; source <(qomfs completion zsh); whence -w _qomfs",
			],
			{ env: tools.environment() },
		);
		expect([status, stderr]).toEqual([0, ""]);
	});

	it("offers words to zsh as they are, for zsh quotes them itself", async () => {
		expect(
			await tools.output(
				"qomfs",
				...["complete", "zsh", "qom-list /machine/unattached/device\\[0"],
			),
		).toBe("/machine/unattached/device[0]/\n");
	});
});
