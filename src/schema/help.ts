/** The help of one QMP command, from the schema of the connected QEMU. */
import { CommandError, UsageError } from "../errors.ts";
import { didYouMean } from "../nearest.ts";
import { formatValue } from "../qom/codec.ts";
import { type DeviceProperty, deviceProperties } from "./deviceProperties.ts";
import type { Pair } from "./literal.ts";
import { typesOf } from "./liveNames.ts";
import type { Execute } from "./request.ts";
import type { QmpSchema } from "./schema.ts";
import { commandNamed } from "./typedArguments.ts";
import { placeholder } from "./typedText.ts";
import {
	describeType,
	type Member,
	memberNamed,
	membersOf,
	type SchemaType,
} from "./types.ts";

const columnsDefault = 80;

/**
 * The help of a command as the machine has it: with the properties of the device that `driver`
 * names.
 *
 * @throws UsageError there is no such command; CommandError there is no such device
 */
export async function helpFor(
	execute: Execute,
	schema: QmpSchema,
	name: string,
	givenName: string,
	pairs: readonly Pair[],
	columns?: number,
): Promise<string> {
	const driver = pairs.find(({ key }) => key === "driver")?.text;
	const isDevice = commandNamed(schema, givenName) === "device_add";
	const properties =
		isDevice && driver !== undefined
			? await deviceProperties(execute, driver).catch((error) =>
					refuseDevice(execute, driver, error),
				)
			: [];
	return commandHelp(schema, name, givenName, pairs, columns, properties);
}

/** @throws UsageError there is no such device, with the nearest one; else the error itself */
async function refuseDevice(
	execute: Execute,
	driver: string,
	error: unknown,
): Promise<never> {
	if (!(error instanceof CommandError)) throw error;
	const question = didYouMean(driver, await typesOf(execute, "device"));
	throw new UsageError(
		`device_add: there is no device '${driver}'; ${question ?? "TAB behind driver= lists them"}`,
		{ cause: error },
	);
}

/**
 * The usage, the required arguments, then the optional ones.
 *
 * @param name how `qmp` was called; empty where a command is typed alone
 * @param pairs arguments that were typed; the value of a tag selects the arguments of its variant
 * @param properties of the device that `driver` names
 * @throws UsageError there is no such command
 */
export function commandHelp(
	schema: QmpSchema,
	name: string,
	givenName: string,
	pairs: readonly Pair[],
	columns = columnsDefault,
	properties: readonly DeviceProperty[] = [],
): string {
	const command = commandNamed(schema, givenName);
	const type = schema.argumentsOf(command);
	if (!type) return "";
	const texts = new Map(
		pairs.map(({ key, text }) => [
			memberNamed(type.members, key)?.name ?? key,
			text,
		]),
	);
	const members = membersOf(type, (tag) => texts.get(tag));
	const tag = type.tag === undefined ? undefined : texts.get(type.tag);
	// Once the tag has a value, its other possible values are not shown.
	const shown = members.map(
		(member): Member =>
			member.name === type.tag && tag !== undefined && type.variants.has(tag)
				? { ...member, type: { kind: "enum", values: [tag] } }
				: member,
	);
	const required = shown.filter(({ isOptional }) => !isOptional);
	const optional = shown.filter(({ isOptional }) => isOptional);
	const called = name ? `${name} ${command}` : command;
	const usage = [
		called,
		...required.map(
			({ name, type: memberType }) => `${name}=${placeholder(memberType)}`,
		),
		...(optional.length > 0 || type.isOpen ? ["[NAME=VALUE...]"] : []),
	].join(" ");
	const sections = [`Usage: ${usage}`];
	if (required.length > 0)
		sections.push(`Required:\n${table(required.map(memberRow), columns)}`);
	if (optional.length > 0)
		sections.push(`Optional:\n${table(optional.map(memberRow), columns)}`);
	if (members.length === 0) sections.push("It takes no arguments.");
	if (properties.length > 0)
		sections.push(
			`Properties of ${texts.get("driver")}:\n${table(properties.map(propertyRow), columns)}`,
		);
	else if (type.isOpen)
		sections.push(
			`It also takes the properties of the device:\n  ${called} driver=NAME --help`,
		);
	if (type.tag !== undefined && !type.variants.has(tag ?? ""))
		sections.push(
			`More arguments depend on ${type.tag}:\n  ${called} ${type.tag}=VALUE --help`,
		);
	const nested = members.find(({ type: memberType }) => hasMembers(memberType));
	if (nested)
		sections.push(
			`Members of an object are given as ${nested.name}.MEMBER=VALUE, or all as JSON.`,
		);
	return `${sections.join("\n\n")}\n`;
}

function hasMembers(type: SchemaType): boolean {
	return type.kind === "alternate"
		? type.alternatives.some(hasMembers)
		: type.kind === "object";
}

type Row = readonly [term: string, meaning: string];

function memberRow({ name, type }: Member): Row {
	return [name, describeType(type).replaceAll("|", ", ")];
}

function propertyRow(property: DeviceProperty): Row {
	const { name, type, description, defaultValue } = property;
	const meaning = [type];
	if (description) meaning.push(`- ${description}`);
	if (defaultValue !== undefined)
		meaning.push(`(default: ${formatValue(defaultValue)})`);
	return [name, meaning.join(" ")];
}

function table(rows: readonly Row[], columns: number): string {
	const width = Math.max(...rows.map(([term]) => term.length)) + 4;
	return rows
		.map(
			([term, meaning]) =>
				`  ${term.padEnd(width - 2)}${wrapped(meaning.split(" "), width, columns)}`,
		)
		.join("\n");
}

/** Wraps words into lines between two columns. */
function wrapped(
	words: readonly string[],
	begin: number,
	columns: number,
): string {
	const lines = [""];
	for (const word of words) {
		const line = lines.at(-1) ?? "";
		if (line && begin + line.length + 1 + word.length > columns)
			lines.push(word);
		else lines[lines.length - 1] = line ? `${line} ${word}` : word;
	}
	return lines.join(`\n${" ".repeat(begin)}`);
}
