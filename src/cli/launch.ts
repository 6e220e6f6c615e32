/** What every launcher in `bin` calls. It imports nothing, so that an old Node gets this far. */

const oldestNode: [number, number] = [22, 12];

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
	const { main } = await import("./main.ts");
	process.exitCode = await main(process.argv.slice(2));
}
