/** Whether somebody is there to answer ssh's questions. */

/** What ssh needs in its environment to ask; undefined where nobody is there. */
export async function terminalEnvironment(): Promise<
	NodeJS.ProcessEnv | undefined
> {
	return process.stdin.isTTY && process.stderr.isTTY ? {} : undefined;
}
