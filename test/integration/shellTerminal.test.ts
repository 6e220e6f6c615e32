/** `qmp-shell` on a terminal: typing, TAB, history, Ctrl-C, events, and a QEMU that goes and comes. */
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
	afterAll,
	afterEach,
	beforeAll,
	beforeEach,
	describe,
	expect,
	it,
} from "vitest";
import {
	machineDirectory,
	startVirtualMachine,
	type VirtualMachine,
} from "../../tools/virtualMachine.ts";
import { lacksQemu } from "../support/mounted.ts";
import { RawQmp } from "../support/rawQmp.ts";
import { keys, lacksTerminal, Terminal } from "../support/terminal.ts";

const shellBin = new URL("../../bin/qmp-shell.js", import.meta.url).pathname;

/** Boots at once, and has objects to complete. */
const tinyMachine = [
	...["-M", "none", "-S"],
	...["-object", "iothread,id=io0", "-object", "iothread,id=io1"],
];

const prompt = "(QEMU) ";

describe.skipIf(lacksQemu)("qmp-shell on a terminal", () => {
	let directory: string;
	let vm: VirtualMachine;
	let other: RawQmp;
	let home: string;
	let terminal: Terminal;

	async function boot(): Promise<void> {
		vm = await startVirtualMachine(directory, tinyMachine);
		other = await RawQmp.connect(vm.secondSocket);
	}

	beforeAll(async () => {
		directory = await machineDirectory();
		home = await mkdtemp(join(tmpdir(), "qomfs-home-"));
		await boot();
	});

	beforeEach(({ skip }) =>
		skip(lacksTerminal, "util-linux's script does not make a terminal here"),
	);

	afterEach(() => terminal?.kill());

	afterAll(async () => {
		other?.close();
		await vm?.stop();
		for (const path of [directory, home])
			if (path) await rm(path, { recursive: true, force: true });
	});

	/** Starts a shell and waits for its first prompt. */
	async function open(
		args: readonly string[] = [],
		env: NodeJS.ProcessEnv = {},
		columns?: number,
	): Promise<Terminal> {
		terminal = new Terminal(
			[process.execPath, shellBin, ...args, vm.socket],
			{ HOME: home, ...env },
			columns,
		);
		await terminal.shows(prompt);
		return terminal;
	}

	it("welcomes, runs what is typed, and ends at Ctrl-D", async () => {
		await open();
		expect(terminal.seen).toMatch(
			/^Welcome to the QMP low-level shell!\r\nConnected to QEMU \d+\.\d+\.\d+\r\n\r\n/,
		);
		terminal.type(`query-name${keys.enter}`);
		await terminal.shows('\r\n{"return": {}}\r\n');
		await terminal.shows(prompt);
		terminal.type(keys.ctrlD);
		expect(await terminal.ended).toBe(0);
	});

	it("ends at exit", async () => {
		await open();
		terminal.type(`exit${keys.enter}`);
		expect(await terminal.ended).toBe(0);
	});

	it("completes commands, arguments, values and paths", async () => {
		await open();
		terminal.type("qom-ge");
		await terminal.shows("qom-ge");
		terminal.type(keys.tab);
		await terminal.shows("t ");
		terminal.type("pa");
		await terminal.shows("pa");
		terminal.type(keys.tab);
		await terminal.shows("th=");
		terminal.type("/obj");
		await terminal.shows("/obj");
		terminal.type(keys.tab);
		await terminal.shows("ects");
		terminal.type("/i");
		await terminal.shows("/i");
		terminal.type(keys.tab);
		await terminal.shows("o");
		terminal.type(keys.tab); // two of them: it shows both
		await terminal.shows(/\/objects\/io0 +\/objects\/io1/);
		terminal.type("1 prop");
		await terminal.shows("prop");
		terminal.type(keys.tab);
		await terminal.shows("erty=");
		terminal.type("poll-max");
		await terminal.shows("poll-max");
		terminal.type(keys.tab);
		await terminal.shows("-ns ");
		terminal.type(keys.enter);
		await terminal.shows('{"return": 32768}');
		await terminal.shows(prompt);
		terminal.type("object-add qom-type=ioth");
		await terminal.shows("ioth");
		terminal.type(keys.tab);
		await terminal.shows("read ");
	});

	it("remembers lines, also for the next session, and no secrets", async () => {
		const up = async (line: string) => {
			terminal.type(keys.up);
			await terminal.shows(line);
		};
		await open();
		terminal.type(`query-kvm${keys.enter}`);
		await terminal.shows("enabled");
		await terminal.shows(prompt);
		terminal.type(`object-add qom-type=secret id=s0 data=hunter2${keys.enter}`);
		await terminal.shows("return");
		await terminal.shows(prompt);
		await up("hunter2"); // still there for correcting it now
		await up("query-kvm");
		terminal.type(keys.enter);
		await terminal.shows("enabled");
		await terminal.shows(prompt);
		terminal.type(keys.ctrlD);
		await terminal.ended;
		const path = join(home, ".qmp-shell_history");
		expect(await readFile(path, "utf8")).toMatch(/query-kvm\n$/);
		expect(await readFile(path, "utf8")).not.toContain("hunter2");
		expect((await stat(path)).mode & 0o777).toBe(0o600);
		await open();
		await up("query-kvm");
	});

	it("takes JSON over several lines, and keeps it as one, unless it has a secret", async () => {
		await open();
		for (const [lines, answer] of [
			[['{"execute":', '"query-kvm"}'], "enabled"],
			[
				[
					'{"execute": "object-add", "arguments":',
					'{"qom-type": "secret", "id": "s9",',
					'"data": "hunter2"}}',
				],
				'{"return": {}}',
			],
		] as const) {
			for (const line of lines.slice(0, -1)) {
				terminal.type(`${line}${keys.enter}`);
				await terminal.shows("... ");
			}
			terminal.type(`${lines.at(-1)}${keys.enter}`);
			await terminal.shows(answer);
			await terminal.shows(prompt);
		}
		terminal.type(`{"execute":${keys.enter}`);
		await terminal.shows("... ");
		terminal.type(keys.ctrlC);
		await terminal.shows("What was begun is discarded.");
		terminal.type(keys.ctrlD);
		await terminal.ended;
		const kept = await readFile(join(home, ".qmp-shell_history"), "utf8");
		expect(kept).toMatch(/\n\{"execute": "query-kvm"\}\n$/);
		expect(kept).not.toContain("hunter2");
	});

	it("helps: with all commands, and with one", async () => {
		await open();
		terminal.type(`help${keys.enter}`);
		await terminal.shows("query-status");
		await terminal.shows("what a command takes");
		terminal.type(`help device_add driver=virtio-rng-pci${keys.enter}`);
		await terminal.shows("Properties of virtio-rng-pci:");
		await terminal.shows("max-bytes");
		terminal.type(`query-status --help${keys.enter}`);
		await terminal.shows("It takes no arguments.");
		terminal.type(`help nosuch${keys.enter}`);
		await terminal.shows("nosuch");
	});

	it("clears the line at Ctrl-C, and on an empty one tells how to leave", async () => {
		await open();
		terminal.type("nonsense");
		await terminal.shows("nonsense");
		terminal.type(keys.ctrlC);
		await terminal.shows(prompt);
		terminal.type(`query-name${keys.enter}`);
		await terminal.shows('{"return": {}}');
		await terminal.shows(prompt);
		terminal.type(keys.ctrlC);
		await terminal.shows("Ctrl-D or 'exit' leaves the shell.");
		await terminal.shows(prompt);
	});

	it("builds a transaction line by line, which Ctrl-C gives up", async () => {
		await open();
		terminal.type(`transaction(${keys.enter}`);
		await terminal.shows("TRANS> ");
		terminal.type(`abort${keys.enter}`);
		await terminal.shows("TRANS> ");
		terminal.type(`)${keys.enter}`);
		await terminal.shows('{"error": ');
		await terminal.shows(prompt);
		terminal.type(`transaction(${keys.enter}`);
		await terminal.shows("TRANS> ");
		terminal.type(keys.ctrlC);
		await terminal.shows("What was begun is discarded.");
		await terminal.shows(prompt);
	});

	it.each([
		["short", 200],
		["longer than the terminal is wide", 30],
	])(
		"shows an event at once, and keeps a line that is %s",
		async (_what, columns) => {
			await open([], {}, columns);
			const typed = "qom-list path=/objects/io0/nosuch";
			terminal.type(typed);
			await terminal.shows("nosuch");
			await other.execute("cont");
			await terminal.shows('"event": "RESUME"');
			await terminal.shows(`${prompt}${typed.slice(0, 20)}`);
			terminal.type(`x${keys.enter}`);
			await terminal.shows("Device '/objects/io0/nosuchx' not found");
			await other.execute("stop");
		},
	);

	it("colours errors and events, unless NO_COLOR is set", async () => {
		const line = `nosuch${keys.enter}`;
		await open();
		terminal.type(line);
		await terminal.shows('\x1b[31m{"error": ');
		await terminal.kill();
		await open([], { NO_COLOR: "1" });
		terminal.type(line);
		await terminal.shows('\r\n{"error": ');
	});

	it("speaks the human monitor's language with -H, and completes it", async () => {
		await open(["-H"]);
		expect(terminal.seen).toMatch(/^Welcome to the HMP shell!\r\n/);
		terminal.type("info vers");
		await terminal.shows("info vers");
		terminal.type(keys.tab);
		await terminal.shows("ion ");
		terminal.type(keys.enter);
		await terminal.shows(/\r\n\d+\.\d+\.\d+/);
		await terminal.shows(prompt);
	});

	it("says that QEMU has gone, keeps what is typed, and connects again", async () => {
		await open();
		terminal.type("query-na");
		await terminal.shows("query-na");
		other.close();
		vm.process.kill("SIGKILL");
		await terminal.shows("connecting again");
		await terminal.shows(`${prompt}query-na`);
		await vm.stop();
		await boot();
		await terminal.shows(/Connected to QEMU [\d.]+ again/);
		await terminal.shows(`${prompt}query-na`);
		terminal.type(`me${keys.enter}`);
		await terminal.shows('{"return": {}}');
		await terminal.shows(prompt);
	});

	it("says what it could not send while QEMU is away", async () => {
		await open();
		other.close();
		vm.process.kill("SIGKILL");
		await terminal.shows("connecting again");
		terminal.type(`query-name${keys.enter}`);
		await terminal.shows("query-name: not sent, because QEMU is not connected");
		await terminal.shows(prompt);
		await vm.stop();
		await boot();
		await terminal.shows(/Connected to QEMU [\d.]+ again/);
		terminal.type(`query-name${keys.enter}`);
		await terminal.shows('{"return": {}}');
	});

	it("ends cleanly at SIGTERM", async () => {
		await open();
		terminal.type(keys.ctrlC);
		await terminal.shows("leaves the shell");
		terminal.signal("SIGTERM");
		expect(await terminal.ended).toBe(0);
	});

	it("stops waiting for an answer at Ctrl-C", async () => {
		await open();
		vm.process.kill("SIGSTOP");
		try {
			terminal.type(`query-name${keys.enter}`);
			await terminal.shows(/query-name\r+\n/);
			terminal.type(keys.ctrlC);
			await terminal.shows("Not waiting any longer");
			await terminal.shows(prompt);
		} finally {
			vm.process.kill("SIGCONT");
		}
		terminal.type(`query-kvm${keys.enter}`);
		await terminal.shows('{"return": {"enabled"');
	});

	it("takes keys again where QEMU does not answer a TAB", async () => {
		await open();
		// By now it has the schema: only the path needs an answer.
		terminal.type(`query-name${keys.enter}`);
		await terminal.shows('{"return": {}}');
		await terminal.shows(prompt);
		vm.process.kill("SIGSTOP");
		try {
			terminal.type("qom-get path=/obj");
			await terminal.shows("/obj");
			terminal.type(keys.tab);
			terminal.type(keys.ctrlC);
			await terminal.shows(prompt);
		} finally {
			vm.process.kill("SIGCONT");
		}
		terminal.type(`query-name${keys.enter}`);
		await terminal.shows('{"return": {}}');
	});

	it("ends with QEMU at quit", async () => {
		await open();
		terminal.type(`quit${keys.enter}`);
		await terminal.shows('{"return": {}}');
		expect(await terminal.ended).toBe(0);
		expect(terminal.seen).not.toContain("connecting again");
	});
});
