/**
 * POSIX on top of nodes: handles, and one method per operation, each named after its system call.
 * It knows names, not paths: a caller that has a path walks it by `lookup`. Errors are thrown as they
 * are; `errno.ts` translates them.
 */
import { constants } from "node:fs";
import { FileError } from "../errors.ts";
import { joinPath, maxNameBytes } from "../qom/path.ts";
import { errnoName } from "./errno.ts";
import type { FileHandle } from "./fileHandle.ts";
import type { Access, Attributes, Directory, Entry, Node } from "./node.ts";

export interface Statfs {
	readonly maxNameBytes: number;
	readonly blockBytes: number;
}

/** An open file. */
export interface OpenFile {
	readonly node: Node;
	readonly handle: FileHandle;
}

/** All extended attributes of ours begin so; whatever else the kernel asks for is not there. */
const xattrPrefix = "user.qom.";
const userPrefix = "user.";

export class FileSystem {
	readonly root: Directory;

	constructor(root: Directory) {
		this.root = root;
	}

	/** @throws FileError ENOENT, ENAMETOOLONG */
	async lookup(parent: Node, name: string): Promise<Node> {
		const directory = directoryOf(parent);
		if (Buffer.byteLength(name) > maxNameBytes)
			throw new FileError(
				"ENAMETOOLONG",
				`no name is longer than ${maxNameBytes} bytes`,
			);
		const hidden = directory.hidden?.(name);
		if (hidden) return hidden;
		return this.#serve(
			"lookup",
			directory,
			async () => {
				const node = await directory.lookup(name);
				if (node) return node;
				throw new FileError("ENOENT", "no such object or property");
			},
			name,
		);
	}

	/** @param open where an open file is meant, which need not be asked for its size */
	getattr(node: Node, open?: OpenFile): Promise<Attributes> {
		// A directory has nothing that QEMU would have to be asked for.
		if (node.kind === "directory") return node.attributes();
		return this.#serve("getattr", node, () =>
			node.attributes(open?.handle.size),
		);
	}

	readdir(node: Node): Promise<readonly Entry[]> {
		return this.#serve("readdir", node, async () =>
			directoryOf(node).entries(),
		);
	}

	readlink(node: Node): Promise<string> {
		return this.#serve("readlink", node, async () => {
			if (node.kind !== "symlink")
				throw new FileError("EINVAL", "not a symlink");
			return node.target();
		});
	}

	/** Takes the flags of open(2). */
	open(node: Node, flags: number): Promise<OpenFile> {
		return this.#serve("open", node, async () => {
			const access = accessOf(flags);
			if (access.write) checkWritable(node);
			if (node.kind !== "file") throw new FileError("EISDIR", "not a file");
			return { node, handle: await node.open(access) };
		});
	}

	read(
		{ node, handle }: OpenFile,
		length: number,
		position: number,
	): Promise<Uint8Array> {
		const act = () => handle.read(length, position);
		// What no longer changes is at hand.
		return handle.size === undefined
			? this.#serve("read", node, act)
			: this.#record("read", node, act);
	}

	write(
		{ node, handle }: OpenFile,
		bytes: Uint8Array,
		position: number,
	): Promise<void> {
		return this.#serve("write", node, () => handle.write(bytes, position));
	}

	/** Somebody does not wait for the end of an operation any more, though QEMU may be at it. */
	interrupted(operation: string, node: Node): void {
		const error = new FileError(
			"EINTR",
			"interrupted; QEMU may have been asked already, so the outcome is unknown",
		);
		node.volume.errors.record(operation, node.path, error, false);
	}

	/** Nobody hears of a failure any more, but it is recorded. */
	release({ node, handle }: OpenFile): Promise<void> {
		return this.#record("close", node, async () => handle.release());
	}

	/** A property has no length to cut and no times to set: what a shell asks on the way is granted. */
	async truncate(node: Node): Promise<void> {
		checkWritable(node);
	}

	async utimens(node: Node): Promise<void> {
		checkWritable(node);
	}

	/** GNU `ln -sfn` makes a link under another name and renames it. */
	symlink(parent: Node, name: string, target: string): Promise<void> {
		return this.#serve(
			"symlink",
			parent,
			async () => {
				const directory = changeable(parent);
				if (!directory.symlink) throw notPossible();
				directory.symlink(name, target);
			},
			name,
		);
	}

	/** A link that was just made takes the place of one of QEMU's. */
	rename(
		parent: Node,
		name: string,
		newParent: Node,
		newName: string,
	): Promise<void> {
		return this.#serve(
			"rename",
			newParent,
			async () => {
				const from = changeable(parent);
				const made = from.hidden?.(name);
				const replaced = await changeable(newParent).lookup(newName);
				if (
					made?.kind !== "symlink" ||
					replaced?.kind !== "symlink" ||
					!replaced.retarget
				)
					throw notPossible();
				await replaced.retarget(await made.target());
				from.unlink?.(name);
			},
			newName,
		);
	}

	unlink(parent: Node, name: string): Promise<void> {
		return this.#serve(
			"unlink",
			parent,
			async () => {
				if (!changeable(parent).unlink?.(name)) throw notPossible();
			},
			name,
		);
	}

	async getxattr(node: Node, name: string): Promise<string | undefined> {
		// The kernel asks for security.capability before every write, and ls(1) for access control
		// lists of every file until it hears that there are none here.
		if (!name.startsWith(userPrefix))
			throw new FileError("EOPNOTSUPP", "only user attributes are here");
		if (!name.startsWith(xattrPrefix)) return undefined;
		return this.#serve("getxattr", node, async () =>
			node.xattrs?.().get(name.slice(xattrPrefix.length)),
		);
	}

	listxattr(node: Node): Promise<string[]> {
		return this.#serve("listxattr", node, async () => {
			const names = (await node.xattrs?.().names()) ?? [];
			return names.map((name) => xattrPrefix + name);
		});
	}

	/**
	 * access(2), for root and whoever has mounted, who owns all there is. Of others the kernel
	 * judges by itself.
	 *
	 * @param wanted R_OK, W_OK and X_OK
	 * @param umask permission bits taken from every mode
	 * @throws FileError EACCES, EROFS
	 */
	async access(
		node: Node,
		wanted: number,
		isRoot: boolean,
		umask: number,
	): Promise<void> {
		const { R_OK, W_OK, X_OK } = constants;
		if (wanted & W_OK) checkWritable(node);
		const mode = node.known().mode & ~umask;
		const owners = (mode >> 6) & 0o7;
		const roots = R_OK | W_OK | (mode & 0o111 ? X_OK : 0);
		if (wanted & ~(isRoot ? roots : owners) & 0o7)
			throw new FileError("EACCES", "its mode does not permit that");
	}

	statfs(): Statfs {
		return { maxNameBytes, blockBytes: 4096 };
	}

	/**
	 * Every operation that QOM has no counterpart of: create, mkdir, chmod... It is not recorded:
	 * editors try some of them with every file.
	 */
	async refuse(node: Node): Promise<never> {
		checkWritable(node);
		throw notPossible();
	}

	/**
	 * Does what the node may have to wait for QEMU for.
	 *
	 * @param name of the entry that it is about, where `node` is its directory
	 */
	#serve<Result>(
		operation: string,
		node: Node,
		act: () => Promise<Result>,
		name?: string,
	): Promise<Result> {
		const serve = node.waits ? () => node.volume.wait(act) : act;
		return this.#record(operation, node, serve, name);
	}

	/** Keeps the reason of a failure, which an errno cannot carry. */
	async #record<Result>(
		operation: string,
		node: Node,
		act: () => Promise<Result>,
		name?: string,
	): Promise<Result> {
		const { volume } = node;
		try {
			return await act();
		} catch (error) {
			// A shell looks for many names that are not there.
			if (operation === "lookup" && errnoName(error) === "ENOENT") throw error;
			const path = name === undefined ? node.path : joinPath(node.path, name);
			volume.errors.record(operation, path, error, node.isSecret ?? false);
			throw error;
		}
	}
}

/** @throws FileError EROFS */
function checkWritable({ volume }: Node): void {
	if (volume.options.readOnly)
		throw new FileError("EROFS", "mounted read-only");
}

/** @throws FileError ENOTDIR */
function directoryOf(node: Node): Directory {
	if (node.kind === "directory") return node;
	throw new FileError("ENOTDIR", "not a directory");
}

/** @throws FileError EROFS, ENOTDIR */
function changeable(node: Node): Directory {
	checkWritable(node);
	return directoryOf(node);
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

function notPossible(): FileError {
	return new FileError(
		"EPERM",
		"what is here cannot be created, removed or renamed, and its mode and owner are fixed",
	);
}
