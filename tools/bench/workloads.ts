/** What users do with a mount, and the fewest QMP commands that it takes. */
import type { LiveSource } from "../../src/qom/live.ts";
import { joinPath, type QomPath, rootPath } from "../../src/qom/path.ts";
import { parseType } from "../../src/qom/types.ts";

export interface Workload {
	readonly name: string;
	/** A shell line; `$M` is the mount. */
	readonly line: string;
	/** What is done before, and not measured. */
	readonly before?: string;
	/** The fewest commands for the same data, raw. */
	readonly floor: (source: LiveSource) => Promise<void>;
	/** Whether values are asked for anew, however soon it is run again. */
	readonly isFresh?: true;
	/** Of the whole tree. */
	readonly isSweep?: true;
	/** Left out where one run takes a minute or more. */
	readonly isSlow?: true;
}

const cpu = "/machine/unattached/device[0]";
const property: [QomPath, string] = ["/machine", "graphics"];

export const workloads: readonly Workload[] = [
	{
		name: "ls DIR",
		line: 'ls "$M/machine"',
		floor: (source) => contents(source, ["/machine"]),
	},
	{
		name: "ls -l DIR",
		line: 'ls -l "$M/machine/unattached/device[0]"',
		before: 'ls -d "$M/machine/unattached/device[0]"',
		floor: (source) => everyValue(source, cpu),
	},
	{
		name: "cat PROPERTY",
		line: 'cat "$M/machine/graphics"',
		before: 'ls "$M/machine"',
		floor: async (source) => void (await source.get(...property)),
		isFresh: true,
	},
	{
		name: "echo > PROPERTY",
		line: 'echo on > "$M/machine/graphics"',
		before: 'ls "$M/machine"',
		floor: (source) => source.set(...property, true),
		isFresh: true,
	},
	{
		name: "find",
		line: 'find "$M"',
		floor: (source) => sweep(source, false),
		isSweep: true,
	},
	{
		name: "find -size",
		line: 'find "$M" -size +4k',
		floor: (source) => sweep(source, true),
		isSweep: true,
		isSlow: true,
	},
	{
		name: "ls -lR",
		line: 'ls -lR "$M"',
		floor: (source) => sweep(source, true),
		isSweep: true,
		isSlow: true,
	},
	{
		name: "grep -r",
		line: 'grep -r . "$M"',
		floor: (source) => sweep(source, true),
		isFresh: true,
		isSweep: true,
		isSlow: true,
	},
	{
		name: "tar",
		line: 'tar -C "$M" --ignore-failed-read -cf - . | cat',
		floor: (source) => sweep(source, true),
		isFresh: true,
		isSweep: true,
		isSlow: true,
	},
];

/** Paths in one raw `qom-list-get`; with more, the rest of the machine notices. */
const chunk = 100;

async function contents(
	source: LiveSource,
	paths: readonly QomPath[],
): Promise<void> {
	await source.contents(paths);
}

async function everyValue(source: LiveSource, path: QomPath): Promise<void> {
	const object = (await source.contents([path])).get(path);
	if (!object || !("properties" in object) || source.givesValues) return;
	for (const { name, type } of object.properties)
		if (parseType(type).kind !== "child")
			await source.get(path, name).catch(() => {});
}

/** Level by level, as many objects in one command as there may be. */
async function sweep(source: LiveSource, withValues: boolean): Promise<void> {
	let level: QomPath[] = [rootPath];
	while (level.length > 0) {
		const next: QomPath[] = [];
		for (let start = 0; start < level.length; start += chunk) {
			const paths = level.slice(start, start + chunk);
			for (const [path, object] of await source.contents(paths)) {
				if (!("properties" in object)) continue;
				for (const { name, type } of object.properties) {
					const { kind } = parseType(type);
					if (kind === "child") next.push(joinPath(path, name));
					else if (withValues && !source.givesValues)
						await source.get(path, name).catch(() => {});
				}
			}
		}
		level = next;
	}
}
