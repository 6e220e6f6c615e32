/**
 * A QEMU >= 11 for the tests and the benchmark. On Debian, as root, that of a newer Debian
 * in a cache folder outside the source tree, made once; elsewhere the one that QOMFS_QEMU names.
 */
import { spawnSync } from "node:child_process";
import {
	existsSync,
	mkdirSync,
	readFileSync,
	renameSync,
	rmSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { defaultQemu, type Qemu, qemuIn } from "./virtualMachine.ts";

const oldestMajor = 11;

/** The QEMU, or why there is none. */
export function findQemuNext(): Qemu | string {
	if (process.env.QOMFS_QEMU) return checked(defaultQemu);
	const root = join(
		process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"),
		"qomfs/debian-testing",
	);
	if (!existsSync(root)) {
		const failure = build(root);
		if (failure !== undefined) return failure;
	}
	return checked(qemuIn(root));
}

/** @returns what went wrong */
function build(root: string): string | undefined {
	if (process.getuid?.() !== 0)
		return "only root can make a newer Debian's root";
	const mirror = debianMirror();
	if (mirror === undefined)
		return "this is no Debian; name a QEMU with QOMFS_QEMU";
	console.log(
		`making a newer Debian with its QEMU in ${root}; a few minutes, once`,
	);
	const unfinished = `${root}.new`;
	rmSync(unfinished, { recursive: true, force: true });
	mkdirSync(unfinished, { recursive: true });
	const install = ["install", "-y", "-qq", "--no-install-recommends"];
	const steps: [string, ...string[]][] = [
		["apt-get", ...install, "debootstrap"],
		[
			"debootstrap",
			"--variant=minbase",
			...["testing", unfinished, mirror],
			// Older debootstraps do not know every suite, but all are made alike.
			"/usr/share/debootstrap/scripts/sid",
		],
		["chroot", unfinished, "apt-get", ...install, "qemu-system-x86"],
	];
	for (const [program, ...args] of steps) {
		const { status, error } = spawnSync(program, args, {
			stdio: ["ignore", "ignore", "pipe"],
			env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
		});
		if (status !== 0)
			return `'${program} ${args.join(" ")}' failed${error ? `: ${error.message}` : ""}`;
	}
	renameSync(unfinished, root);
	return undefined;
}

/** Adds the ARM machines to a root, if they are not there yet; without them their tests are skipped. */
export function installArm(root: string): void {
	if (existsSync(join(root, "usr/bin/qemu-system-aarch64"))) return;
	const install = ["install", "-y", "-qq", "--no-install-recommends"];
	spawnSync("chroot", [root, "apt-get", ...install, "qemu-system-arm"], {
		stdio: ["ignore", "ignore", "ignore"],
		env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
	});
}

/** Where this machine's own packages come from. */
function debianMirror(): string | undefined {
	if (!/^ID=debian$/m.test(readFileSync("/etc/os-release", "utf8")))
		return undefined;
	const { stdout } = spawnSync(
		"apt-get",
		["indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)"],
		{ encoding: "utf8" },
	);
	const line = stdout
		.split("\n")
		.find((line) => line.startsWith("Debian Debian "));
	return line?.split(" ")[2];
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
