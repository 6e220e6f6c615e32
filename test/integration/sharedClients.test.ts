/** Clients of other people on the monitor that a mount shares, while the mount is busy. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readlink } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MonitorClient } from "../support/monitorClient.ts";
import {
	lacksMount,
	type Mounted,
	mountQomfs,
	run,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";
import { running } from "../support/tools.ts";

/** All clients together; more for a trial. */
const allCommands = Number(process.env.QOMFS_SHARED_COMMANDS ?? 5_000);
const clientCount = 50;

/** Debian's package of QEMU's own clients, in the root of the newer QEMU. */
const pythonPath = join(
	process.env.QOMFS_QEMU_ROOT ?? "/",
	"usr/lib/python3/dist-packages",
);

describe.skipIf(lacksMount)("on a shared monitor", () => {
	let vm: TestMachine;
	let mounted: Mounted;
	let shared: string;
	let sweeps: Promise<unknown>;

	beforeAll(async () => {
		vm = await startTestMachine();
		mounted = await mountQomfs(vm.socket);
		shared = await readlink(join(mounted.path, ".qomfs/qmp.sock"));
		const sweep =
			'while [ -e "$0/type" ]; do grep -r . "$0/machine/peripheral" > /dev/null 2>&1; done';
		sweeps = run("bash", ["-c", sweep, mounted.path], { timeout: 0 });
	});

	afterAll(async () => {
		await mounted?.sh('fusermount3 -uz -- "$M"');
		await sweeps;
		await mounted?.unmount();
		await vm?.stop();
	});

	/** What a client prints on QEMU's own monitor, and on ours. */
	async function onBoth(
		client: (socket: string) => Promise<string>,
	): Promise<[string, string]> {
		const plain = async (socket: string) =>
			(await client(socket)).replace(/"(micro)?seconds": \d+/g, "");
		return [await plain(vm.secondSocket), await plain(shared)];
	}

	it("socat works as on QEMU's own, with what is typed and then ends", async () => {
		const typed = [
			'{ "execute": "qmp_capabilities" }',
			'{ "execute": "query-commands", "id": "example" }',
			'{ "execute": "qom-get", "arguments": { "path": "/objects/io0", "property": "type" } }',
			'{ "execute": "system_reset" }',
			'{ "execute": "nosuch", "id": [1] }',
		].join("\n");
		const [real, ours] = await onBoth(async (socket) => {
			const { stdout, stderr } = await run("sh", [
				...["-c", `printf '%s\n' '${typed}' | socat -t5 - "UNIX:${socket}"`],
			]);
			expect(stderr).toBe("");
			return stdout;
		});
		expect(ours).toBe(real);
		expect(ours.split("\r\n")).toHaveLength(8);
	});

	it("QEMU's qmp-shell works as on QEMU's own", async ({ skip }) => {
		if (!existsSync(join(pythonPath, "qemu/qmp/qmp_shell.py")))
			skip("python3-qemu-qmp is not there");
		const [real, ours] = await onBoth(async (socket) => {
			const shell = running(
				spawn("python3", ["-m", "qemu.qmp.qmp_shell", socket], {
					env: { ...process.env, PYTHONPATH: pythonPath },
				}),
			);
			shell.process.stdin?.end(
				[
					"query-status",
					"qom-get path=/objects/io0 property=type",
					"qom-set path=/objects/io0 property=poll-max-ns value=4096",
					"nosuch",
					"human-monitor-command command-line='info name'",
					"",
				].join("\n"),
			);
			expect(await shell.ended).toBe(0);
			return shell.lines().join("\n");
		});
		expect(ours).toBe(real);
		expect(ours).toContain('{"return": "iothread"}');
	});

	const get = (name: string, id: string) =>
		`{"execute":"qom-get","arguments":{"path":"/objects/io0","property":"${name}"},"id":${id}}`;

	it("no reply goes to another client, whatever ids they choose", async () => {
		const each = Math.ceil(allCommands / clientCount);
		const ids = ["0", "1", '"1"', "null", "[0]"];
		let answered = 0;
		const talk = async (number: number) => {
			const client = await MonitorClient.negotiated(shared);
			for (let first = 0; first < each; first += 100) {
				const asked = Array.from({ length: Math.min(100, each - first) }).map(
					(_none, index) => ({
						name: `c${number}-${first + index}`,
						id: ids[(number + index) % ids.length] ?? "",
					}),
				);
				client.lines.length = 0;
				client.send(asked.map(({ name, id }) => get(name, id)).join(""));
				await client.seen(asked.length);
				// The refusal names what was asked for.
				const wrong = asked.filter(
					({ name, id }, index) =>
						!client.lines[index]?.startsWith(`{"id": ${id}, "error": `) ||
						!client.lines[index]?.includes(`.${name}'`),
				);
				expect(wrong).toEqual([]);
				answered += asked.length;
			}
			client.close();
		};
		await Promise.all(
			Array.from({ length: clientCount }, (_none, number) => talk(number)),
		);
		expect(answered).toBe(each * clientCount);
	});

	it("one may send ten thousand commands at once", async () => {
		const client = await MonitorClient.negotiated(shared);
		const count = 10_000;
		client.send(
			Array.from({ length: count }, (_none, index) =>
				get("type", `${index}`),
			).join(""),
		);
		await client.seen(2 + count);
		expect(client.lines.slice(2)).toEqual(
			Array.from(
				{ length: count },
				(_none, index) => `{"return": "iothread", "id": ${index}}`,
			),
		);
		client.close();
	});
});
