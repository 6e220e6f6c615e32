/**
 * The part of freshRoot.ts that runs in the namespaces: `freshRun.ts ROOT CLONE [TEST...]`.
 * Its own file system is still that of the machine; the two commands see the root alone.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const [root = "", clone = "", ...testArgs] = process.argv.slice(2);

/**
 * A process that does nothing, in a mount namespace of which the root is that of the fresh
 * machine. A chroot would not do: who enters a mount namespace leaves it again.
 */
const holder = await enterRoot();

async function enterRoot(): Promise<ChildProcess> {
	const script = `
		mount --bind "$0" "$0" && cd "$0" &&
		mount --rbind /dev dev && mount --rbind /sys sys && mount -t proc proc proc &&
		pivot_root . mnt && umount -l /mnt && echo up && exec sleep infinity`;
	const child = spawn(
		"unshare",
		["--mount", "--propagation", "private", "sh", "-c", script, root],
		{ stdio: ["ignore", "pipe", "inherit"] },
	);
	const ended = once(child, "exit").then(() => {
		throw new Error(`the root of ${root} cannot be entered`);
	});
	await Promise.race([once(child.stdout, "data"), ended]);
	ended.catch(() => {}); // from now on its end is no failure
	return child;
}

/** A command line that runs there. */
function inRoot(...command: string[]): [program: string, args: string[]] {
	return ["nsenter", ["-t", `${holder.pid}`, "-m", ...command]];
}

/** Longest that `npm start` may take to be ready, with all that it has to install. */
const patienceMs = 15 * 60_000;

/** What stands on the terminal once everything has been shown. */
const ready = "Ctrl-C unmounts and ends the machine.";

/** This machine's, for its proxies and the like, but for what belongs to a user or a session. */
function environment(): NodeJS.ProcessEnv {
	const foreign =
		/^(npm_|INIT_CWD|NODE$|PWD|OLDPWD|TMPDIR|XDG_|LANG|LC_|QOMFS_)/;
	const kept = Object.entries(process.env).filter(
		([name]) => !foreign.test(name),
	);
	return {
		...Object.fromEntries(kept),
		HOME: "/root",
		PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		QOMFS_REQUIRE: "qemu,fuse",
		QOMFS_FRESH_ROOT: root, // by which freshRoot.ts knows what belongs to it
	};
}

/** npm's own, and what systemd makes when it is installed, as QEMU's package in newer Debians asks. */
const foreignFile = /^\/tmp\/(node-compile-cache|\.(ICE|X11|XIM|font)-unix)$/;

/** Mounts, processes and temporary files that the root has. */
function traces(): Set<string> {
	const mounts = readFileSync(`/proc/${holder.pid}/mountinfo`, "utf8")
		.split("\n")
		.map((line) => `mount ${line.split(" ")[4]}`);
	const processes = readdirSync("/proc")
		.map(Number)
		.filter((pid) => pid > 1 && pid !== process.pid && pid !== holder.pid)
		.map((pid) => `process ${pid} (${commandLine(pid)})`);
	const files = ["/tmp", "/var/tmp"]
		.flatMap((folder) =>
			readdirSync(join(root, folder)).map((name) => join(folder, name)),
		)
		.filter((path) => !foreignFile.test(path));
	return new Set([...mounts, ...processes, ...files]);
}

function commandLine(pid: number): string {
	try {
		return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
	} catch {
		return ""; // it has just ended
	}
}

/** Whether a command has left nothing behind; a process may take a moment to end. */
async function hasLeftNothing(
	command: string,
	before: ReadonlySet<string>,
): Promise<boolean> {
	for (let attempt = 0; ; attempt++) {
		const left = [...traces()].filter((trace) => !before.has(trace));
		if (left.length === 0) return true;
		if (attempt === 100) {
			console.log(`'${command}' has left behind:\n  ${left.join("\n  ")}`);
			return false;
		}
		await sleep(50);
	}
}

/** On a terminal, as a user does it, up to Ctrl-C. */
async function npmStart(): Promise<boolean> {
	const before = traces();
	const line = `cd /${clone} && npm start`;
	const child = spawn(...inRoot("script", "-qfec", line, "/dev/null"), {
		stdio: ["pipe", "pipe", "inherit"],
		env: { ...environment(), TERM: "dumb", SHELL: "/bin/sh" },
	});
	const exit = once(child, "exit");
	const timer = setTimeout(() => child.kill("SIGKILL"), patienceMs);
	let shown = "";
	let isEnding = false;
	child.stdout.setEncoding("utf8").on("data", (text: string) => {
		shown += text;
		process.stdout.write(text.replaceAll("\r", ""));
		if (isEnding || !shown.includes(ready)) return;
		isEnding = true;
		child.stdin.write("\x03"); // the terminal makes SIGINT of it, for all in the foreground
	});
	await exit;
	clearTimeout(timer);
	console.log();
	// Each command, and at least one line that it has printed.
	const commands = shown.match(/^\$ .*\r?\n(?!\r?\n)/gm) ?? [];
	const hasShown =
		isEnding && commands.length === 5 && !shown.includes("No QEMU here");
	if (!hasShown)
		console.log("'npm start' has not shown its five commands with a machine");
	return (await hasLeftNothing("npm start", before)) && hasShown;
}

async function npmTest(): Promise<boolean> {
	const before = traces();
	const line = `cd /${clone} && npm test -- "$@"`;
	const { status } = spawnSync(...inRoot("sh", "-c", line, "sh", ...testArgs), {
		stdio: ["ignore", "inherit", "inherit"],
		env: environment(),
	});
	return (await hasLeftNothing("npm test", before)) && status === 0;
}

async function timed(
	command: string,
	run: () => Promise<boolean>,
): Promise<boolean> {
	console.log(`\n== ${command}, on a fresh machine`);
	const startMs = performance.now();
	const isGood = await run();
	const seconds = Math.round((performance.now() - startMs) / 1000);
	if (command !== "npm test") console.log(`== ${command} took ${seconds} s`);
	return isGood;
}

const hasStarted = await timed("npm start", npmStart);
const hasPassed = await timed("npm test", npmTest);
holder.kill("SIGKILL");
process.exitCode = hasStarted && hasPassed ? 0 : 1;
