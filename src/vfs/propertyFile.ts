/** A property as a file: its value as text, and text as its value. */
import { FileError, QomError } from "../errors.ts";
import type { Json } from "../json.ts";
import { formatValue, incomplete } from "../qom/codec.ts";
import { isSecret } from "../qom/guard.ts";
import type { Description } from "../qom/source.ts";
import { type FileHandle, snapshotHandle } from "./fileHandle.ts";
import type {
	Access,
	Attributes,
	File,
	KnownAttributes,
	Xattrs,
} from "./node.ts";
import { QomProperty } from "./qomProperty.ts";
import { WriteAssembler } from "./writeAssembler.ts";
import { xattrs } from "./xattrs.ts";

export class PropertyFile extends QomProperty implements File {
	readonly kind = "file";

	get isSecret(): boolean {
		return isSecret(this.object.type, this.info.name);
	}

	async attributes(openSize?: number): Promise<Attributes> {
		const closing = this.volume.closing(this.path);
		if (closing) await closing;
		return this.#attributes(openSize ?? (await this.#size()));
	}

	known(): KnownAttributes {
		const value = this.knownValue();
		return this.#attributes(
			value === undefined ? undefined : this.#bytes(value).length,
		);
	}

	/**
	 * Whether its value can be read now, as far as that is known. Where values come with listings,
	 * one that did not come is asked for.
	 */
	async isReadable(): Promise<boolean> {
		const { view } = this.tree;
		const { path, type } = this.object;
		const { name } = this.info;
		if (this.volume.learnt.isUnreadable(type, name)) return false;
		const known = view.known(path, name);
		if (known !== undefined) return !(known instanceof QomError);
		return !view.givesValues || this.peek().then(() => true, isLoss);
	}

	/** Opening for reading takes the value; opening for writing alone asks nothing. */
	async open(access: Access): Promise<FileHandle> {
		if (access.write) return new WritableHandle(this, access);
		return snapshotHandle(await this.readBytes());
	}

	async readBytes(): Promise<Uint8Array> {
		const closing = this.volume.closing(this.path);
		if (closing) await closing;
		return this.#bytes(await this.get());
	}

	/**
	 * Sets the property from a user's text.
	 *
	 * @returns false when more text has to come first
	 * @throws ValueError, QomError
	 */
	async writeText(text: string): Promise<boolean> {
		const { learnt } = this.volume;
		try {
			const set = await this.write(text, learnt.kindOf(this.path));
			if (set === incomplete) return false;
			learnt.rememberValue(this.path, set);
			learnt.rememberWrite(this.path);
			return true;
		} catch (error) {
			const { type } = this.object;
			if (error instanceof QomError && isLasting(error) && type)
				learnt.rememberReadOnly(type, this.info.name);
			throw error;
		}
	}

	xattrs(): Xattrs {
		const describe = async (): Promise<Description | undefined> => {
			const { type } = this.object;
			if (type === undefined) return undefined;
			const { properties } = await this.tree.view.describe(type);
			return properties.get(this.info.name);
		};
		return xattrs([
			["type", async () => this.info.type],
			["path", async () => this.path],
			["description", async () => (await describe())?.description],
			[
				"default",
				async () => {
					const value = (await describe())?.defaultValue;
					return value === undefined ? undefined : formatValue(value);
				},
			],
			[
				"error",
				async () => {
					const failure = this.volume.errors.last(this.path);
					return failure && `${failure.errno}: ${failure.desc ?? "redacted"}`;
				},
			],
		]);
	}

	#attributes<Size>(size: Size): Omit<Attributes, "size"> & { size: Size } {
		const { learnt, options } = this.volume;
		return {
			kind: "file",
			mode: this.volume.mode(this.#modeBits()),
			size,
			mtimeMs: learnt.writtenMs(this.path) ?? options.sinceMs(),
		};
	}

	#modeBits(): number {
		if (this.isSecret) return 0o600;
		const { type } = this.object;
		return this.volume.learnt.isReadOnly(type, this.info.name) ? 0o444 : 0o644;
	}

	#bytes(value: Json): Uint8Array {
		this.volume.learnt.rememberValue(this.path, value);
		return Buffer.from(`${formatValue(value)}\n`);
	}

	/** A property that cannot be read has no size, but it is there: only its open fails. */
	async #size(): Promise<number> {
		try {
			return this.#bytes(await this.peek()).length;
		} catch (error) {
			if (error instanceof QomError && !error.refusal.startsWith("no such"))
				return 0;
			throw error;
		}
	}
}

