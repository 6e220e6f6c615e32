/** Nodes by path, for a binding that knows paths where a FileSystem knows names. */
import { posix } from "node:path";
import type { FileSystem } from "../vfs/fileSystem.ts";
import type { Directory, Node } from "../vfs/node.ts";

/** Directories that a path has led through, enough for those that are in use. */
const mostDirectories = 4096;

/** The kernel has looked up every directory before what is in it, so directories are kept. */
export class Paths {
	readonly #fs: FileSystem;
	/** The least recently looked up first. */
	readonly #directories = new Map<string, Directory>();

	constructor(fs: FileSystem) {
		this.#fs = fs;
	}

	/** @param given null never comes, but the binding's types allow it */
	async node(given: string | null): Promise<Node> {
		const path = given ?? "/";
		if (path === "/") return this.#fs.root;
		const [parent, name] = await this.entry(path);
		const node = await this.#fs.lookup(parent, name);
		if (node.kind === "directory") this.#keep(path, node);
		return node;
	}

	/** The directory that a path's last name is in, and that name. */
	async entry(given: string | null): Promise<[parent: Node, name: string]> {
		const path = given ?? "/";
		const parent = posix.dirname(path);
		return [
			this.#directories.get(parent) ?? (await this.node(parent)),
			posix.basename(path),
		];
	}

	#keep(path: string, directory: Directory): void {
		this.#directories.delete(path);
		this.#directories.set(path, directory);
		const [oldest] = this.#directories.keys();
		if (this.#directories.size > mostDirectories && oldest !== undefined)
			this.#directories.delete(oldest);
	}
}
