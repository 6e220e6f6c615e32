/**
 * A QEMU >= 11 for the tests and the benchmark. On Debian, as root, that of a newer Debian
 * in a cache folder outside the source tree, made once; elsewhere the one that QOMFS_QEMU names.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { debianRoot, install } from "./debianRoot.ts";
import { defaultQemu, type Qemu, qemuIn } from "./virtualMachine.ts";

const oldestMajor = 11;

/** The QEMU, or why there is none. */
export function findQemuNext(): Qemu | string {
	if (process.env.QOMFS_QEMU) return checked(defaultQemu);
	try {
		const packages = ["qemu-system-x86"];
		return checked(qemuIn(debianRoot("debian-testing", "testing", packages)));
	} catch (error) {
		return `${(error as Error).message}; name a QEMU with QOMFS_QEMU`;
	}
}

/**
 * Adds to a root what some tests need beside QEMU, if it is not there yet: machines of other
 * architectures, and QEMU's own clients. Without them those tests are skipped.
 */
export function installExtras(root: string): void {
	const extras = [
		["qemu-system-arm", "usr/bin/qemu-system-aarch64"],
		["qemu-system-riscv", "usr/bin/qemu-system-riscv64"],
		["python3-qemu-qmp", "usr/lib/python3/dist-packages/qemu/qmp"],
	] as const;
	for (const [name, file] of extras)
		if (!existsSync(join(root, file))) installInto(root, name);
}

function installInto(root: string, name: string): void {
	spawnSync("chroot", [root, "apt-get", ...install, name], {
		stdio: ["ignore", "ignore", "ignore"],
		env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
	});
}

function checked(qemu: Qemu): Qemu | string {
	const [program, ...prefix] = qemu.command;
	const { stdout } = spawnSync(program, [...prefix, "--version"], {
		encoding: "utf8",
	});
	const major = Number(/version (\d+)\./.exec(stdout ?? "")?.[1]);
	return major >= oldestMajor
		? qemu
		: `${qemu.command.join(" ")} is not QEMU ${oldestMajor} or newer`;
}
