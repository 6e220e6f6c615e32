/**
 * What the file system is made of: directories, files and symlinks, which know each other by
 * name alone. No FUSE and no QMP here.
 */
import type { FileHandle } from "./fileHandle.ts";
import type { Volume } from "./volume.ts";

export interface Attributes {
	readonly kind: NodeKind;
	/** Permission bits. */
	readonly mode: number;
	/** In bytes; for a symlink the length of its target. */
	readonly size: number;
	readonly mtimeMs: number;
}

/** What is known of them without asking anybody: all, but perhaps the size. */
export type KnownAttributes = Omit<Attributes, "size"> & {
	readonly size: number | undefined;
};

export type NodeKind = "directory" | "file" | "symlink";

export interface Entry {
	readonly name: string;
	readonly node: Node;
}

interface NodeBase {
	readonly volume: Volume;
	/** In its volume, `/` for the volume's root. */
	readonly path: string;
	/** Whether it may have to wait for QEMU. */
	readonly waits: boolean;
	/** Whether what is read from it or written to it must not be logged or shown elsewhere. */
	readonly isSecret?: boolean;
	/** @param openSize size of the bytes that an open handle shows, which need not be asked for */
	attributes(openSize?: number): Promise<Attributes>;
	known(): KnownAttributes;
	/** Extended attributes; undefined where there are none. */
	xattrs?(): Xattrs;
}

export interface Xattrs {
	names(): Promise<string[]>;
	get(name: string): Promise<string | undefined>;
}

export interface Directory extends NodeBase {
	readonly kind: "directory";
	/** What has this name; undefined where nothing has it. */
	lookup(name: string): Promise<Node | undefined>;
	/** What has this name, is not among the entries, and needs no QEMU. */
	hidden?(name: string): Node | undefined;
	entries(): Promise<readonly Entry[]>;
	/** @throws FileError where no symlink of this name can be */
	symlink?(name: string, target: string): void;
	/** Whether there was something of this name that could be removed. */
	unlink?(name: string): boolean;
}

export interface File extends NodeBase {
	readonly kind: "file";
	open(access: Access): Promise<FileHandle>;
}

export interface Symlink extends NodeBase {
	readonly kind: "symlink";
	target(): Promise<string>;
	/** Leads it elsewhere, to a target as `ln -s` takes it; where that can be done. */
	retarget?(target: string): Promise<void>;
}

export type Node = Directory | File | Symlink;

/** What an open file is for. */
export interface Access {
	readonly read: boolean;
	readonly write: boolean;
	/** Every write goes to the end, wherever that is (O_APPEND). */
	readonly append: boolean;
}
