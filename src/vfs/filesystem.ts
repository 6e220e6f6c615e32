/**
 * POSIX on top of nodes: paths, handles, one method per operation, each named after its
 * system call. Errors are thrown as they are; `errno.ts` translates them.
 */
import { constants } from "node:fs";
import { FileError, TimeoutError } from "../errors.ts";
import { maxNameBytes, rootPath } from "../qom/path.ts";
import { ControlTree } from "./controlTree.ts";
import { errnoName } from "./errno.ts";
import type { ErrorLog } from "./errorLog.ts";
import { NewLinks } from "./newLinks.ts";
import type { Access, Attributes, Entry, FileHandle, Node } from "./node.ts";
import { type QomTree, xattrPrefix } from "./qomTree.ts";
import { ToldSizes } from "./toldSizes.ts";
import type { TreeOptions } from "./treePolicy.ts";

export interface Statfs {
	readonly maxNameBytes: number;
	readonly blockBytes: number;
}

/** Of the 64 requests that the binding takes at a time, so many may wait for QEMU. */
const maxWaiting = 48;

interface OpenFile {
	readonly path: string;
	readonly handle: FileHandle;
}

export class FileSystem {
	readonly #qom: QomTree;
	readonly #control: ControlTree;
	readonly #errors: ErrorLog;
	readonly #options: TreeOptions;
	readonly #newLinks = new NewLinks();
	readonly #open = new Map<number, OpenFile>();
	/** By path, the handle that was opened last. */
	readonly #newestOpen = new Map<string, FileHandle>();
	readonly #toldSizes: ToldSizes;
	#lastHandle = 0;
	/** Operations that are not answered yet. */
	#waiting = 0;

	constructor(parts: {
		qom: QomTree;
		control: ControlTree;
		errors: ErrorLog;
		options: TreeOptions;
		/** How long the kernel keeps a file's size. */
		sizeTtlMs: number;
	}) {
		this.#qom = parts.qom;
		this.#control = parts.control;
		this.#errors = parts.errors;
		this.#options = parts.options;
		this.#toldSizes = new ToldSizes(parts.sizeTtlMs);
	}

