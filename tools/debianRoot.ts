/** Debians in folders of their own, made once and kept in the user's cache folder. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

/** For apt-get: without questions, and nothing but what is asked for. */
export const install: readonly string[] = [
	...["install", "-y", "-qq", "--no-install-recommends"],
];

/**
 * The root of a minimal Debian with some packages. The first time that takes minutes.
 *
 * @param name of its folder in the cache
 * @param suite `bookworm`, `testing` and the like
 * @throws Error why there can be none
 */
export function debianRoot(
	name: string,
	suite: string,
	packages: readonly string[] = [],
): string {
	const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
	const root = join(cache, "qomfs", name);
	if (existsSync(root)) return root;
	if (process.getuid?.() !== 0) throw new Error("only root can make a Debian");
	const mirror = debianMirror();
	console.log(`making a Debian ${suite} in ${root}; a few minutes, once`);
	// Two runs at the same time make one each; the first to be finished stays.
	const unfinished = `${root}.${process.pid}`;
	mkdirSync(dirname(root), { recursive: true });
	try {
		if (spawnSync("debootstrap", ["--version"]).status !== 0) {
			run("apt-get", "-qq", "update");
			run("apt-get", ...install, "debootstrap");
		}
		// Older debootstraps do not know every suite, but all are made alike.
		const script = "/usr/share/debootstrap/scripts/sid";
		run(
			...["debootstrap", "--variant=minbase", suite, unfinished],
			...[mirror, script],
		);
		if (packages.length > 0)
			run("chroot", unfinished, "apt-get", ...install, ...packages);
		if (!existsSync(root)) renameSync(unfinished, root);
	} finally {
		removeTree(unfinished);
	}
	return root;
}

/**
 * Runs a program quietly.
 *
 * @throws Error it fails; the message ends with what it said last
 */
export function run(...[program, ...args]: string[]): void {
	const { status, stdout, stderr, error } = spawnSync(program ?? "", args, {
		encoding: "utf8",
		stdio: ["ignore", "pipe", "pipe"],
		maxBuffer: 2 ** 28,
		env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" },
	});
	if (status === 0) return;
	const said = error?.message ?? (stderr.trim() || stdout.trim());
	throw new Error(
		`'${[program, ...args].join(" ")}' failed: ${said.split("\n").at(-1)}`,
	);
}

/** Removes a folder with all in it, but nothing that is mounted there. */
export function removeTree(folder: string): void {
	const { status } = spawnSync("rm", ["-rf", "--one-file-system", folder], {
		stdio: "inherit",
	});
	if (status !== 0) throw new Error(`${folder} could not be removed`);
}

/** The release of this machine, as `bookworm`. @throws Error it is no Debian */
export function ownSuite(): string {
	const release = readFileSync("/etc/os-release", "utf8");
	const suite = /^VERSION_CODENAME=(\w+)$/m.exec(release)?.[1];
	if (!isDebian(release) || suite === undefined) throw new Error(noDebian);
	return suite;
}

const noDebian = "this machine is no Debian";

function isDebian(release: string): boolean {
	return /^ID=debian$/m.test(release);
}

/** Where this machine's own packages come from. @throws Error it is no Debian */
function debianMirror(): string {
	if (!isDebian(readFileSync("/etc/os-release", "utf8")))
		throw new Error(noDebian);
	const { stdout } = spawnSync(
		"apt-get",
		["indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)"],
		{ encoding: "utf8" },
	);
	const line = stdout
		.split("\n")
		.find((line) => line.startsWith("Debian Debian "));
	const mirror = line?.split(" ")[2];
	if (mirror === undefined)
		throw new Error("apt-get knows no mirror; first run 'apt-get update'");
	return mirror;
}
