/** `.qomfs/`: a volume's own files. Reachable by name but not listed, as ZFS does with `.zfs`. */
import { formatJson, type JsonObject } from "../../json.ts";
import { joinPath } from "../../qom/path.ts";
import { snapshotHandle } from "../fileHandle.ts";
import {
	entriesOf,
	madeDirectory,
	madeFile,
	madeSymlink,
} from "../madeNodes.ts";
import type { Directory, Node } from "../node.ts";
import type { Volume } from "../volume.ts";
import type { LogFile } from "./logFile.ts";

export const controlName = ".qomfs";
/** In it, what leads to the shared monitor, or to the snapshot that is mounted. */
export const linkNames = { monitor: "qmp.sock", snapshot: "snapshot" } as const;

export interface ControlFiles {
	/** Gives what `status` shows. */
	readonly status: () => JsonObject;
	readonly events: LogFile;
	/** Where links lead now; what leads nowhere is not there. */
	readonly links: () => Readonly<
		Partial<Record<keyof typeof linkNames, string | undefined>>
	>;
	/** What else is in it. */
	readonly directories?: readonly (readonly [
		name: string,
		directory: Directory,
	])[];
}

export function controlDirectory(
	volume: Volume,
	{ status, events, links, directories = [] }: ControlFiles,
): Directory {
	const path = `/${controlName}`;
	const mtimeMs = Date.now();
	const place = (name: string) => ({
		...{ volume, mtimeMs },
		path: joinPath(path, name),
	});
	const log = (name: string, lines: LogFile) =>
		madeFile(
			place(name),
			() => lines.size,
			() => lines.open(),
		);
	// Made anew for every open, so as in /proc its size is not known before: one that the
	// kernel still has from another would cut it short.
	const statusFile = madeFile(
		place("status"),
		() => 0,
		() => snapshotHandle(Buffer.from(`${formatJson(status())}\n`)),
	);
	const fixed: readonly (readonly [name: string, node: Node])[] = [
		["status", statusFile],
		["errors", log("errors", volume.errors.file)],
		["events", log("events", events)],
		...directories,
	];
	const nodes = (): ReadonlyMap<string, Node> => {
		const targets = links();
		const symlinks = (["monitor", "snapshot"] as const).flatMap((key) => {
			const target = targets[key];
			const name = linkNames[key];
			return target === undefined
				? []
				: [[name, madeSymlink(place(name), target)] as const];
		});
		return new Map([...fixed, ...symlinks]);
	};
	return madeDirectory({ volume, path, mtimeMs }, 0o700, {
		lookup: async (name) => nodes().get(name),
		entries: async () => entriesOf(nodes()),
	});
}
