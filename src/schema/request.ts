/**
 * A QMP command as a user writes it, and how it is executed: QEMU's schema gives its arguments
 * their kinds, and if QEMU then expects another kind, the command is sent again with that.
 */
import { CommandError, UsageError } from "../errors.ts";
import { isObject, type Json, type JsonObject, parseTyped } from "../json.ts";
import { type Pair, readDocument, readPair, splitWords } from "./literal.ts";
import type { QmpSchema } from "./schema.ts";

/** A command with its arguments. */
export type QmpRequest =
	| { readonly command: string; readonly pairs: readonly Pair[] }
	/** Given in JSON, and sent unchanged. */
	| { readonly command: string; readonly args: JsonObject | undefined };

/** Executes one command. Whatever it throws is passed on. */
export type Execute = (command: string, args?: JsonObject) => Promise<Json>;

/** Returns the schema of QEMU; undefined if QEMU has none. */
export type SchemaSource = () => Promise<QmpSchema | undefined>;

/**
 * Reads `COMMAND NAME=VALUE...` or `{"execute": ...}`.
 *
 * @returns undefined for an empty line
 * @throws UsageError
 */
export function readRequest(line: string): QmpRequest | undefined {
	if (line.trimStart().startsWith("{")) return readJsonRequest(line);
	const words = splitWords(line);
	return words.length === 0 ? undefined : requestOf(words);
}

/**
 * @param words the command, then `NAME=VALUE` or `--NAME=VALUE` each
 * @throws UsageError
 */
export function requestOf([
	command = "",
	...words
]: readonly string[]): QmpRequest {
	if (!/^\w[\w.-]*$/.test(command))
		throw new UsageError(
			`'${command}' is not a command; write COMMAND NAME=VALUE...`,
		);
	const [document = ""] = words;
	const args =
		words.length === 1 && document.startsWith("{")
			? readDocument(document)
			: undefined;
	if (isObject(args)) return { command, args };
	try {
		return { command, pairs: words.map(readPair) };
	} catch (error) {
		throw concerning(command, error);
	}
}

/** @throws UsageError */
function readJsonRequest(text: string): QmpRequest {
	let message: Json;
	try {
		message = parseTyped(text);
	} catch (cause) {
		throw new UsageError(
			`a command in JSON cannot be read: ${(cause as Error).message}`,
			{ cause },
		);
	}
	const { execute, arguments: args } = isObject(message) ? message : {};
	if (typeof execute !== "string" || (args !== undefined && !isObject(args)))
		throw new UsageError(
			'a command in JSON must be {"execute": NAME, "arguments": {...}}',
		);
	return { command: execute, args };
}

/**
 * Executes a request. The schema is used if there are arguments, or if a mistake is to be explained.
 *
 * @throws UsageError an unknown command, or an unknown or missing argument; its cause is the
 * refusal of QEMU, if QEMU was asked; whatever `execute` throws
 */
export async function executeRequest(
	request: QmpRequest,
	schemaOf: SchemaSource,
	execute: Execute,
): Promise<Json> {
	if (!("pairs" in request)) return execute(request.command, request.args);
	const { command, pairs } = request;
	try {
		return await (pairs.length > 0
			? executeTyped(command, pairs, schemaOf, execute)
			: execute(command));
	} catch (error) {
		// It was not executed. The schema may know another name, or which argument is missing.
		const isMistake =
			error instanceof CommandError &&
			(error.class === "CommandNotFound" ||
				(pairs.length === 0 && / is missing$/.test(error.desc)));
		const schema = isMistake ? await schemaOf() : undefined;
		if (!isMistake || !schema) throw error;
		try {
			const { commandNamed } = await import("./typedArguments.ts");
			const name = commandNamed(schema, command);
			// The command exists, but QEMU does not accept it now.
			if (name === command && error.class === "CommandNotFound") throw error;
			return await executeTyped(name, pairs, schemaOf, execute);
		} catch (explanation) {
			throw explanation instanceof UsageError
				? new UsageError(explanation.message, { cause: error })
				: explanation;
		}
	}
}

async function executeTyped(
	command: string,
	pairs: readonly Pair[],
	schemaOf: SchemaSource,
	execute: Execute,
): Promise<Json> {
	const { guessedArguments, typedArguments } = await import(
		"./typedArguments.ts"
	);
	// If the schema does not have the command, QEMU will refuse it.
	const type = (await schemaOf())?.argumentsOf(command);
	const { args, guesses } = about(command, () =>
		type ? typedArguments(type, pairs) : guessedArguments(pairs),
	);
	return executeCorrecting(
		command,
		pairs.length > 0 ? args : undefined,
		guesses,
		execute,
	);
}

/**
 * Executes a command. If QEMU refuses the kind of a guessed argument, and its text can be read as
 * the kind that QEMU expects, the command is executed again. Such a refusal has changed nothing.
 */
async function executeCorrecting(
	command: string,
	args: JsonObject | undefined,
	guesses: ReadonlyMap<string, string>,
	execute: Execute,
): Promise<Json> {
	const left = new Map(guesses);
	let corrected = args;
	for (;;) {
		try {
			return await execute(command, corrected);
		} catch (error) {
			const better =
				error instanceof CommandError
					? await correction(error, left)
					: undefined;
			if (!better) throw error;
			const [key, value] = better;
			left.delete(key);
			corrected = replaced(corrected ?? {}, key.split("."), value);
		}
	}
}

/** The argument whose kind QEMU refused, with its value in the kind that QEMU expects. */
async function correction(
	error: CommandError,
	guesses: ReadonlyMap<string, string>,
): Promise<[key: string, value: Json] | undefined> {
	if (guesses.size === 0) return undefined;
	const [{ refusalOf }, { kindOfType }, { scalarOf }] = await Promise.all([
		import("../qom/refusal.ts"),
		import("../qom/codec.ts"),
		import("./typedText.ts"),
	]);
	const { expected } = refusalOf(error, "");
	if (expected === undefined) return undefined;
	const named = /'([^']*)'/.exec(error.desc)?.[1] ?? "";
	// The refusal of qom-set names the property instead of the argument.
	const key = guesses.has(named)
		? named
		: guesses.size === 1
			? [...guesses.keys()][0]
			: undefined;
	const text = key === undefined ? undefined : guesses.get(key);
	if (key === undefined || text === undefined) return undefined;
	const value = about(error.command, () =>
		scalarOf(text, kindOfType(expected), key, expected),
	);
	return value === undefined ? undefined : [key, value];
}

function replaced(
	object: JsonObject,
	[name = "", ...names]: readonly string[],
	value: Json,
): JsonObject {
	const member = object[name];
	const isDeeper = names.length > 0 && isObject(member);
	return {
		...object,
		[name]: isDeeper ? replaced(member, names, value) : value,
	};
}

function about<Value>(command: string, act: () => Value): Value {
	try {
		return act();
	} catch (error) {
		throw concerning(command, error);
	}
}

function concerning(command: string, error: unknown): unknown {
	return error instanceof UsageError
		? new UsageError(`${command}: ${error.message}`, { cause: error })
		: error;
}