/** Whether the next write will be refused, too, whatever the value. */
function isLasting({ refusal }: QomError): boolean {
	return ["not writable", "fixed", "guarded"].includes(refusal);
}

/** Whether the value could not be asked for, which says nothing of it. */
function isLoss(error: unknown): boolean {
	return !(error instanceof QomError);
}

/** Pieces of a value follow each other faster than that. */
const pauseMs = 100;

class WritableHandle implements FileHandle {
	readonly #file: PropertyFile;
	readonly #readable: boolean;
	readonly #assembler: WriteAssembler;
	#snapshot: Promise<Uint8Array> | undefined;
	/** What was set last, or is being set. */
	#setting: Promise<void> | undefined;
	/** Sets what may have been a piece. */
	#timer: NodeJS.Timeout | undefined;
	/** The outcome of that, until somebody is told. */
	#settling: Promise<void> | undefined;

	constructor(file: PropertyFile, access: Access) {
		this.#file = file;
		this.#readable = access.read;
		this.#assembler = new WriteAssembler(access.append);
	}

	async read(length: number, position: number): Promise<Uint8Array> {
		if (!this.#readable) throw new FileError("EBADF", "not open for reading");
		this.#snapshot ??= this.#file.readBytes();
		const snapshot = this.#snapshot;
		try {
			return (await snapshot).subarray(position, position + length);
		} catch (error) {
			// The next read asks again.
			if (this.#snapshot === snapshot) this.#snapshot = undefined;
			throw error;
		}
	}

	/** The kernel lets only one write at a time through to a file. */
	async write(bytes: Uint8Array, position: number): Promise<void> {
		clearTimeout(this.#timer);
		try {
			await this.#settled();
			if (this.#assembler.mayContinue && !this.#assembler.continues(position))
				await this.#setHeld();
			const text = this.#assembler.add(bytes, position);
			if (text === undefined) return;
			if (this.#assembler.mayContinue) this.#setLater();
			else await this.#set(text);
		} catch (error) {
			this.#assembler.reset(); // what was refused is not the beginning of anything
			throw error;
		}
	}

	release(): Promise<void> {
		clearTimeout(this.#timer);
		const finished = this.#finish();
		this.#file.volume.noteClosing(this.#file.path, finished);
		return finished;
	}

	/** Sets what was held for a continuation that does not come any more. */
	async #finish(): Promise<void> {
		await this.#settled();
		if (!this.#assembler.isHeld) return;
		if (this.#assembler.mayContinue) await this.#setHeld();
		if (this.#assembler.isHeld)
			throw new FileError(
				"EINVAL",
				"closed before the value was complete; nothing was set",
			);
	}

	/** A piece is followed by the next one soon, or was none. The next call tells a failure. */
	#setLater(): void {
		this.#timer = setTimeout(() => {
			this.#settling = this.#setHeld();
			this.#settling.catch(() => {});
		}, pauseMs);
	}

	/** What was set meanwhile has an outcome. @throws as it did, once */
	async #settled(): Promise<void> {
		// Whoever was interrupted goes on, or closes it, while QEMU is at it, and knows its outcome.
		await this.#setting?.catch(() => {});
		const settling = this.#settling;
		this.#settling = undefined;
		await settling;
	}

	/** Sets what may have been a piece, unless its last character is not complete. */
	async #setHeld(): Promise<void> {
		const { text } = this.#assembler;
		if (text !== undefined) await this.#set(text);
	}

	#set(text: string): Promise<void> {
		const setting = this.#file.writeText(text).then((isSet) => {
			if (!isSet) return;
			this.#snapshot = undefined;
			this.#assembler.markSet();
		});
		this.#setting = setting;
		return setting;
	}
}
