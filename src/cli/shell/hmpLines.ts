/** Lines for the human monitor, which are sent unchanged. */
import { CommandError, UsageError } from "../../errors.ts";
import { formatJson, type Json } from "../../json.ts";
import type { Completion } from "../../schema/completion.ts";
import type {
	Outcome,
	PrintOptions,
	ShellLines,
	ShellOutput,
} from "./lines.ts";
import { pythonJson } from "./pythonJson.ts";
import type { ShellSession } from "./shellSession.ts";

/** Runs lines of the human monitor. */
export class HmpLines implements ShellLines {
	readonly prompt = "(QEMU) ";
	readonly #session: ShellSession;
	readonly #output: ShellOutput;
	readonly #options: PrintOptions;
	/** Undefined until the user selects one, because not every machine has a CPU. */
	#cpuIndex: number | undefined;

	constructor(
		session: ShellSession,
		output: ShellOutput,
		options: PrintOptions,
	) {
		this.#session = session;
		this.#output = output;
		this.#options = options;
	}

	readonly isInside = false;

	async run(line: string): Promise<Outcome> {
		const [command, argument] = line.trim().split(/\s+/);
		if (!command) return "done";
		if (command === "exit" && argument === undefined) return "leave";
		try {
			if (command === "cpu") await this.#selectCpu(argument);
			else this.#show(await this.#ask(line, this.#cpuIndex));
		} catch (error) {
			if (!(error instanceof CommandError)) throw error;
			this.#output.printError(`${error.class}: ${error.desc}`);
			return "refused";
		}
		if (command !== "quit" && command !== "q") return "done";
		await this.#session.awaitEnd();
		return "leave";
	}

	abandon(): boolean {
		return false;
	}

	async complete(line: string): Promise<Completion> {
		const { completeHmp } = await import("./hmpCompletion.ts");
		return completeHmp(this.#session, line);
	}

	/** QMP does not keep what `cpu` selects, so each command names the CPU. */
	async #selectCpu(argument: string | undefined): Promise<void> {
		if (argument === undefined || !/^\d{1,6}$/.test(argument))
			throw new UsageError("cpu needs the number of a CPU");
		const index = Number(argument);
		await this.#ask("info version", index);
		this.#cpuIndex = index;
		this.#output.say(`CPU ${index}`);
	}

	#ask(line: string, cpuIndex: number | undefined): Promise<Json> {
		const args = {
			"command-line": line,
			...(cpuIndex !== undefined && { "cpu-index": cpuIndex }),
		};
		if (this.#options.isVerbose)
			this.#output.print(
				pythonJson(
					{ execute: "human-monitor-command", arguments: args },
					this.#options,
				),
			);
		return this.#session.execute("human-monitor-command", args);
	}

	#show(value: Json): void {
		const text = typeof value === "string" ? value : formatJson(value);
		const lines = text.replaceAll("\r\n", "\n").replace(/\n$/, "");
		if (lines) this.#output.print(lines);
	}
}
