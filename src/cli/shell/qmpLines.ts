/** The language of `(QEMU)`: one QMP command a line, or a transaction of several. */
import { CommandError, UsageError } from "../../errors.ts";
import type { Json, JsonObject } from "../../json.ts";
import { isUnfinished } from "../../qom/codec.ts";
import type { Completion } from "../../schema/completion.ts";
import { readPair, splitWords } from "../../schema/literal.ts";
import {
	executeRequest,
	type QmpRequest,
	readRequest,
} from "../../schema/request.ts";
import { actionTypes } from "../../schema/transaction.ts";
import { errorLine } from "../text.ts";
import type {
	Outcome,
	PrintOptions,
	ShellLines,
	ShellOutput,
} from "./lines.ts";
import { pythonJson } from "./pythonJson.ts";
import type { ShellSession } from "./shellSession.ts";

/** Runs lines of QMP, and transactions over several lines. */
export class QmpLines implements ShellLines {
	readonly #session: ShellSession;
	readonly #output: ShellOutput;
	readonly #options: PrintOptions;
	/** The actions of a transaction that is not complete; undefined outside of one. */
	#actions: JsonObject[] | undefined;
	/** Lines of JSON that is not complete; empty outside of it. */
	#json = "";

	constructor(
		session: ShellSession,
		output: ShellOutput,
		options: PrintOptions,
	) {
		this.#session = session;
		this.#output = output;
		this.#options = options;
	}

	get prompt(): string {
		if (this.#json) return "... ";
		return this.#actions ? "TRANS> " : "(QEMU) ";
	}

	get isInside(): boolean {
		return this.#json !== "";
	}

	async run(line: string): Promise<Outcome> {
		if (this.#json || line.trimStart().startsWith("{"))
			return this.#runJson(`${this.#json}${line}\n`);
		const words = splitWords(line);
		if (words[0] === "transaction(" && !this.#actions)
			return this.#begin(words.slice(1));
		if (this.#actions) return this.#transact(this.#actions, words);
		if (words.length === 1 && words[0] === "exit") return "leave";
		if (words[0] === "help") return this.#help(words.slice(1));
		if (words.includes("--help")) return this.#help(words);
		return this.#execute(readRequest(line));
	}

	abandon(): boolean {
		const isBegun = this.#actions !== undefined || this.#json !== "";
		this.#actions = undefined;
		this.#json = "";
		return isBegun;
	}

	async complete(line: string): Promise<Completion> {
		const { completeQmp } = await import("../../schema/completion.ts");
		return completeQmp(this.#session, line, this.#actions !== undefined);
	}

	/** JSON may span lines. */
	async #runJson(text: string): Promise<Outcome> {
		this.#json = "";
		if (isUnfinished(text)) {
			this.#json = text;
			return "done";
		}
		return this.#execute(readRequest(text));
	}

	/** @throws UsageError there is no such command */
	async #help([command, ...words]: readonly string[]): Promise<Outcome> {
		const schema = await this.#session.schema();
		if (command === undefined)
			this.#output.print(generalHelp(schema?.commandNames ?? []));
		else if (!schema)
			throw new UsageError("this QEMU does not describe its commands");
		else {
			const { helpFor } = await import("../../schema/help.ts");
			const pairs = words.filter((word) => word.includes("=")).map(readPair);
			const { columns } = process.stdout;
			const text = await helpFor(
				(asked, args) => this.#session.execute(asked, args),
				...([schema, "", command, pairs, columns] as const),
			);
			this.#output.print(text.trimEnd());
		}
		return "done";
	}

	/** A line with a mistake does not begin a transaction. */
	async #begin(words: readonly string[]): Promise<Outcome> {
		const actions: JsonObject[] = [];
		this.#actions = actions;
		try {
			return await this.#transact(actions, words);
		} catch (error) {
			this.#actions = undefined;
			throw error;
		}
	}

	/** Adds one action, or ends with `)`. */
	async #transact(
		actions: JsonObject[],
		words: readonly string[],
	): Promise<Outcome> {
		const [type, ...rest] = words;
		if (type === undefined) return "done";
		if (type === ")" && rest.length > 0)
			throw new UsageError(`'${rest[0]}' comes after the end of a transaction`);
		const isLast = words.at(-1) === ")";
		if (type !== ")")
			actions.push(await this.#action(type, isLast ? rest.slice(0, -1) : rest));
		if (!isLast) return "done";
		this.#actions = undefined;
		return this.#execute({ command: "transaction", args: { actions } });
	}

	async #action(type: string, words: readonly string[]): Promise<JsonObject> {
		const { guessedArguments, typedArguments } = await import(
			"../../schema/typedArguments.ts"
		);
		const pairs = words.map(readPair);
		const schema = await this.#session.schema();
		const data = schema && actionTypes(schema).get(type);
		const { args } = data
			? typedArguments(data, pairs)
			: guessedArguments(pairs);
		return { type, data: args };
	}

	async #execute(request: QmpRequest | undefined): Promise<Outcome> {
		if (!request) return "done";
		try {
			const value = await executeRequest(
				request,
				() => this.#session.schema(),
				(command, args) => this.#send(command, args),
			);
			this.#output.print(this.#text({ return: value }));
		} catch (error) {
			const refusal = error instanceof UsageError ? error.cause : error;
			if (!(refusal instanceof CommandError)) throw error;
			const { class: errorClass, desc } = refusal;
			this.#output.printError(
				this.#text({ error: { class: errorClass, desc } }),
			);
			if (refusal !== error) this.#output.say(errorLine(error));
			return "refused";
		}
		if (request.command !== "quit") return "done";
		await this.#session.awaitEnd();
		return "leave";
	}

	#send(command: string, args: JsonObject | undefined): Promise<Json> {
		if (this.#options.isVerbose)
			this.#output.print(
				this.#text({ execute: command, arguments: args ?? {} }),
			);
		return this.#session.execute(command, args);
	}

	#text(value: Json): string {
		return pythonJson(value, this.#options);
	}
}

/** What can be typed. */
function generalHelp(commands: readonly string[]): string {
	return [
		...rows(commands.toSorted()),
		"",
		"COMMAND [NAME=VALUE...]             a command, with arguments by their names",
		'{"execute": ..., "arguments": ...}  the same as JSON, over as many lines as it takes',
		"transaction( ... )                  actions of a transaction, one a line",
		"help COMMAND, COMMAND --help        what a command takes",
		"exit                                leaves the shell; so does Ctrl-D",
	].join("\n");
}

/** Words in as many columns as the terminal has room for. */
function rows(words: readonly string[]): string[] {
	const width = Math.max(1, ...words.map((word) => word.length)) + 2;
	const count = Math.max(1, Math.floor((process.stdout.columns ?? 80) / width));
	return Array.from({ length: Math.ceil(words.length / count) }, (_none, row) =>
		words
			.slice(row * count, (row + 1) * count)
			.map((word) => word.padEnd(width))
			.join("")
			.trimEnd(),
	);
}
