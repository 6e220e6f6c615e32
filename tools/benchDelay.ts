/**
 * `npm run bench:delay`: what a network between qomfs and the typical machine costs. Counts are of QMP commands, and
 * of the round trips that come one after the other; times are of whole programs, once each.
 *
 *   --delays=A,B   of the network there and back, in ms (0,5,50)
 *   --only=TEXT    only workloads whose name contains it
 *   --qemu=TEXT    only QEMUs whose version begins with it
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs, promisify } from "node:util";
import { parseAddress } from "../src/qmp/address.ts";
import { formatVersion } from "../src/qmp/messages.ts";
import { connectSession } from "../src/qmp/openSession.ts";
import { wayTo } from "../src/qmp/way.ts";
import { DelayingProxy } from "./bench/delayingProxy.ts";
import { findQemuNext } from "./qemuNext.ts";
import {
	defaultQemu,
	machineDirectory,
	type Qemu,
	startVirtualMachine,
	typicalMachine,
} from "./virtualMachine.ts";

const run = promisify(execFile);
const qomfs = new URL("../bin/qomfs.js", import.meta.url).pathname;

/** Lines of shell: `qomfs` runs it, `$M` is the mount and `$S` the monitor. */
const onMount = {
	"cat PROPERTY": 'cat "$M/machine/graphics"',
	find: 'find "$M"',
	"grep -r": 'grep -r . "$M"',
};
const mountLine =
	'qomfs "$S" "$M" -o own_monitor=no 2>&1 && test -e "$M/.qomfs/status"';
const snapshotLine = 'qomfs snapshot "$S"';

const { values: flags } = parseArgs({
	options: {
		delays: { type: "string", default: "0,5,50" },
		only: { type: "string", default: "" },
		qemu: { type: "string", default: "" },
	},
});
const delaysMs = flags.delays.split(",").map(Number);

async function measure(qemu: Qemu): Promise<void> {
	const directory = await machineDirectory(qemu);
	const place = await mkdtemp(join(tmpdir(), "qomfs-bench-"));
	const [mountpoint, socket] = [join(place, "vm"), join(place, "vm.sock")];
	await mkdir(mountpoint);
	const vm = await startVirtualMachine(
		directory,
		[...typicalMachine, "-S"],
		qemu,
	);
	const unmount = () => run("fusermount3", ["-u", mountpoint]);
	tearDown = async () => {
		await unmount().catch(() => {}); // not mounted at this moment
		await vm.stop();
		for (const each of [directory, place])
			await rm(each, { recursive: true, force: true });
	};
	try {
		const session = await connectSession(wayTo(parseAddress(vm.secondSocket)));
		const version = formatVersion(session.greeting.version);
		await session.close();
		if (!version.startsWith(flags.qemu)) return;
		await using proxy = await DelayingProxy.listen(socket, vm.socket);
		const show = async (name: string, line: string) => {
			const startMs = performance.now();
			const { commands, roundTrips } = await proxy.during(() =>
				shell(line, mountpoint, socket),
			);
			const seconds = (performance.now() - startMs) / 1000;
			console.log(
				`| ${[version, proxy.roundTripMs, name, commands, roundTrips, seconds.toFixed(2)].join(" | ")} |`,
			);
		};
		for (const delayMs of delaysMs) {
			proxy.roundTripMs = delayMs;
			if ("snapshot".includes(flags.only)) await show("snapshot", snapshotLine);
			await show("mount", mountLine);
			for (const [name, line] of Object.entries(onMount))
				if (name.includes(flags.only)) await show(name, line);
			await unmount();
			// The monitor takes the next client when the daemon has gone.
			while (proxy.clients > 0) await sleep(5);
		}
	} finally {
		await tearDown();
	}
}

/** Undoes what is set up at the moment. */
let tearDown = async (): Promise<void> => {};

async function shell(line: string, mountpoint: string, socket: string) {
	const script = `qomfs() { "${process.execPath}" "${qomfs}" "$@"; }; ${line}`;
	const child = spawn("sh", ["-c", script], {
		stdio: ["ignore", "ignore", "pipe"],
		env: { ...process.env, M: mountpoint, S: socket },
	});
	const said = text(child.stderr);
	const [status] = await once(child, "exit");
	// Not all properties can be read, and grep says so.
	if (status !== 0 && !line.startsWith("grep"))
		throw new Error(`${line}: ${await said}`);
}

// Ctrl-C too leaves nothing mounted or running.
for (const signal of ["SIGINT", "SIGTERM"] as const)
	process.once(signal, async () => {
		await tearDown();
		process.exit(1);
	});

console.log(
	"| QEMU | delay ms | workload | commands | round trips | s |\n|---|---|---|---|---|---|",
);
const next = findQemuNext();
if (typeof next === "string") console.error(`without a newer QEMU: ${next}`);
for (const qemu of [defaultQemu, ...(typeof next === "string" ? [] : [next])])
	await measure(qemu);