	/** An fstat comes here too, for the kernel asks by path: an open file answers it. */
	getattr(path: string): Promise<Attributes> {
		return this.#serve("getattr", path, async () => {
			const openSize = () => this.#newestOpen.get(path)?.size;
			const node = await this.#resolve(path);
			const attributes = await node.attributes(openSize());
			if (node.kind !== "file") return attributes;
			// It may have been opened meanwhile, and the next fstat is told what we say now.
			const size = openSize() ?? attributes.size;
			this.#toldSizes.tell(path, size);
			return { ...attributes, size };
		});
	}

	readdir(path: string): Promise<Entry[]> {
		return this.#serve("readdir", path, async () => {
			const node = await this.#resolve(path);
			if (node.kind !== "directory")
				throw new FileError("ENOTDIR", "not a directory");
			return node.entries();
		});
	}

	readlink(path: string): Promise<string> {
		return this.#serve("readlink", path, async () => {
			const node = await this.#resolve(path);
			if (node.kind !== "symlink")
				throw new FileError("EINVAL", "not a symlink");
			return node.target();
		});
	}

	/** Takes the flags of open(2); returns the number of a new handle. */
	open(path: string, flags: number): Promise<number> {
		return this.#serve("open", path, async () => {
			const access = accessOf(flags);
			if (access.write) this.#checkWritable();
			const node = await this.#resolve(path);
			if (node.kind !== "file") throw new FileError("EISDIR", "not a file");
			const handle = await node.open(access);
			const number = ++this.#lastHandle;
			this.#open.set(number, { path, handle });
			this.#newestOpen.set(path, handle);
			if (handle.size !== undefined)
				await this.#toldSizes.forgotten(path, handle.size);
			return number;
		});
	}

	async read(
		number: number,
		length: number,
		position: number,
	): Promise<Uint8Array> {
		const { path, handle } = this.#openFile(number);
		return this.#serve("read", path, () => handle.read(length, position));
	}

	async write(
		number: number,
		bytes: Uint8Array,
		position: number,
	): Promise<void> {
		const { path, handle } = this.#openFile(number);
		return this.#serve("write", path, () => handle.write(bytes, position));
	}

	/** Nobody hears of a failure any more, but it is recorded. */
	async release(number: number): Promise<void> {
		const { path, handle } = this.#openFile(number);
		this.#open.delete(number);
		if (this.#newestOpen.get(path) === handle) this.#newestOpen.delete(path);
		await this.#serve("close", path, async () => handle.release());
	}

	/** A property has no length to cut and no times to set: what a shell asks on the way is granted. */
	async truncate(): Promise<void> {
		this.#checkWritable();
	}

	async utimens(): Promise<void> {
		this.#checkWritable();
	}

	/** GNU `ln -sfn` makes a link under another name and renames it. */
	symlink(target: string, path: string): Promise<void> {
		return this.#serve("symlink", path, async () => {
			this.#checkWritable();
			if (!this.#options.unsafeWrites) throw guardedLinks();
			this.#newLinks.add(path, target);
		});
	}

	rename(from: string, to: string): Promise<void> {
		return this.#serve("rename", to, async () => {
			this.#checkWritable();
			const target = this.#newLinks.target(from);
			if (target === undefined) throw notPossible();
			const node = await this.#resolve(to);
			if (node.kind !== "symlink") throw notPossible();
			await node.retarget(target);
			this.#newLinks.remove(from);
		});
	}

	unlink(path: string): Promise<void> {
		return this.#serve("unlink", path, async () => {
			this.#checkWritable();
			if (!this.#newLinks.remove(path)) throw notPossible();
		});
	}

	async getxattr(path: string, name: string): Promise<string | undefined> {
		// The kernel asks for security.capability before every write.
		if (!name.startsWith(xattrPrefix)) return undefined;
		return this.#serve("getxattr", path, async () =>
			(await this.#resolve(path)).xattrs?.().get(name),
		);
	}

	listxattr(path: string): Promise<string[]> {
		return this.#serve(
			"listxattr",
			path,
			async () => (await this.#resolve(path)).xattrs?.().names() ?? [],
		);
	}

	statfs(): Statfs {
		return { maxNameBytes, blockBytes: 4096 };
	}

	/** Every operation that QOM has no counterpart of: create, mkdir, chmod... */
	refuse(operation: string, path: string): Promise<never> {
		return this.#serve(operation, path, async () => {
			this.#checkWritable();
			throw notPossible();
		});
	}

	async #resolve(path: string): Promise<Node> {
		if (ControlTree.owns(path)) return this.#control.resolve(path);
		return this.#newLinks.node(path) ?? this.#qom.resolve(path);
	}

	#openFile(number: number): OpenFile {
		const file = this.#open.get(number);
		if (!file) throw new FileError("EBADF", `handle ${number} is not open`);
		return file;
	}

	#checkWritable(): void {
		if (this.#options.readOnly)
			throw new FileError("EROFS", "mounted read-only");
	}

	/**
	 * Does what may have to wait for QEMU, and keeps the reason of a failure, which an errno
	 * cannot carry. Some requests of the kernel are left for what needs no QEMU, whatever waits.
	 *
	 * @throws TimeoutError at once, when too many wait already
	 */
	async #serve<Result>(
		operation: string,
		path: string,
		act: () => Promise<Result>,
	): Promise<Result> {
		const mayWait = !ControlTree.owns(path) && path !== rootPath;
		if (mayWait) this.#waiting++;
		try {
			if (mayWait && this.#waiting > maxWaiting)
				throw new TimeoutError(`${maxWaiting} others wait for QEMU already`);
			return await act();
		} catch (error) {
			// A shell looks for many names that are not there.
			if (operation === "getattr" && errnoName(error) === "ENOENT") throw error;
			// If even that cannot be found out, it is kept as a secret.
			const isSecret = await this.#qom.isSecret(path).catch(() => true);
			this.#errors.record(operation, path, error, isSecret);
			throw error;
		} finally {
			if (mayWait) this.#waiting--;
		}
	}
}

function accessOf(flags: number): Access {
	const mode =
		flags & (constants.O_RDONLY | constants.O_WRONLY | constants.O_RDWR);
	return {
		read: mode !== constants.O_WRONLY,
		write: mode !== constants.O_RDONLY || (flags & constants.O_TRUNC) !== 0,
		append: (flags & constants.O_APPEND) !== 0,
	};
}

function guardedLinks(): FileError {
	return new FileError(
		"EPERM",
		"links are guarded: they wire the running machine together; mount with -o unsafe_writes to change them all the same",
	);
}

function notPossible(): FileError {
	return new FileError(
		"EPERM",
		"what is here cannot be created, removed or renamed, and its mode and owner are fixed",
	);
}
