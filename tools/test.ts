/**
 * `npm test`: all tests, or those named as for vitest. What a test needs and the machine
 * lacks is skipped with the reason, or is a failure if QOMFS_REQUIRE names it
 * (`QOMFS_REQUIRE=qemu,fuse`). At the end stands what was skipped, by name and with the
 * reason; the last line counts, from the runner's own report.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
	accessSync,
	constants,
	mkdtempSync,
	readFileSync,
	rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultQemu } from "./virtualMachine.ts";

interface Report {
	readonly numPassedTests: number;
	readonly numFailedTests: number;
	readonly numPendingTests: number;
	readonly numFailedTestSuites: number;
}

const project = new URL("..", import.meta.url).pathname;

/** What the machine lacks, with the reason. */
function missingParts(): Map<string, string> {
	const missing = new Map<string, string>();
	const [program, ...prefix] = defaultQemu.command;
	if (spawnSync(program, [...prefix, "--version"]).status !== 0)
		missing.set("qemu", `${defaultQemu.command.join(" ")} does not run`);
	if (spawnSync("fusermount3", ["--version"]).status !== 0)
		missing.set("fuse", "fusermount3 is not installed");
	try {
		accessSync("/dev/fuse", constants.R_OK | constants.W_OK);
	} catch {
		missing.set("fuse", "/dev/fuse is missing or not accessible");
	}
	return missing;
}

async function run(missing: Map<string, string>): Promise<Report | undefined> {
	const directory = mkdtempSync(join(tmpdir(), "qomfs-test-"));
	const reportFile = join(directory, "report.json");
	const vitest = spawn(
		process.execPath,
		[
			join(project, "node_modules/vitest/vitest.mjs"),
			...["run", "--root", project],
			...["--config", join(project, "test/vitest.config.ts")],
			"--configLoader=native", // the bundling one writes into the project
			...["--reporter=default", "--reporter=json"],
			`--reporter=${join(project, "tools/skipReporter.ts")}`,
			`--outputFile.json=${reportFile}`,
			...process.argv.slice(2),
		],
		{
			stdio: "inherit",
			env: { ...process.env, QOMFS_MISSING: [...missing.keys()].join(",") },
		},
	);
	await once(vitest, "exit");
	try {
		return JSON.parse(readFileSync(reportFile, "utf8"));
	} catch {
		return undefined; // the runner itself failed, and has said why
	} finally {
		rmSync(directory, { recursive: true });
	}
}

const missing = missingParts();
const required = (process.env.QOMFS_REQUIRE ?? "").split(",");
let lacking = 0;
for (const [part, reason] of missing) {
	const isRequired = required.includes(part);
	if (isRequired) lacking++;
	console.log(
		`${isRequired ? "required, but missing" : "skipping what needs it"}: ${part}: ${reason}`,
	);
}
const report = await run(missing);
const passed = report?.numPassedTests ?? 0;
// A file that does not even load has no tests to count.
const failed = report
	? Math.max(report.numFailedTests, Math.min(report.numFailedTestSuites, 1))
	: 1;
const skipped = report?.numPendingTests ?? 0;
console.log(`${passed} passed, ${failed + lacking} failed, ${skipped} skipped`);
process.exitCode = failed + lacking === 0 ? 0 : 1;
