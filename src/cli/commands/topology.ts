/** `qomfs topology`: the buses of a machine and what sits on them, its memory map, its interrupts. */
import { formatJson, type Json } from "../../json.ts";
import { drawDot } from "../../page/picture.ts";
import type { QomSource } from "../../qom/source.ts";
import {
	type Bus,
	type Device,
	type Topology,
	topologyOf,
} from "../../qom/topology/buses.ts";
import { dotOf } from "../../qom/topology/dot.ts";
import { type Interrupt, interruptsOf } from "../../qom/topology/interrupts.ts";
import { memoryMap, type Region } from "../../qom/topology/memory.ts";
import { survey } from "../../qom/topology/survey.ts";
import type { CommandDefinition } from "../command.ts";
import { type Branch, printTree } from "../drawTree.ts";
import { type MachineFlags, oneSource, withSource } from "../openSource.ts";
import {
	jsonOption,
	sourceHelp,
	sourceOption,
	timeoutOption,
} from "../options.ts";
import { print, printStyled, styled } from "../output.ts";
import { onOneLine } from "../text.ts";

interface TopologyFlags extends MachineFlags {
	readonly memory?: true;
	readonly interrupts?: true;
	readonly json?: true;
	readonly dot?: true;
	readonly svg?: true;
}

/** Those that show one thing each. */
const forms = ["memory", "interrupts", "json", "dot", "svg"] as const;

function formOption(form: (typeof forms)[number], help: string) {
	return {
		flags: `--${form}`,
		help,
		conflicts: forms.filter((other) => other !== form),
	};
}

export const command: CommandDefinition<TopologyFlags> = {
	arguments: [
		{ name: "[source]", help: `${sourceHelp} (default: QMP_SOCKET)` },
	],
	options: [
		formOption("memory", "show where memory regions lie"),
		formOption("interrupts", "show which interrupt leads where"),
		formOption("dot", "the buses as a graph for Graphviz"),
		formOption("svg", "the same, drawn"),
		{ ...jsonOption, ...formOption("json", "all of it as JSON") },
		sourceOption,
		timeoutOption,
	],
	run: ([source], flags, { isTyped }) =>
		withSource(oneSource(source, flags, isTyped), async ({ source }) => {
			if (flags.memory) return showMemory(await memoryMap(source));
			if (flags.interrupts) return showInterrupts(await interruptsOf(source));
			if (flags.json) return print(formatJson(await documentOf(source)));
			const topology = await topologyOf(source);
			if (!flags.dot && !flags.svg) return showBuses(topology);
			const dot = dotOf(topology);
			if (flags.dot) return print(dot, "");
			print(await drawDot(dot), "");
		}),
};

function showBuses({ buses, loose }: Topology): void {
	for (const bus of buses)
		printTree(
			`${nameOf(bus)}  ${styled("dim", onOneLine(bus.path))}`,
			branchOf(bus),
		);
	if (loose.length === 0) return;
	printTree(
		styled("bold", "on no bus"),
		Object.fromEntries(loose.map((device) => [lineOf(device), null])),
	);
}

function nameOf({ name, kind }: Bus): string {
	return `${styled(["bold", "blue"], onOneLine(name))} ${styled([], `(${onOneLine(kind)})`)}`;
}

function branchOf({ devices }: Bus): Branch {
	return Object.fromEntries(
		devices.map((device) => [
			lineOf(device),
			Object.fromEntries(
				device.buses.map((bus) => [nameOf(bus), branchOf(bus)]),
			),
		]),
	);
}

function lineOf({ address, type, id, path }: Device): string {
	return [
		...(address === undefined ? [] : [styled("cyan", onOneLine(address))]),
		styled("bold", onOneLine(type)),
		// The path of one with an id ends with it.
		styled("dim", onOneLine(id === undefined ? path : `${id}`)),
	].join("  ");
}

function showMemory(spaces: readonly Region[]): void {
	const shown = spaces.filter(({ regions }) => regions.length > 1);
	for (const space of shown) showRegion(space, 0);
}

function showRegion(region: Region, depth: number): void {
	const { start, size, path, overlaps, priority, regions } = region;
	const end = size === 0n ? "".padEnd(16) : address(start + size - 1n);
	const range = `${address(start)}-${end}`;
	const notes = [
		// What is mapped nowhere begins at 0 as well.
		...(depth === 0 && !/^\/machine\/unattached\/(system|io)\[0\]$/.test(path)
			? ["apart from memory and ports"]
			: []),
		...(priority === 0 ? [] : [`priority ${priority}`]),
		...(overlaps.length === 0 ? [] : [`overlaps ${overlaps.length}`]),
	];
	printStyled(
		[
			`${"  ".repeat(depth)}${styled("cyan", range)}`,
			sizeText(size).padStart(8),
			styled([], onOneLine(path)),
			...(notes.length === 0 ? [] : [styled("dim", `(${notes.join(", ")})`)]),
		].join("  "),
	);
	for (const each of regions) showRegion(each, depth + 1);
}

function address(number: bigint): string {
	return number.toString(16).padStart(16, "0");
}

const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/** `128 MiB`; in the largest unit that says it exactly. */
function sizeText(size: bigint): string {
	let [number, unit] = [size, 0];
	while (number > 0n && number % 1024n === 0n && unit < units.length - 1) {
		number /= 1024n;
		unit++;
	}
	return `${number} ${units[unit]}`;
}

function showInterrupts(lines: readonly Interrupt[]): void {
	for (const { from, output, to, input } of lines)
		printStyled(
			[
				`${styled([], onOneLine(from))}.${styled("cyan", onOneLine(output))}`,
				`${styled([], onOneLine(to))}/${styled("cyan", onOneLine(input))}`,
			].join("  ->  "),
		);
}

/** docs/explore.md describes it. */
async function documentOf(source: QomSource): Promise<Json> {
	// Elsewhere each value is a command of its own.
	const objects = await survey(source, () => source.givesValues);
	const { buses, loose } = await topologyOf(source, objects);
	return {
		buses: buses.map(busJson),
		loose: loose.map(deviceJson),
		memory: (await memoryMap(source, objects)).map(regionJson),
		interrupts: (await interruptsOf(source, objects)).map((each) => ({
			...each,
		})),
	};
}

function busJson({ devices, ...bus }: Bus): Json {
	return { ...bus, devices: devices.map(deviceJson) };
}

function deviceJson({ buses, id, address, ...device }: Device): Json {
	return {
		...device,
		id: id ?? null,
		address: address ?? null,
		buses: buses.map(busJson),
	};
}

function regionJson({ regions, ...region }: Region): Json {
	return { ...region, regions: regions.map(regionJson) };
}
