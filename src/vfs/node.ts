/** What the file system is made of. No FUSE and no QMP here. */
import { FileError } from "../errors.ts";

export interface Attributes {
	readonly kind: NodeKind;
	/** Permission bits. */
	readonly mode: number;
	/** In bytes; for a symlink the length of its target. */
	readonly size: number;
	readonly mtimeMs: number;
}

export type NodeKind = "directory" | "file" | "symlink";

export interface Entry {
	readonly name: string;
	readonly kind: NodeKind;
}

interface NodeBase {
	/** @param openSize size of the bytes that an open handle shows, which need not be asked for */
	attributes(openSize?: number): Promise<Attributes>;
	/** Extended attributes; undefined where there are none. */
	xattrs?(): Xattrs;
}

export interface Xattrs {
	names(): Promise<string[]>;
	get(name: string): Promise<string | undefined>;
}

export interface Directory extends NodeBase {
	readonly kind: "directory";
	entries(): Promise<Entry[]>;
}

export interface File extends NodeBase {
	readonly kind: "file";
	open(access: Access): Promise<FileHandle>;
}

export interface Symlink extends NodeBase {
	readonly kind: "symlink";
	target(): Promise<string>;
	/** Leads it elsewhere, to a target as `ln -s` takes it. */
	retarget(target: string): Promise<void>;
}

export type Node = Directory | File | Symlink;

/** What an open file is for. */
export interface Access {
	readonly read: boolean;
	readonly write: boolean;
	/** Every write goes to the end, wherever that is (O_APPEND). */
	readonly append: boolean;
}

export interface FileHandle {
	/** Size of what it shows, where that no longer changes. */
	readonly size?: number;
	/** Up to `length` bytes from `position`; fewer only at the end. */
	read(length: number, position: number): Promise<Uint8Array>;
	write(bytes: Uint8Array, position: number): Promise<void>;
	/**
	 * Called once, when nobody has it open any more.
	 *
	 * @throws FileError for what was written and never came into effect; nobody can be told by then
	 */
	release(): void;
}

/** A handle on bytes that no longer change: every read sees the same. */
export function snapshotHandle(bytes: Uint8Array): FileHandle {
	return {
		size: bytes.length,
		read: async (length, position) =>
			bytes.subarray(position, position + length),
		write: async () => {
			throw new FileError("EBADF", "not open for writing");
		},
		release() {},
	};
}
