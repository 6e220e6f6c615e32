/** `.qomfs/`: a volume's own files. Reachable by name but not listed, as ZFS does with `.zfs`. */
import { FileError } from "../../errors.ts";
import { formatJson, type JsonObject } from "../../json.ts";
import { joinPath } from "../../qom/path.ts";
import { type FileHandle, snapshotHandle } from "../fileHandle.ts";
import type { Directory, File, NodeKind, Symlink } from "../node.ts";
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
}

export function controlDirectory(
	volume: Volume,
	{ status, events, links }: ControlFiles,
): Directory {
	const path = `/${controlName}`;
	const sinceMs = Date.now();
	const attributes = (kind: NodeKind, mode: number, size: () => number) => {
		const known = () => ({ kind, mode, size: size(), mtimeMs: sinceMs });
		return { attributes: async () => known(), known };
	};
	const file = (
		name: string,
		size: () => number,
		open: () => FileHandle,
	): readonly [string, File] => [
		name,
		{
			kind: "file",
			volume,
			path: joinPath(path, name),
			waits: false,
			...attributes("file", 0o444, size),
			open: async ({ write }) => {
				if (write) throw new FileError("EACCES", "cannot be written");
				return open();
			},
		},
	];
	const symlinks = (): Map<string, Symlink> => {
		const found = new Map<string, Symlink>();
		const targets = links();
		for (const key of ["monitor", "snapshot"] as const) {
			const target = targets[key];
			if (target === undefined) continue;
			found.set(linkNames[key], {
				kind: "symlink",
				volume,
				path: joinPath(path, linkNames[key]),
				waits: false,
				...attributes("symlink", 0o777, () => Buffer.byteLength(target)),
				target: async () => target,
			});
		}
		return found;
	};
	const log = (name: string, lines: LogFile) =>
		file(
			name,
			() => lines.size,
			() => lines.open(),
		);
	const files = new Map([
		// Made anew for every open, so as in /proc its size is not known before: one that the
		// kernel still has from another would cut it short.
		file(
			"status",
			() => 0,
			() => snapshotHandle(Buffer.from(`${formatJson(status())}\n`)),
		),
		log("errors", volume.errors.file),
		log("events", events),
	]);
	return {
		kind: "directory",
		volume,
		path,
		waits: false,
		...attributes("directory", 0o700, () => 0),
		lookup: async (name) => files.get(name) ?? symlinks().get(name),
		entries: async () =>
			[...files, ...symlinks()].map(([name, node]) => ({ name, node })),
	};
}
