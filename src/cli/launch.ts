/**
 * What every launcher in `bin` calls. It imports next to nothing, so that an old Node gets this
 * far; the rest is `main.ts`, as one file.
 */
import module from "node:module";
import { basename } from "node:path";
import { isMountHelper } from "./launchers.ts";

const oldestNode: [number, number] = [22, 12];

/**
 * Runs a command with the arguments of this process.
 *
 * @param name of the launcher in `bin`
 */
export async function launch(name: string): Promise<void> {
	const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
	const [oldestMajor, oldestMinor] = oldestNode;
	if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor)) {
		process.stderr.write(
			`${name}: needs Node ${oldestNode.join(".")} or newer, this is ${process.version}; 'npm install -g node@24' brings one\n`,
		);
		process.exitCode = 1;
		return;
	}
	// A short command spends most of its time on compiling. The cache is not in /tmp, where
	// anybody could place code for us to run.
	const cache = cacheDirectory();
	if (cache) module.enableCompileCache(cache);
	const { main } = module.createRequire(import.meta.url)("./main.cjs") as {
		main(name: string, args: readonly string[]): Promise<number>;
	};
	const called = basename(process.argv[1] ?? "");
	process.exitCode = await main(
		isMountHelper(called) ? called : name,
		process.argv.slice(2),
	);
}

function cacheDirectory(): string | undefined {
	const { XDG_CACHE_HOME, HOME } = process.env;
	if (XDG_CACHE_HOME) return `${XDG_CACHE_HOME}/qomfs/node`;
	return HOME ? `${HOME}/.cache/qomfs/node` : undefined;
}
