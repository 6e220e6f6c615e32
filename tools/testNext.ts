/**
 * `npm run test:qemu-next`: the integration tests on a QEMU >= 11, and on a machine of
 * another architecture. `-- --smoke` runs those that differ most between versions.
 * Whatever else stands there goes to the test runner.
 */
import { spawnSync } from "node:child_process";
import { findQemuNext, installExtras } from "./qemuNext.ts";

const smoke = [
	...["tree", "budgets", "qmp", "deadlyRead", "describing", "examples"],
	...["writeValues", "writePrograms", "writePieces", "writeFailures"],
	...["writeGuards", "unsafeWrites", "links", "readOnlyMount"],
	...["secrets", "xattrs", "objectDocument", "hideUnreadable"],
	...["pythonOutput", "qomGet", "qomSet", "qomTree", "find", "events"],
	...["toolRefusals", "toolOutput", "monitorOption", "unanswered"],
	...[
		"hostileTools",
		"ownMonitor",
		"share",
		"sharedClients",
		"snapshot",
		"diff",
		"types",
		"typesCommand",
		"places",
		"topology",
	],
];

const args = process.argv.slice(2);
const tests = args.includes("--smoke")
	? smoke.map((name) => `test/integration/${name}.test.ts`)
	: ["test/integration"];
const qemu = findQemuNext();
if (typeof qemu === "string") {
	console.log(`skipping QEMU next: ${qemu}`);
	console.log("0 passed, 0 failed, 0 skipped");
	if (process.env.QOMFS_REQUIRE?.includes("qemu-next")) process.exitCode = 1;
} else {
	if (qemu.root) installExtras(qemu.root);
	const { status } = spawnSync(
		process.execPath,
		[
			new URL("test.ts", import.meta.url).pathname,
			...tests,
			...args.filter((arg) => arg !== "--smoke"),
		],
		{
			stdio: "inherit",
			env: { ...process.env, ...(qemu.root && { QOMFS_QEMU_ROOT: qemu.root }) },
		},
	);
	process.exitCode = status ?? 1;
}
