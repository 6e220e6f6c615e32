/** Directories that are open, and their listings as the kernel takes them. */
import { FileError } from "../../errors.ts";
import type { FileSystem } from "../../vfs/fileSystem.ts";
import type { Entry } from "../../vfs/node.ts";
import type { MountOptions } from "../backend.ts";
import * as abi from "./abi.ts";
import { attributesToTell, fileTypes, writeEntry } from "./attributes.ts";
import type { HeldNode, NodeTable } from "./nodes.ts";
import { bodyAt, type Request, readU64, writeU64 } from "./request.ts";

/** The listing stays as it was at the beginning, however the directory changes. */
interface OpenDirectory {
	entries?: readonly Entry[];
}

/** For a name that the kernel is told no number of; 0 would hide it. */
const unknownInode = 0xffff_ffff;

export class OpenDirectories {
	readonly #fs: FileSystem;
	readonly #nodes: NodeTable;
	readonly #options: MountOptions;
	readonly #open = new Map<number, OpenDirectory>();

	constructor(fs: FileSystem, nodes: NodeTable, options: MountOptions) {
		this.#fs = fs;
		this.#nodes = nodes;
		this.#options = options;
	}

	open(handle: number): void {
		this.#open.set(handle, {});
	}

	close(handle: number): void {
		this.#open.delete(handle);
	}

	/**
	 * Answers with the entries from an offset on, as many as there is room for.
	 *
	 * @param isPlus with the attributes of each (READDIRPLUS)
	 * @throws FileError EBADF
	 */
	async read(request: Request, isPlus: boolean): Promise<void> {
		const { body } = request;
		const held = this.#nodes.get(request.nodeid);
		const directory = this.#open.get(readU64(body, abi.readIn.fh));
		if (!directory) throw new FileError("EBADF", "the directory is not open");
		const first = readU64(body, abi.readIn.offset);
		const roomBytes = body.readUInt32LE(abi.readIn.size);
		// rewinddir(3) begins anew, too.
		if (first === 0 || !directory.entries)
			directory.entries = await this.#fs.readdir(held.node);
		const { entries } = directory;
		const told: HeldNode[] = [];
		const isTaken = request.answer((out) => {
			let at: number = bodyAt;
			for (let index = first; index < entries.length + 2; index++) {
				const entry = entries[index - 2] ?? {
					name: index === 0 ? "." : "..",
					node: held.node,
				};
				const direntAt = isPlus ? at + abi.entryOut.bytes : at;
				const bytes = direntAt - at + direntBytes(entry);
				if (at + bytes > bodyAt + roomBytes) break;
				let ino = unknownInode;
				if (index < 2) {
					ino = (index === 0 ? held : (held.parent ?? held)).id;
					out.fill(0, at, direntAt); // the kernel knows them
				} else if (isPlus) {
					const child = this.#nodes.place(held, entry.name, entry.node);
					ino = child.id;
					writeEntry(out, at, child, attributesToTell(child), this.#options);
					told.push(child);
				}
				writeDirent(out, direntAt, entry, ino, index + 1);
				at += bytes;
			}
			return at - bodyAt;
		});
		if (isTaken) for (const child of told) this.#nodes.remember(child);
	}
}

/** A `struct fuse_dirent` and its name, to a multiple of 8. */
function direntBytes({ name }: Entry): number {
	return Math.ceil((abi.dirent.bytes + Buffer.byteLength(name)) / 8) * 8;
}

/** @param next the offset of the entry after this one */
function writeDirent(
	out: Buffer,
	at: number,
	entry: Entry,
	ino: number,
	next: number,
): void {
	const nameAt = at + abi.dirent.bytes;
	const nameBytes = out.write(entry.name, nameAt);
	writeU64(out, ino, at + abi.dirent.ino);
	writeU64(out, next, at + abi.dirent.off);
	out.writeUInt32LE(nameBytes, at + abi.dirent.namelen);
	out.writeUInt32LE(fileTypes[entry.node.kind] >> 12, at + abi.dirent.type);
	out.fill(0, nameAt + nameBytes, at + direntBytes(entry));
}
