/** A mount as a service of systemd. */
import { execFileSync, spawn } from "node:child_process";
import {
	cp,
	mkdir,
	mkdtemp,
	readdir,
	readFile,
	rm,
	writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
	lacksMount,
	qomfsBin,
	run,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";
import { running } from "../support/tools.ts";

const units = new URL("../../contrib/systemd/", import.meta.url).pathname;
const listener = new URL("../fixtures/notified.py", import.meta.url).pathname;

let directory: string;

beforeAll(async () => {
	directory = await mkdtemp(join(tmpdir(), "qomfs-service-"));
});

afterAll(() => rm(directory, { recursive: true }));

describe.skipIf(lacksMount)("a service", () => {
	let vm: TestMachine;

	beforeAll(async () => {
		vm = await startTestMachine();
	});

	afterAll(() => vm?.stop());

	it.each([
		["a path", () => join(directory, "notify")],
		["an abstract name", () => `@${directory}/notify`],
	])("tells systemd how it is, on a socket with %s", async (_name, path) => {
		const mountpoint = join(directory, "vm");
		await mkdir(mountpoint, { recursive: true });
		const socket = path();
		const service = running(
			spawn(
				"python3",
				[
					...[listener, socket],
					...[process.execPath, qomfsBin, "-f", vm.socket, mountpoint],
				],
				{
					env: {
						...process.env,
						...{ NOTIFY_SOCKET: socket, WATCHDOG_USEC: "400000" },
					},
				},
			),
		);
		const told = () => service.lines().map((line) => JSON.parse(line));
		const texts = (pattern: RegExp) =>
			told().filter(({ text }) => pattern.test(text ?? ""));
		const seen = (pattern: RegExp, count = 1) =>
			expect
				.poll(() => texts(pattern).length, { timeout: 20_000 })
				.toBeGreaterThanOrEqual(count);
		await seen(/^READY=1\nSTATUS=pc-q35\S* of QEMU \S+: connected$/);
		await seen(/^WATCHDOG=1$/, 3);
		const [{ pid }] = told();
		expect(texts(/./).every((message) => message.from === pid)).toBe(true);
		vm.process.kill("SIGSTOP");
		const reading = run("cat", [join(mountpoint, "objects/io0/type")]);
		await seen(/^STATUS=.*: hung$/);
		vm.process.kill("SIGCONT");
		expect((await reading).status).toBe(0);
		await seen(/^STATUS=.*: connected$/);
		process.kill(pid, "SIGTERM");
		await seen(/^STOPPING=1$/);
		await service.ended;
		expect(told().at(-1)).toEqual({ status: 0 });
		await rm(socket, { force: true });
	});
});

const hasVerify = isProgram("systemd-analyze");

function isProgram(name: string): boolean {
	try {
		execFileSync(name, ["--version"]);
		return true;
	} catch {
		return false;
	}
}

it.skipIf(!hasVerify).each(["system", "user"])(
	"systemd finds nothing wrong with the %s units",
	async (kind) => {
		const copy = join(directory, kind);
		await cp(join(units, kind), copy, { recursive: true });
		const names = await readdir(copy);
		expect(names.sort()).toEqual(["qomfs@.path", "qomfs@.service"]);
		for (const name of names) {
			const text = await readFile(join(copy, name), "utf8");
			// Where this machine has it; installed, systemd finds it by its name.
			await writeFile(
				join(copy, name),
				text.replace("ExecStart=qomfs", `ExecStart=${qomfsBin}`),
			);
		}
		const { status, stdout, stderr } = await run(
			"systemd-analyze",
			[
				...[`--${kind}`, "--man=no", "verify"],
				...names.map((name) => join(copy, name.replace("@", "@run-vm.sock"))),
			],
			{ env: { ...process.env, XDG_RUNTIME_DIR: directory } },
		);
		expect({ status, stdout, stderr }).toEqual({
			...{ status: 0, stdout: "", stderr: "" },
		});
	},
);
