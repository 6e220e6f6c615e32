/** `.qomfs/`: the mount's own files. Reachable by name but not listed, as ZFS does with `.zfs`. */
import { FileError } from "../errors.ts";
import type { Json } from "../json.ts";
import { formatJson } from "../json.ts";
import type { LogFile } from "./logFile.ts";
import {
	type Attributes,
	type Directory,
	type File,
	type FileHandle,
	type Node,
	snapshotHandle,
} from "./node.ts";

/** Path of the control directory in the mount. */
export const controlPath = "/.qomfs";

/** What `.qomfs/status` says, gathered by whoever knows it. */
export type StatusReport = () => { readonly [key: string]: Json };

export class ControlTree {
	readonly #files: ReadonlyMap<string, File>;
	readonly #sinceMs: number;

	constructor(
		status: StatusReport,
		logs: { readonly errors: LogFile; readonly events: LogFile },
		sinceMs: number,
	) {
		this.#sinceMs = sinceMs;
		const text = () => Buffer.from(`${formatJson(status())}\n`);
		this.#files = new Map([
			// Made anew for every open, so as in /proc its size is not known before: one that the
			// kernel still has from another would cut it short.
			[
				"status",
				this.#file(
					() => 0,
					() => snapshotHandle(text()),
				),
			],
			...Object.entries(logs).map(
				([name, log]) =>
					[
						name,
						this.#file(
							() => log.size,
							() => log.open(),
						),
					] as const,
			),
		]);
	}

	/** Whether a path lies in the control directory. */
	static owns(path: string): boolean {
		return path === controlPath || path.startsWith(`${controlPath}/`);
	}

	/** @throws FileError ENOENT */
	resolve(path: string): Node {
		if (path === controlPath) return this.#directory();
		const file = this.#files.get(path.slice(controlPath.length + 1));
		if (!file) throw new FileError("ENOENT", "no such file");
		return file;
	}

	#directory(): Directory {
		return {
			kind: "directory",
			attributes: async () => this.#attributes("directory", 0o700, 0),
			entries: async () =>
				[...this.#files.keys()].map((name) => ({ name, kind: "file" })),
		};
	}

	#file(size: () => number, open: () => FileHandle): File {
		return {
			kind: "file",
			attributes: async () => this.#attributes("file", 0o444, size()),
			open: async ({ write }) => {
				if (write) throw new FileError("EACCES", "cannot be written");
				return open();
			},
		};
	}

	#attributes(
		kind: Attributes["kind"],
		mode: number,
		size: number,
	): Attributes {
		return { kind, mode, size, mtimeMs: this.#sinceMs };
	}
}
