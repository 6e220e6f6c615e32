/**
 * `npm run test:fresh`: runs README's two commands, `npm start` and `npm test`, where a new
 * user does: in a minimal Debian that holds a clone of this project's HEAD, this machine's
 * Node with its npm, and nothing else. Nothing of it is left, however it ends.
 *
 * `-- --suite=NAME` takes another release than this machine's, `--own-node` that release's
 * Node and npm. Whatever else stands there goes to `npm test`. Ends with status 3 where no
 * such Debian can be made, and says why.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
	appendFileSync,
	cpSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	realpathSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
	debianRoot,
	install,
	ownSuite,
	removeTree,
	run,
} from "./debianRoot.ts";

const project = new URL("..", import.meta.url).pathname;

/** Status of a machine on which a fresh one cannot be made. */
const cannotBeMade = 3;

/** Copies a file of this machine to the same place in the root, or another; if there is one. */
function copyFile(root: string, path: string, place = path): void {
	if (!existsSync(path)) return;
	mkdirSync(dirname(join(root, place)), { recursive: true });
	cpSync(path, join(root, place), { dereference: true, recursive: true });
}

/** What a machine needs to be told about the network around it. */
function connect(root: string): void {
	for (const path of ["/etc/resolv.conf", "/etc/hosts"]) copyFile(root, path);
	for (const path of ["/etc/apt/auth.conf", "/etc/apt/auth.conf.d"])
		copyFile(root, path);
	const { stdout: apt } = spawnSync("apt-config", ["dump", "Acquire"], {
		encoding: "utf8",
	});
	const lines = apt
		.split("\n")
		.filter((line) => /^Acquire::(https?|Check-|Retries)/i.test(line));
	writeFileSync(
		join(root, "etc/apt/apt.conf.d/90network"),
		`${lines.join("\n")}\n`,
	);
	// The later line of a npmrc wins, as the user's does over the global one.
	for (const name of ["globalconfig", "userconfig"]) {
		const path = npmSetting(name);
		if (existsSync(path))
			appendFileSync(
				join(root, "root/.npmrc"),
				`${readFileSync(path, "utf8")}\n`,
			);
	}
	trust(root);
}

/** Copies the certificates that this machine trusts. */
function trust(root: string): void {
	const certificates = [
		...[npmSetting("cafile"), process.env.NODE_EXTRA_CA_CERTS],
		process.env.SSL_CERT_FILE,
	];
	for (const path of certificates) if (path) copyFile(root, path);
}

function npmSetting(name: string): string {
	const { stdout } = spawnSync("npm", ["config", "get", name], {
		cwd: "/", // the project's own settings are not those of the machine
		encoding: "utf8",
	});
	return stdout.trim();
}

/** @throws Error it does not run there */
function copyNode(root: string): void {
	const npm = dirname(dirname(ofThisMachine("npm")));
	copyFile(root, ofThisMachine("node"), "/usr/local/bin/node");
	copyFile(root, npm, "/usr/local/lib/node_modules/npm");
	for (const name of ["npm", "npx"])
		symlinkSync(
			`../lib/node_modules/npm/bin/${name}-cli.js`,
			join(root, "usr/local/bin", name),
		);
}

/** Where a program really lies; not one of the project's own. */
function ofThisMachine(program: string): string {
	const path = (process.env.PATH ?? "")
		.split(delimiter)
		.filter((folder) => !folder.includes("node_modules"))
		.map((folder) => join(folder, program))
		.find((path) => existsSync(path));
	if (path === undefined) throw new Error(`there is no ${program} on PATH`);
	return realpathSync(path);
}

function installNode(root: string): void {
	run("chroot", root, "apt-get", "-qq", "update");
	run("chroot", root, "apt-get", ...install, "nodejs", "npm");
	trust(root); // the package of certificates has put its own list in their place
}

