/** Real virtual machines for the demo, the tests and the benchmark. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export interface VirtualMachine {
	/** Path of its QMP socket. */
	readonly socket: string;
	/** A second monitor, for whoever checks what the first one's client does. */
	readonly secondSocket: string;
	readonly pid: number;
	readonly process: ChildProcess;
	/** Ends it and removes its sockets. */
	stop(): Promise<void>;
}

/** A QEMU to run, perhaps in a root of its own. */
export interface Qemu {
	readonly command: readonly [string, ...string[]];
	/** Where its file system begins, `""` for that of everybody. */
	readonly root: string;
}

/** A QEMU inside a chroot, whose sockets have to lie in it as well. */
export function qemuIn(root: string): Qemu {
	return { command: ["chroot", root, "qemu-system-x86_64"], root };
}

/** The one that the environment names, else the system's. */
export const defaultQemu: Qemu = process.env.QOMFS_QEMU_ROOT
	? qemuIn(process.env.QOMFS_QEMU_ROOT)
	: { command: [process.env.QOMFS_QEMU ?? "qemu-system-x86_64"], root: "" };

/** Another program beside the default QEMU, if it is there. */
export function otherProgram(name: string): Qemu | undefined {
	const { root } = defaultQemu;
	if (!existsSync(join(root, "/usr/bin", name))) return undefined;
	return { command: root ? ["chroot", root, name] : [name], root };
}

/** A new directory for a machine's sockets, where its QEMU can reach it. */
export function machineDirectory(qemu: Qemu = defaultQemu): Promise<string> {
	return mkdtemp(join(qemu.root, tmpdir(), "qomfs-vm-"));
}

/** A small machine with something of everything, and no disk image. */
export const smallMachine: readonly string[] = [
	...["-M", "q35", "-m", "128", "-smp", "2"],
	...["-object", "iothread,id=io0"],
	...["-object", "throttle-group,id=tg0"],
	...["-object", "secret,id=sec0,data=hello"],
	...["-object", "memory-backend-ram,id=mem0,size=16M"],
	...["-object", "authz-list,id=authz0,policy=deny"],
	...["-device", "virtio-rng-pci,id=rng0"],
	...["-device", "virtio-balloon-pci,id=bal0"],
	...["-netdev", "user,id=nd0", "-device", "virtio-net-pci,id=net0,netdev=nd0"],
	...["-blockdev", "null-co,node-name=d0"],
	...["-device", "virtio-blk-pci,id=blk0,drive=d0,serial=SER1,iothread=io0"],
	...["-device", "virtio-serial-pci,id=ser0"],
	...["-device", "qemu-xhci,id=xhci", "-device", "usb-kbd,id=kbd,bus=xhci.0"],
	...["-device", "pcie-root-port,id=rp0,chassis=1"],
];

/** About 380 objects: what a server with a few devices has. */
export const typicalMachine: readonly string[] = [
	...smallMachine,
	...["-device", "usb-tablet,id=tablet,bus=xhci.0"],
	...["-device", "virtio-rng-pci,id=rng1,bus=rp0"],
];

/** A machine of another architecture, with no firmware: about 620 objects. */
export const armMachine: readonly string[] = [
	...["-M", "virt", "-cpu", "cortex-a57", "-m", "128", "-smp", "2"],
	...["-object", "iothread,id=io0", "-object", "secret,id=sec0,data=hello"],
	...["-device", "virtio-rng-pci,id=rng0"],
	...["-netdev", "user,id=nd0", "-device", "virtio-net-pci,id=net0,netdev=nd0"],
];

/** About 2,500 objects and 55,000 properties. */
export const bigMachine: readonly string[] = [
	...["-M", "q35", "-m", "512", "-smp", "64"],
	...numbers(64).flatMap((n) => [
		"-device",
		`pcie-root-port,id=rp${n},chassis=${n + 1},bus=pcie.0,addr=${(n >> 3) + 2}.${n & 7}${(n & 7) === 0 ? ",multifunction=on" : ""}`,
	]),
	...numbers(32).flatMap((n) => [
		...["-netdev", `user,id=nd${n}`],
		...["-device", `virtio-net-pci,id=net${n},netdev=nd${n},bus=rp${n}`],
		...["-blockdev", `null-co,node-name=d${n}`],
		...["-device", `virtio-blk-pci,id=blk${n},drive=d${n},bus=rp${n + 32}`],
	]),
];

function numbers(count: number): number[] {
	return Array.from({ length: count }, (_none, index) => index);
}

/**
 * Starts QEMU in software emulation and waits until its monitors answer.
 * It gets a process group of its own, so that Ctrl-C is ours to handle.
 *
 * @throws Error with QEMU's own message when it does not come up
 */
export async function startVirtualMachine(
	directory: string,
	args: readonly string[] = smallMachine,
	{ command: [program, ...prefix], root }: Qemu = defaultQemu,
): Promise<VirtualMachine> {
	const socket = join(directory, "vm.sock");
	const secondSocket = join(directory, "vm-2.sock");
	const monitor = (path: string, wait: "on" | "off") => [
		"-qmp",
		`unix:${path.slice(root.length)},server=on,wait=${wait}`,
	];
	const child = spawn(
		program,
		[
			...prefix,
			...["-accel", "tcg", "-display", "none", "-nodefaults"],
			...monitor(socket, "off"),
			...monitor(secondSocket, "on"),
			...args,
		],
		{ detached: true, stdio: ["ignore", "ignore", "pipe"] },
	);
	let said = "";
	child.stderr.on("data", (chunk) => {
		said += chunk;
	});
	const exited = new Promise<void>((resolve) => {
		child.once("exit", () => resolve());
		child.once("error", (error) => {
			said += error.message;
			resolve();
		});
	});
	const ended = exited.then(() => "ended" as const);
	while ((await Promise.race([ended, answers(secondSocket)])) !== true) {
		if (child.exitCode !== null || child.signalCode || !child.pid) {
			await exited;
			const reason = said.replace(/^.* info: QEMU waiting .*\n/m, "").trim();
			throw new Error(
				`${program} did not start: ${reason || child.signalCode}`,
			);
		}
		await sleep(20);
	}
	return {
		socket,
		secondSocket,
		pid: child.pid as number,
		process: child,
		async stop() {
			child.kill("SIGCONT");
			child.kill("SIGTERM");
			const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
			await exited;
			clearTimeout(timer);
			await Promise.all([
				rm(socket, { force: true }),
				rm(secondSocket, { force: true }),
			]);
		},
	};
}

/**
 * QEMU creates the monitors in order, and goes on when the second one has a client. That one is
 * greeted before the devices are there, but its command is answered only after them.
 * (A client that comes to a monitor without `wait=on` so early may never be greeted, or end
 * QEMU 7.2 by SIGSEGV when it leaves.)
 */
async function answers(path: string): Promise<boolean> {
	if (!existsSync(path)) return false;
	return new Promise((resolve) => {
		const socket = connect(path);
		let said = "";
		socket.on("data", (chunk) => {
			if (said === "") socket.write('{"execute":"qmp_capabilities"}');
			said += chunk;
			if (!said.includes('"return"')) return;
			socket.destroy();
			resolve(true);
		});
		socket.once("error", () => resolve(false));
		socket.once("close", () => resolve(false));
	});
}
