/**
 * `npm run test:ssh`: the integration tests that say most, with every mount and every tool that names a
 * socket going through a real sshd. What else stands there goes to the test runner.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { lacksSshServer, rootUser, SshServer } from "./sshServer.ts";

const smoke = [
	...["basics", "tree", "writeValues", "writePrograms", "writePieces"],
	...["writeFailures", "links", "secrets", "xattrs", "objectDocument"],
	...["qomGet", "qomSet", "qomTree", "find", "events", "pythonOutput"],
	...["placePaths", "hotplug", "toolOutput"],
];

const lacks = lacksSshServer();
if (lacks !== undefined) {
	console.log(`skipping ssh: ${lacks}`);
} else {
	await using server = await SshServer.start(rootUser);
	const child = spawn(
		process.execPath,
		[
			new URL("test.ts", import.meta.url).pathname,
			...smoke.map((name) => `test/integration/${name}.test.ts`),
			...process.argv.slice(2),
		],
		{
			stdio: "inherit",
			env: { ...server.environment(), QOMFS_TEST_HOST: server.url },
		},
	);
	const [status] = await once(child, "exit");
	process.exitCode = status ?? 1;
}
