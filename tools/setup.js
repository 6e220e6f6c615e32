/**
 * Brings a fresh machine to where the project builds and runs: system packages first
 * (without libfuse 3 the binding's install would look for a compiler), then `npm ci`, which
 * also brings a current Node, then the build. What is there already is left alone.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { accessSync, constants, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";

const project = new URL("..", import.meta.url).pathname;

/**
 * @param {{ qemu: boolean }} needs what this run needs besides FUSE
 * @returns {string} path of the Node to go on with
 */
export function setUp({ qemu }) {
	installSystemPackages(qemu);
	installNodePackages();
	run("npm", ["run", "--silent", "build"]);
	return join(project, "node_modules", ".bin", "node");
}

/** @param {boolean} qemu */
function installSystemPackages(qemu) {
	const missing = [];
	if (!onPath("fusermount3")) missing.push("fuse3");
	if (qemu && !process.env.QOMFS_QEMU && !onPath("qemu-system-x86_64"))
		missing.push("qemu-system-x86");
	if (missing.length === 0) return;
	const root = process.getuid?.() === 0;
	const install = ["install", "-y", "--no-install-recommends", ...missing];
	const byHand = `${root ? "" : "sudo "}apt-get ${install.join(" ")}`;
	if (!onPath("apt-get")) {
		say(
			`needs ${missing.join(" and ")}, and knows only apt-get; please install`,
		);
	} else if (!root && !onPath("sudo")) {
		say(`needs ${missing.join(" and ")}; as root, run: ${byHand}`);
	} else {
		say(`installing ${missing.join(" and ")}: ${byHand}`);
		const [command, ...prefix] = root ? ["apt-get"] : ["sudo", "apt-get"];
		const quiet = { DEBIAN_FRONTEND: "noninteractive" };
		tryRun(command, [...prefix, "-qq", "update"], quiet);
		tryRun(command, [...prefix, "-qq", ...install], quiet);
	}
}

/** `npm ci` is slow and removes everything first, so only when the lock file has changed. */
function installNodePackages() {
	const stamp = join(project, "node_modules", ".qomfs-lock");
	const lock = createHash("sha256")
		.update(readFileSync(join(project, "package-lock.json")))
		.digest("hex");
	if (read(stamp) === lock) return;
	say("installing the Node packages: npm ci");
	run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
	writeFileSync(stamp, lock);
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
function onPath(command) {
	const folders = `${process.env.PATH}${delimiter}/usr/sbin${delimiter}/sbin`;
	return folders.split(delimiter).some((folder) => {
		try {
			accessSync(join(folder, command), constants.X_OK);
			return true;
		} catch {
			return false;
		}
	});
}

/** @param {string} path */
function read(path) {
	try {
		return readFileSync(path, "utf8");
	} catch {
		return undefined;
	}
}

/** @param {string} text */
function say(text) {
	process.stderr.write(`qomfs set-up: ${text}\n`);
}

if (process.argv[1] === new URL(import.meta.url).pathname)
	setUp({ qemu: true });
