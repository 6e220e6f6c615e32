/** The shell on a terminal: a line to edit, and replies and events above it. */
import {
	clearScreenDown,
	createInterface,
	cursorTo,
	type Interface,
	moveCursor,
} from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { endings } from "../endings.ts";
import { styled } from "../output.ts";
import { errorLine, onLines, onOneLine } from "../text.ts";
import type { History } from "./history.ts";
import type { ShellLines, ShellOutput } from "./lines.ts";

/** How long TAB waits for QEMU. */
const completionMs = 2000;

/** Prints above the line that is being typed, and keeps that line. */
export class TerminalOutput implements ShellOutput {
	/** Set while a line is being typed. */
	editor: Interface | undefined;

	print(text: string): void {
		this.#write(onLines(text));
	}

	printError(text: string): void {
		this.#write(styled("red", text));
	}

	/** Prints an event. */
	printEvent(text: string): void {
		this.#write(styled("dim", text));
	}

	say(text: string): void {
		this.#write(onOneLine(text));
	}

	#write(text: string): void {
		const { stdout } = process;
		if (!this.editor) {
			stdout.write(`${text}\n`);
			return;
		}
		const { rows } = this.editor.getCursorPos();
		moveCursor(stdout, 0, -rows);
		cursorTo(stdout, 0);
		clearScreenDown(stdout);
		// prompt() moves up again by the number of rows above the cursor.
		stdout.write(`${text}\n${"\n".repeat(rows)}`);
		this.editor.prompt(true);
	}
}

/**
 * Reads and runs lines until the user leaves with a command, Ctrl-D or a signal.
 */
export async function runTerminal(
	lines: ShellLines,
	output: TerminalOutput,
	history: History,
): Promise<void> {
	const editor = createInterface({
		input: process.stdin,
		output: process.stdout,
		terminal: true,
		history: history.lines.toReversed(),
		historySize: 1000,
		removeHistoryDuplicates: true,
		completer: (
			line: string,
			give: (error: null, completion: [string[], string]) => void,
		) => {
			// Until it has an answer, the editor accepts no key, not even Ctrl-C.
			Promise.race([
				lines.complete(line),
				sleep(completionMs, [[], line] as const, { ref: false }),
			]).then(
				([candidates, replaced]) =>
					give(null, [candidates.filter(isSafe), replaced]),
				() => give(null, [[], line]),
			);
		},
	});
	const waiting: string[] = [];
	/** The lines so far of a command that is not complete. */
	let begun = "";
	let isClosed = false;
	/** Stops waiting for the command that runs now. */
	let stopWaiting: (() => void) | undefined;

	const prompt = () => {
		editor.setPrompt(lines.prompt);
		output.editor = editor;
		editor.prompt(true);
	};

	const runWaiting = async () => {
		output.editor = undefined;
		for (
			let line = waiting.shift();
			line !== undefined;
			line = waiting.shift()
		) {
			const outcomeOfLine = run(lines, line, output);
			// A part of a command does not show whether that holds a secret.
			begun += begun ? ` ${line}` : line;
			if (!lines.isInside) {
				history.add(begun);
				begun = "";
			}
			const stopped = new Promise<"stopped">((resolve) => {
				stopWaiting = () => resolve("stopped");
			});
			const outcome = await Promise.race([outcomeOfLine, stopped]);
			stopWaiting = undefined;
			if (outcome === "leave") return editor.close();
			if (outcome === "stopped")
				output.say("Not waiting any longer; QEMU may still execute it.");
		}
		if (!isClosed) prompt();
	};

	let running = Promise.resolve();
	let isRunning = false;
	editor.on("line", (line) => {
		waiting.push(line);
		if (isRunning) return;
		isRunning = true;
		running = runWaiting().finally(() => {
			isRunning = false;
		});
	});
	editor.on("SIGINT", () => {
		if (stopWaiting) stopWaiting();
		else if (editor.line !== "") {
			editor.write(null, { ctrl: true, name: "e" });
			editor.write(null, { ctrl: true, name: "u" });
		} else if (lines.abandon()) {
			begun = "";
			output.say("What was begun is discarded.");
			prompt();
		} else output.say("Ctrl-D or 'exit' leaves the shell.");
	});
	const end = () => {
		waiting.length = 0;
		editor.close();
		stopWaiting?.();
	};
	for (const signal of endings) process.once(signal, end);
	prompt();
	await new Promise<void>((resolve) =>
		editor.once("close", () => {
			isClosed = true;
			if (output.editor) process.stdout.write("\n"); // below the prompt
			output.editor = undefined;
			resolve();
		}),
	);
	await running;
	for (const signal of endings) process.off(signal, end);
}

/** Runs one line. An error is printed, and the shell continues. */
async function run(
	lines: ShellLines,
	line: string,
	output: ShellOutput,
): Promise<"leave" | undefined> {
	try {
		return (await lines.run(line)) === "leave" ? "leave" : undefined;
	} catch (error) {
		output.printError(errorLine(error));
		return undefined;
	}
}

/** Whether a terminal shows the text as it is. */
function isSafe(text: string): boolean {
	return onOneLine(text) === text;
}
