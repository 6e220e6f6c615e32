/** What the file system is made of. No FUSE and no QMP here. */

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

export interface Directory {
	readonly kind: "directory";
	attributes(): Promise<Attributes>;
	entries(): Promise<Entry[]>;
}

export interface File {
	readonly kind: "file";
	attributes(): Promise<Attributes>;
	open(access: Access): Promise<FileHandle>;
}

export interface Symlink {
	readonly kind: "symlink";
	attributes(): Promise<Attributes>;
	target(): Promise<string>;
}

export type Node = Directory | File | Symlink;

/** What an open file is for. */
export interface Access {
	readonly read: boolean;
	readonly write: boolean;
}

export interface FileHandle {
	/** Up to `length` bytes from `position`; fewer only at the end. */
	read(length: number, position: number): Promise<Uint8Array>;
}

/** A handle on bytes that no longer change: every read sees the same. */
export function snapshotHandle(bytes: Uint8Array): FileHandle {
	return {
		read: async (length, position) =>
			bytes.subarray(position, position + length),
	};
}
