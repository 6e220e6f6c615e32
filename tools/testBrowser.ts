/**
 * `npm run test:browser`: the tests of the page, in Debian's Chromium without a window. Whatever else stands
 * there goes to the test runner.
 */
import { spawnSync } from "node:child_process";

const { status } = spawnSync(
	process.execPath,
	[
		new URL("test.ts", import.meta.url).pathname,
		"test/browser",
		...process.argv.slice(2),
	],
	{ stdio: "inherit", env: { ...process.env, QOMFS_BROWSER: "chromium" } },
);
process.exitCode = status ?? 1;
