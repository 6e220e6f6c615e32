/**
 * Brings a fresh machine to where the project builds and runs: programs of the system, the
 * Node packages, a current Node among them, then the build. What is there already is left alone.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";

const project = new URL("..", import.meta.url).pathname;

/**
 * What a run is for; each includes the ones before it: a mount of a machine that exists, a
 * virtual machine of the project's own, the tests, those in a browser.
 *
 * @typedef {"mount" | "machine" | "tests" | "browser"} Purpose
 */

/** @type {readonly Purpose[]} */
const purposes = ["mount", "machine", "tests", "browser"];

/**
 * The programs that a minimal Debian lacks: the command, its Debian packages, and the
 * first purpose that needs it.
 *
 * @type {readonly (readonly [command: string, debianPackages: string, purpose: Purpose])[]}
 */
const programs = [
	["fusermount3", "fuse3", "mount"],
	["qemu-system-x86_64", "qemu-system-x86", "machine"],
	["chromium", "chromium", "browser"],
	["cc", "gcc libc6-dev", "tests"],
	["fish", "fish", "tests"],
	["getfattr", "attr", "tests"],
	["groff", "groff-base", "tests"],
	["ip", "iproute2", "tests"],
	["jq", "jq", "tests"],
	["libvirtd", "libvirt-daemon libvirt-daemon-driver-qemu", "tests"],
	["man", "man-db", "tests"],
	["mandoc", "mandoc", "tests"],
	["ps", "procps", "tests"],
	["python3", "python3", "tests"],
	["socat", "socat", "tests"],
	["sshd", "openssh-server", "tests"],
	["systemd-analyze", "systemd", "tests"],
	["vcd2fst", "gtkwave", "tests"],
	["virsh", "libvirt-clients", "tests"],
	["virt-qemu-qmp-proxy", "libvirt-clients-qemu", "tests"],
	["zsh", "zsh", "tests"],
];

/**
 * @param {Purpose} purpose
 * @returns {string} path of the Node to go on with
 */
export function setUp(purpose) {
	installPrograms(purpose);
	if (!nodePackagesAreCurrent()) {
		say("installing the Node packages: npm ci");
		// The binding's own script looks for a compiler where it does not see that one of its
		// binaries fits: with libfuse3.so.4, or none yet. Only the script of `node` is needed.
		const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
		run("npm", ["ci", "--ignore-scripts", ...quiet]);
		run("npm", ["rebuild", "node", ...quiet]);
	}
	say("building");
	run("npm", ["run", "--silent", "build"]);
	return ownNode;
}

const ownNode = join(project, "node_modules", ".bin", "node");

/** @param {Purpose} purpose */
function installPrograms(purpose) {
	const packages = missingPackages(purpose);
	if (packages.length === 0) return;
	const root = process.getuid?.() === 0;
	const install = ["install", "-y", "--no-install-recommends"];
	const byHand = `${root ? "" : "sudo "}apt-get ${install.join(" ")} ${packages.join(" ")}`;
	const needed = packages.join(", ");
	if (!isProgram("apt-get")) {
		say(`needs ${needed}, and knows only apt-get; please install`);
		return;
	}
	if (!root && !isProgram("sudo")) {
		say(`needs ${needed}; as root, run: ${byHand}`);
		return;
	}
	say(`installing ${needed}: ${byHand}`);
	const [command, ...prefix] = root ? ["apt-get"] : ["sudo", "apt-get"];
	/** @param {string[]} args */
	const aptGet = (...args) =>
		tryRun(command, [...prefix, "-qq", ...args], {
			DEBIAN_FRONTEND: "noninteractive",
		});
	aptGet("update");
	// apt-get installs all or none: one that cannot be had shall not keep out the others.
	if (!aptGet(...install, ...packages))
		for (const name of packages) aptGet(...install, name);
	const missing = missingPackages(purpose).join(", ");
	if (missing) say(`could not install ${missing}; going on without`);
}

/** @param {Purpose} purpose */
function missingPackages(purpose) {
	const included = purposes.slice(0, purposes.indexOf(purpose) + 1);
	return programs
		.filter(
			([command, , neededFor]) =>
				included.includes(neededFor) &&
				!(command.startsWith("qemu-") && process.env.QOMFS_QEMU) &&
				!isProgram(command),
		)
		.flatMap(([, debianPackages]) => debianPackages.split(" "));
}

/**
 * Whether node_modules is what `npm ci` would make of the lock file. When npm has finished
 * an installation it leaves a list of the packages, which looks like the lock file.
 */
function nodePackagesAreCurrent() {
	const installed = packagesIn("node_modules/.package-lock.json");
	return (
		isExecutable(ownNode) &&
		Object.entries(packagesIn("package-lock.json")).every(
			([path, { version, integrity, optional }]) =>
				path === "" || // the project itself
				(installed[path]
					? installed[path].version === version &&
						installed[path].integrity === integrity
					: optional), // for another platform than this one
		)
	);
}

/**
 * @param {string} lockFile
 * @returns {Record<string, { version: string, integrity?: string, optional?: boolean }>}
 * none if there is no such file
 */
function packagesIn(lockFile) {
	try {
		return JSON.parse(readFileSync(join(project, lockFile), "utf8")).packages;
	} catch {
		return {};
	}
}

/**
 * @param {string} command
 * @param {string[]} args
 */
function run(command, args) {
	if (tryRun(command, args)) return;
	say(`'${command} ${args.join(" ")}' failed; its message is above`);
	process.exit(1);
}

/**
 * @param {string} command
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env
 */
function tryRun(command, args, env = {}) {
	const { status } = spawnSync(command, args, {
		cwd: project,
		// What went wrong stands on stderr; what went well nobody needs to read.
		stdio: ["ignore", "ignore", "inherit"],
		env: { ...process.env, ...env },
	});
	return status === 0;
}

/** @param {string} command */
function isProgram(command) {
	const folders = `${process.env.PATH}${delimiter}/usr/sbin${delimiter}/sbin`;
	return folders
		.split(delimiter)
		.some((folder) => isExecutable(join(folder, command)));
}

/** @param {string} path */
function isExecutable(path) {
	try {
		accessSync(path, constants.X_OK);
		return true;
	} catch {
		return false;
	}
}

/** @param {string} text */
function say(text) {
	process.stderr.write(`qomfs set-up: ${text}\n`);
}

if (process.argv[1] === new URL(import.meta.url).pathname) setUp("tests");