/** Makes the root of a machine that is as README asks for. @throws Error it cannot be */
function makeRoot(root: string, suite: string, hasOwnNode: boolean): void {
	const pristine = debianRoot(`fresh-${suite}`, suite);
	console.log(`copying a Debian ${suite} to ${root}`);
	run("cp", "-a", "--reflink=auto", pristine, root);
	connect(root);
	// Whatever boots a machine or a container makes it, and fusermount3 -u looks into it
	// for the mounts of an ordinary user.
	if (!existsSync(join(root, "etc/mtab")))
		symlinkSync("/proc/mounts", join(root, "etc/mtab"));
	if (hasOwnNode) installNode(root);
	else copyNode(root);
	const { stdout } = spawnSync("git", ["-C", project, "status", "--short"]);
	if (stdout.length > 0) console.log("what is not committed is not in it");
	run("git", "clone", "-q", "--no-hardlinks", project, join(root, clone));
	for (const program of ["node", "npm"])
		run("chroot", root, program, "--version");
}

/** In the environment of all that runs there. */
const marker = "QOMFS_FRESH_ROOT";

/** Where root would clone it, and nobody else can reach it. */
const clone = "root/qomfs";

/**
 * Runs both commands in namespaces of their own: whatever is mounted or started there ends
 * with the first process, which ends with this one.
 */
async function runCommands(
	root: string,
	testArgs: readonly string[],
): Promise<number> {
	const child = spawn(
		"setpriv",
		[
			...["--pdeathsig", "KILL"],
			...["unshare", "--mount", "--pid", "--fork", "--kill-child=KILL"],
			// A shell is the first process, for it takes care of orphans.
			...["--mount-proc", "sh", "-c", '"$@"; exit $?', "sh"],
			...[process.execPath, join(project, "tools/freshRun.ts")],
			...[root, clone, ...testArgs],
		],
		{
			stdio: ["ignore", "inherit", "inherit"],
			env: { ...process.env, [marker]: root },
		},
	);
	const exit = once(child, "exit");
	stop.addEventListener("abort", () => child.kill("SIGKILL"));
	const [status] = await exit;
	return status ?? 1;
}

/** Waits until nothing of it is in use any more, then removes it. */
async function remove(folder: string): Promise<void> {
	for (let attempt = 0; isInUse(folder); attempt++) {
		if (attempt === 200)
			throw new Error(`${folder} is still in use and was not removed`);
		await sleep(50);
	}
	removeTree(folder);
}

function isInUse(folder: string): boolean {
	const isMounted = readFileSync("/proc/self/mountinfo", "utf8")
		.split("\n")
		.some((line) => line.split(" ")[4]?.startsWith(`${folder}/`));
	return (
		isMounted ||
		readdirSync("/proc").some((pid) => {
			try {
				return readFileSync(`/proc/${pid}/environ`, "utf8").includes(
					`${marker}=${folder}/`,
				);
			} catch {
				return false; // no process, or none any more
			}
		})
	);
}

const stopping = new AbortController();
const stop = stopping.signal;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
	process.on(signal, () => stopping.abort());

const args = process.argv.slice(2);
const suiteArg = args.find((arg) => arg.startsWith("--suite="));
const testArgs = args.filter((arg) => arg !== "--own-node" && arg !== suiteArg);
const folder = mkdtempSync(join(tmpdir(), "qomfs-fresh-"));
const root = join(folder, "debian");
try {
	const suite = suiteArg?.slice("--suite=".length) ?? ownSuite();
	makeRoot(root, suite, args.includes("--own-node"));
} catch (error) {
	console.log(`no fresh machine can be made here: ${(error as Error).message}`);
	process.exitCode = cannotBeMade;
}
try {
	await sleep(0); // a signal that came meanwhile
	if (stop.aborted) process.exitCode = 1;
	else if (process.exitCode === undefined)
		process.exitCode = await runCommands(root, testArgs);
} finally {
	await remove(folder);
}
