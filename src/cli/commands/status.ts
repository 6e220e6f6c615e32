/** `qomfs status`: the mounts of qomfs, and how each of them is. */
import { execFile } from "node:child_process";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import columnify from "columnify";
import { MountError } from "../../errors.ts";
import { canonicalMountpoint } from "../../fuse/mountpoint.ts";
import {
	formatJson,
	isObject,
	type JsonObject,
	parseJson,
} from "../../json.ts";
import type { CommandDefinition } from "../command.ts";
import { jsonOption } from "../options.ts";
import { print } from "../output.ts";
import { onOneLine } from "../text.ts";
import {
	completeMountpoint,
	type OwnMount,
	ownMounts,
	userName,
} from "./umount.ts";

interface StatusFlags {
	readonly json?: true;
}

export const command: CommandDefinition<StatusFlags> = {
	arguments: [
		{
			name: "[mountpoint]",
			help: "of one mount alone",
			complete: completeMountpoint,
		},
	],
	options: [jsonOption],
	async run([path], { json }) {
		const mounts = path === undefined ? ownMounts() : [await mountAt(path)];
		const shown = (await Promise.all(mounts.map(look))).flat();
		if (json) for (const each of shown) print(formatJson(each));
		else if (shown.length === 0)
			process.stderr.write("qomfs: nothing is mounted\n");
		else print(table(shown));
	},
};

/** @throws MountError */
async function mountAt(path: string): Promise<OwnMount> {
	// As it stands first: a mount that does not answer cannot be looked at.
	for (const name of [resolve, canonicalMountpoint]) {
		const mountpoint = await name(resolve(path));
		const mount = ownMounts().findLast(
			(each) => each.mountpoint === mountpoint,
		);
		if (mount) return mount;
	}
	throw new MountError(
		`${path}: no qomfs is mounted there; 'qomfs status' lists where it is`,
	);
}

/** Between two looks at the counters. */
const rateMs = 500;

/** What a mount tells of itself, and how busy it is; if it has several machines, of each. */
async function look({
	mountpoint,
	source,
	userId,
}: OwnMount): Promise<readonly JsonObject[]> {
	const known = { mountpoint, source };
	const before = await read(mountpoint);
	if (!isObject(before))
		return [
			{
				...known,
				connection:
					before === "denied"
						? `of ${await userName(userId)}`
						: "does not answer",
			},
		];
	await sleep(rateMs);
	const now = await read(mountpoint);
	const status = isObject(now) ? now : before;
	const { machines, ...whole } = status;
	if (!Array.isArray(machines)) return [withRate(known, before, status)];
	const earlier = machinesIn(before);
	return [
		{ ...known, ...whole, machines: machines.length },
		...machinesIn(status).map(({ name, ...machine }) =>
			withRate(
				{ mountpoint: join(mountpoint, String(name)) },
				earlier.find((each) => each.name === name) ?? machine,
				machine,
			),
		),
	];
}

function machinesIn({ machines }: JsonObject): readonly JsonObject[] {
	return Array.isArray(machines) ? machines.filter(isObject) : [];
}

function withRate(
	known: JsonObject,
	before: JsonObject,
	status: JsonObject,
): JsonObject {
	const commands = Number(status.commands) - Number(before.commands);
	const perSecond = Math.max(0, Math.round((commands * 1000) / rateMs));
	return {
		...known,
		...status,
		// What is no machine is sent none.
		...("commands" in status && { commandsPerSecond: perSecond }),
	};
}

/** `cat` is asked, for this process could not end while a daemon that is stopped keeps it waiting. */
async function read(
	mountpoint: string,
): Promise<JsonObject | "denied" | "late"> {
	try {
		const { stdout } = await promisify(execFile)(
			"cat",
			["--", join(mountpoint, ".qomfs/status")],
			{
				timeout: 2000,
				killSignal: "SIGKILL",
				env: { ...process.env, LC_ALL: "C" },
			},
		);
		const status = parseJson(stdout);
		return isObject(status) ? status : "late";
	} catch (error) {
		const { stderr = "" } = error as { stderr?: string };
		return /denied/.test(stderr) ? "denied" : "late";
	}
}

function table(mounts: readonly JsonObject[]): string {
	const rows = mounts.map((mount) => {
		const text = (name: string) => onOneLine(String(mount[name] ?? ""));
		return {
			mountpoint: text("mountpoint"),
			state: text("connection"),
			machine: text("machine"),
			qemu: text("qemu"),
			// Of several, each has a row of its own.
			source: "machines" in mount ? "" : text("source"),
			since: text("since").replace(/\.\d+Z$/, "Z"),
			pid: text("pid"),
			"commands/s": text("commandsPerSecond"),
		};
	});
	const lines = columnify(rows, {
		columnSplitter: "  ",
		headingTransform: (heading) => heading.toUpperCase(),
	}).split("\n");
	return lines.map((line) => line.trimEnd()).join("\n");
}
