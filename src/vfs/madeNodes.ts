/** Nodes that are made of functions, and stand for no object of QEMU's. */
import { FileError } from "../errors.ts";
import { type FileHandle, snapshotHandle } from "./fileHandle.ts";
import type {
	Directory,
	Entry,
	File,
	Node,
	NodeKind,
	Symlink,
} from "./node.ts";
import type { Volume } from "./volume.ts";

export interface Place {
	readonly volume: Volume;
	/** In its volume. */
	readonly path: string;
	readonly mtimeMs: number;
	/** Whether it may have to wait for QEMU (false). */
	readonly waits?: boolean;
}

function made<Kind extends NodeKind>(
	{ volume, path, mtimeMs, waits = false }: Place,
	kind: Kind,
	mode: number,
	size: () => number,
) {
	const known = () => ({
		kind,
		mode: volume.mode(mode),
		size: size(),
		mtimeMs,
	});
	return {
		...{ kind, volume, path, waits, known },
		attributes: async () => known(),
	};
}

/** A file that can only be read. */
export function madeFile(
	place: Place,
	size: () => number,
	open: () => FileHandle | Promise<FileHandle>,
): File {
	return {
		...made(place, "file", 0o444, size),
		open: async ({ write }) => {
			if (write) throw new FileError("EACCES", "cannot be written");
			return open();
		},
	};
}

/** A file of a text that is known. */
export function textFile(place: Place, text: string): File {
	const bytes = Buffer.from(text);
	return madeFile(
		place,
		() => bytes.length,
		() => snapshotHandle(bytes),
	);
}

export function madeSymlink(place: Place, target: string): Symlink {
	return {
		...made(place, "symlink", 0o777, () => Buffer.byteLength(target)),
		target: async () => target,
	};
}

/** @param mode permission bits */
export function madeDirectory(
	place: Place,
	mode: number,
	contents: {
		lookup(name: string): Promise<Node | undefined>;
		entries(): Promise<readonly Entry[]>;
	},
): Directory {
	return { ...made(place, "directory", mode, () => 0), ...contents };
}

/** The entries of a directory of which all nodes are at hand. */
export function entriesOf(nodes: ReadonlyMap<string, Node>): readonly Entry[] {
	return [...nodes].map(([name, node]) => ({ name, node }));
}
