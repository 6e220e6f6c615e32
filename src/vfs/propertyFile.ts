/** A property as a file: its value as text, and text as its value. */
import { FileError, QomError } from "../errors.ts";
import type { Json } from "../json.ts";
import { formatValue, incomplete } from "../qom/codec.ts";
import { isSecret } from "../qom/guard.ts";
import { joinPath, type QomPath } from "../qom/path.ts";
import { setText } from "../qom/setText.ts";
import type { PropertyInfo, QomSource } from "../qom/source.ts";
import {
	type Access,
	type Attributes,
	type File,
	type FileHandle,
	snapshotHandle,
	type Xattrs,
} from "./node.ts";
import type { TreePolicy } from "./treePolicy.ts";
import { WriteAssembler } from "./writeAssembler.ts";

export class PropertyFile implements File {
	readonly kind = "file";
	readonly xattrs: () => Xattrs;
	readonly #source: QomSource;
	readonly #policy: TreePolicy;
	readonly #object: QomPath;
	readonly #info: PropertyInfo;
	readonly #objectType: () => Promise<string | undefined>;
	readonly #path: QomPath;

	constructor(parts: {
		source: QomSource;
		policy: TreePolicy;
		object: QomPath;
		info: PropertyInfo;
		/** Type of the object; asked for only where it matters. */
		objectType: () => Promise<string | undefined>;
		xattrs: () => Xattrs;
	}) {
		this.#source = parts.source;
		this.#policy = parts.policy;
		this.#object = parts.object;
		this.#info = parts.info;
		this.#objectType = parts.objectType;
		this.xattrs = parts.xattrs;
		this.#path = joinPath(parts.object, parts.info.name);
	}

	async attributes(openSize?: number): Promise<Attributes> {
		const [mode, size] = await Promise.all([
			this.#mode(),
			openSize ?? this.#size(),
		]);
		return {
			kind: "file",
			mode,
			size,
			mtimeMs: this.#policy.mtimeMs(this.#path),
		};
	}

	/** Opening for reading takes the value; opening for writing alone asks nothing. */
	async open(access: Access): Promise<FileHandle> {
		if (access.write) return new WritableHandle(this, access);
		return snapshotHandle(await this.readBytes());
	}

	async readBytes(): Promise<Uint8Array> {
		return this.#bytes(await this.#source.get(this.#object, this.#info.name));
	}

	/**
	 * Sets the property from a user's text: once, and once more if QEMU asks for another
	 * JSON kind, for a refused kind has changed nothing.
	 *
	 * @returns false when more text has to come first
	 * @throws FileError, QomError
	 */
	async writeText(text: string): Promise<boolean> {
		const { type } = this.#info;
		await this.#checkGuard();
		const kind = this.#policy.kindOf(this.#path, type);
		try {
			const set = await setText({ text, kind, type }, (value) =>
				this.#set(value),
			);
			return set !== incomplete;
		} catch (error) {
			if (error instanceof QomError && error.refusal === "not writable")
				await this.#learnReadOnly();
			throw error;
		}
	}

	async #set(value: Json): Promise<void> {
		await this.#source.set(this.#object, this.#info.name, value);
		this.#policy.rememberValue(this.#path, value);
		this.#policy.rememberWrite(this.#path);
	}

	async #checkGuard(): Promise<void> {
		const { name, type } = this.#info;
		const objectType = await this.#objectType();
		this.#policy.checkGuard(this.#object, objectType, name, type);
	}

	async #learnReadOnly(): Promise<void> {
		const objectType = await this.#objectType();
		if (objectType) this.#policy.rememberReadOnly(objectType, this.#info.name);
	}

	#bytes(value: Json): Uint8Array {
		this.#policy.rememberValue(this.#path, value);
		return Buffer.from(`${formatValue(value)}\n`);
	}

	/** A property that cannot be read has no size, but it is there: only its open fails. */
	async #size(): Promise<number> {
		try {
			const value = await this.#source.peek(this.#object, this.#info.name);
			return this.#bytes(value).length;
		} catch (error) {
			if (error instanceof QomError && !error.refusal.startsWith("no such"))
				return 0;
			throw error;
		}
	}

	async #mode(): Promise<number> {
		const { name } = this.#info;
		if (this.#policy.isReadOnly(undefined, name))
			return this.#policy.mode(0o444);
		// Most names need no look at the object's type, which may cost a command.
		if (!isSecret(undefined, name) && !this.#policy.isEverReadOnly(name))
			return this.#policy.mode(0o644);
		const objectType = await this.#objectType();
		if (isSecret(objectType, name)) return this.#policy.mode(0o600);
		return this.#policy.mode(
			this.#policy.isReadOnly(objectType, name) ? 0o444 : 0o644,
		);
	}
}

class WritableHandle implements FileHandle {
	readonly #file: PropertyFile;
	readonly #readable: boolean;
	readonly #assembler: WriteAssembler;
	#snapshot: Promise<Uint8Array> | undefined;

	constructor(file: PropertyFile, access: Access) {
		this.#file = file;
		this.#readable = access.read;
		this.#assembler = new WriteAssembler(access.append);
	}

	async read(length: number, position: number): Promise<Uint8Array> {
		if (!this.#readable) throw new FileError("EBADF", "not open for reading");
		this.#snapshot ??= this.#file.readBytes();
		return (await this.#snapshot).subarray(position, position + length);
	}

	/** The kernel lets only one write at a time through to a file. */
	async write(bytes: Uint8Array, position: number): Promise<void> {
		try {
			const text = this.#assembler.add(bytes, position);
			if (text === undefined || !(await this.#file.writeText(text))) return;
			this.#snapshot = undefined;
			this.#assembler.markSet();
		} catch (error) {
			this.#assembler.reset(); // what was refused is not the beginning of anything
			throw error;
		}
	}

	release(): void {
		if (this.#assembler.isHeld)
			throw new FileError(
				"EINVAL",
				"closed before the value was complete; nothing was set",
			);
	}
}
