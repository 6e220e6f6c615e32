/**
 * Sets up what the project needs on this machine, then runs tools/NAME.ts with the
 * project's own Node. Plain JavaScript without dependencies: it is the first thing that
 * runs in a fresh clone, on any Node from 20 on.
 */
import { spawn } from "node:child_process";
import { setUp } from "./setup.js";

const [name, ...args] = process.argv.slice(2);
const isOwnMachine = args.length === 0;
const demo = isOwnMachine ? "machine" : "mount";
const needsBrowser = ["testBrowser", "benchPage"].includes(name ?? "");
const tests = needsBrowser ? "browser" : "tests";
const node = setUp(name === "demo" ? demo : tests);
const script = new URL(`${name}.ts`, import.meta.url).pathname;
const child = spawn(node, [script, ...args], { stdio: "inherit" });
// Ctrl-C reaches the child as well; it tidies up, and this process waits for that.
process.on("SIGINT", () => {});
for (const signal of /** @type {const} */ (["SIGTERM", "SIGHUP"]))
	process.on(signal, () => child.kill(signal));
child.on("exit", (status) => {
	process.exitCode = status ?? 1;
});
