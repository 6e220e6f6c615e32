/** `.qomfs/`: a volume's own files. Reachable by name but not listed, as ZFS does with `.zfs`. */
import { FileError } from "../../errors.ts";
import { formatJson, type JsonObject } from "../../json.ts";
import { joinPath } from "../../qom/path.ts";
import { type FileHandle, snapshotHandle } from "../fileHandle.ts";
import type { Directory, File, NodeKind, Symlink } from "../node.ts";
import type { Volume } from "../volume.ts";
import type { LogFile } from "./logFile.ts";

export const controlName = ".qomfs";
/** In it, the shared monitor. */
export const socketName = "qmp.sock";

export interface ControlFiles {
	/** Gives what `status` shows. */
	readonly status: () => JsonObject;
	readonly events: LogFile;
	/** Path of the socket on which the monitor is shared, while it is. */
	readonly shared: () => string | undefined;
}

export function controlDirectory(
	volume: Volume,
	{ status, events, shared }: ControlFiles,
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
	const socket = (): Symlink | undefined => {
		const target = shared();
		return target === undefined
			? undefined
			: {
					kind: "symlink",
					volume,
					path: joinPath(path, socketName),
					waits: false,
					...attributes("symlink", 0o777, () => Buffer.byteLength(target)),
					target: async () => target,
				};
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
		lookup: async (name) => (name === socketName ? socket() : files.get(name)),
		entries: async () => {
			const node = socket();
			return [
				...[...files].map(([name, node]) => ({ name, node })),
				...(node ? [{ name: socketName, node }] : []),
			];
		},
	};
}
