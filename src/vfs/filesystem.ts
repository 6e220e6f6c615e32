/**
 * POSIX on top of nodes: paths, handles, one method per operation, each named after its
 * system call. Errors are thrown as they are; `errno.ts` translates them.
 */
import { constants } from "node:fs";
import { FileError } from "../errors.ts";
import { maxNameBytes } from "../qom/path.ts";
import { ControlTree } from "./controlTree.ts";
import type { Attributes, Entry, FileHandle, Node } from "./node.ts";
import type { QomTree } from "./qomTree.ts";

export interface Statfs {
	readonly maxNameBytes: number;
	readonly blockBytes: number;
}

export class FileSystem {
	readonly #qom: QomTree;
	readonly #control: ControlTree;
	readonly #handles = new Map<number, FileHandle>();
	#lastHandle = 0;

	constructor(qom: QomTree, control: ControlTree) {
		this.#qom = qom;
		this.#control = control;
	}

	async getattr(path: string): Promise<Attributes> {
		return (await this.#resolve(path)).attributes();
	}

	async readdir(path: string): Promise<Entry[]> {
		const node = await this.#resolve(path);
		if (node.kind !== "directory")
			throw new FileError("ENOTDIR", `${path}: not a directory`);
		return node.entries();
	}

	async readlink(path: string): Promise<string> {
		const node = await this.#resolve(path);
		if (node.kind !== "symlink")
			throw new FileError("EINVAL", `${path}: not a symlink`);
		return node.target();
	}

	/** Takes the flags of open(2); returns the number of a new handle. */
	async open(path: string, flags: number): Promise<number> {
		const mode =
			flags & (constants.O_RDONLY | constants.O_WRONLY | constants.O_RDWR);
		if (mode !== constants.O_RDONLY || flags & constants.O_TRUNC)
			throw readOnly(path);
		const node = await this.#resolve(path);
		if (node.kind !== "file")
			throw new FileError("EISDIR", `${path}: not a file`);
		const handle = await node.open({ read: true, write: false });
		this.#handles.set(++this.#lastHandle, handle);
		return this.#lastHandle;
	}

	async read(
		handle: number,
		length: number,
		position: number,
	): Promise<Uint8Array> {
		const open = this.#handles.get(handle);
		if (!open) throw new FileError("EBADF", `handle ${handle} is not open`);
		return open.read(length, position);
	}

	async release(handle: number): Promise<void> {
		this.#handles.delete(handle);
	}

	statfs(): Statfs {
		return { maxNameBytes, blockBytes: 4096 };
	}

	/** Every operation that would change something. */
	async refuse(path: string): Promise<never> {
		throw readOnly(path);
	}

	async #resolve(path: string): Promise<Node> {
		return ControlTree.owns(path)
			? this.#control.resolve(path)
			: this.#qom.resolve(path);
	}
}

function readOnly(path: string): FileError {
	return new FileError("EROFS", `${path}: the tree is read-only`);
}
