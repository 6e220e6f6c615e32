/**
 * The part of freshRoot.ts that runs in the namespaces: `freshRun.ts ROOT CLONE [TEST...]`.
 * Its own file system is still that of the machine; the two commands see the root alone.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "./debianRoot.ts";

const [root = "", clone = "", ...testArgs] = process.argv.slice(2);

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
	};
}

/** Mounts, processes and temporary files that the root has. */
function traces(): Set<string> {
	const mounts = readFileSync("/proc/self/mountinfo", "utf8")
		.split("\n")
		.map((line) => line.split(" ")[4] ?? "")
		.filter((mountpoint) => mountpoint.startsWith(root));
	const processes = readdirSync("/proc")
		.filter((pid) => Number(pid) > 1 && pid !== `${process.pid}`)
		.map((pid) => `process ${pid} (${commandLine(pid)})`);
	const files = ["/tmp", "/var/tmp", "/dev/shm"]
		.flatMap((folder) =>
			readdirSync(join(root, folder)).map((name) => join(folder, name)),
		)
		.filter((path) => path !== "/tmp/node-compile-cache"); // npm's own
	return new Set([...mounts, ...processes, ...files]);
}

function commandLine(pid: string): string {
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
	const child = spawn("chroot", [root, "script", "-qfec", line, "/dev/null"], {
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
	const { status } = spawnSync(
		"chroot",
		[root, "sh", "-c", line, "sh", ...testArgs],
		{ stdio: ["ignore", "inherit", "inherit"], env: environment() },
	);
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

// Only in what is a mount itself can a test make a mount namespace.
run("mount", "--bind", root, root);
run("mount", "--rbind", "/dev", join(root, "dev"));
run("mount", "--rbind", "/sys", join(root, "sys"));
run("mount", "-t", "proc", "proc", join(root, "proc"));
const hasStarted = await timed("npm start", npmStart);
const hasPassed = await timed("npm test", npmTest);
process.exitCode = hasStarted && hasPassed ? 0 : 1;
