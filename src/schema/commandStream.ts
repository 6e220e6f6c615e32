/** Commands from a stream: one on each line, or in JSON, which may span or share lines. */
import { createInterface } from "node:readline";
import { UsageError } from "../errors.ts";
import { MessageSplitter } from "../qmp/messageSplitter.ts";

/**
 * The text of each command as soon as it is complete. Lines that are empty or begin with `#` are
 * skipped.
 *
 * @throws UsageError JSON is incomplete, or other text follows it
 */
export async function* readCommands(
	input: NodeJS.ReadableStream,
): AsyncGenerator<string> {
	let splitter = new MessageSplitter();
	for await (const line of createInterface({ input, crlfDelay: 1000 })) {
		const isJson =
			splitter.pendingBytes > 0 || line.trimStart().startsWith("{");
		if (isJson) {
			yield* messagesIn(splitter, line);
			if (splitter.pendingBytes === 0) splitter = new MessageSplitter();
		} else if (!/^\s*(#|$)/.test(line)) yield line;
	}
	if (splitter.pendingBytes > 0)
		throw new UsageError("the last command in JSON is incomplete");
}

function messagesIn(splitter: MessageSplitter, line: string): string[] {
	try {
		return splitter.push(Buffer.from(`${line}\n`));
	} catch (cause) {
		throw new UsageError(
			`'${line.slice(0, 60)}': unexpected text after a command in JSON`,
			{ cause },
		);
	}
}
