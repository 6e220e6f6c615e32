/** What commands write with `-o`. */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import {
	type FileHandle,
	lstat,
	open,
	readlink,
	realpath,
	rename,
	rm,
	stat,
} from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { createGzip } from "node:zlib";
import { QomfsError } from "../errors.ts";

/** Whether a name means what stdout is: it goes on where what is open already has come to. */
export function isStdout(output: string): boolean {
	return /^(-|\/dev\/stdout|\/(dev|proc\/self)\/fd\/1)$/.test(output);
}

export interface WholeFileOptions {
	/** Whether nobody else may read it (false). */
	readonly isPrivate?: boolean;
	readonly signal?: AbortSignal;
}

/**
 * Writes a file, which is there as a whole or not at all; compressed if its name ends in `.gz`.
 *
 * @param pieces of the text
 * @throws QomfsError it cannot be written; AbortError; whatever the pieces throw
 */
export async function writeWholeFile(
	path: string,
	pieces: AsyncIterable<string> | Iterable<string>,
	{ isPrivate = false, signal }: WholeFileOptions = {},
): Promise<void> {
	const write = async (handle: FileHandle) =>
		pipeline(
			[
				Readable.from(pieces),
				path.endsWith(".gz") ? createGzip() : new PassThrough(),
				handle.createWriteStream(),
			],
			signal ? { signal } : {},
		);
	try {
		const target = await targetOf(path);
		const old = await stat(target).catch(() => undefined);
		if (old && !old.isFile()) {
			if (isPrivate || old.isDirectory())
				throw new QomfsError(
					`cannot write ${path}: it is no regular file${isPrivate ? ", which secrets need" : ""}`,
				);
			const first = old.isFIFO() ? await openFifo(target, signal) : undefined;
			const handle = await open(target, "a");
			await first?.close();
			return await write(handle);
		}
		const written = join(dirname(target), temporaryName());
		const handle = await open(written, "wx", isPrivate ? 0o600 : 0o666);
		try {
			// It stays whose it was, and for whom it was.
			if (old) await handle.chown(old.uid, old.gid).catch(() => {});
			if (old && !isPrivate) await handle.chmod(old.mode & 0o777);
			await write(handle);
			await rename(written, target);
		} catch (error) {
			await rm(written, { force: true });
			throw error;
		}
	} catch (error) {
		const { code, syscall } = error as NodeJS.ErrnoException;
		if (syscall === undefined || code === undefined) throw error;
		throw cannotWrite(path, error as NodeJS.ErrnoException);
	}
}

const writeReasons: ReadonlyMap<string | undefined, string> = new Map([
	["ENOENT", "no such directory"],
	["EISDIR", "it is no regular file"],
]);

/** What a user reads where the system refuses to write a file. */
export function cannotWrite(
	path: string,
	cause: NodeJS.ErrnoException,
): QomfsError {
	const reason = writeReasons.get(cause.code) ?? systemReason(cause);
	return new QomfsError(`cannot write ${path}: ${reason}`, { cause });
}

/** Without the call and the path. */
export function systemReason({ message }: NodeJS.ErrnoException): string {
	return message.replace(/,.*$/s, "");
}

const lookMs = 100;

/** Waits for a reader. An open that does so could not be ended. */
async function openFifo(
	fifo: string,
	signal: AbortSignal | undefined,
): Promise<FileHandle> {
	const { O_WRONLY, O_NONBLOCK } = constants;
	for (;;) {
		try {
			return await open(fifo, O_WRONLY | O_NONBLOCK);
		} catch (error) {
			if ((error as NodeJS.ErrnoException).code !== "ENXIO") throw error;
		}
		await sleep(lookMs, undefined, signal ? { signal } : {});
	}
}

/** Of no length that a long name could not have. */
function temporaryName(): string {
	return `.qomfs-${process.pid}-${randomBytes(4).toString("hex")}.tmp`;
}

/**
 * What a name stands for: behind links, of which those of strangers in directories for everybody are not
 * followed, as the kernel has it (proc_sys_fs(5), protected_symlinks).
 *
 * @throws QomfsError
 */
async function targetOf(path: string): Promise<string> {
	// What is open already is written as it is.
	if (/^\/(dev|proc)\//.test(path)) return path;
	const link = await lstat(path).catch(() => undefined);
	if (!link?.isSymbolicLink()) return path;
	const { mode, uid } = await stat(dirname(path));
	const isForEverybody = (mode & 0o1002) === 0o1002;
	if (isForEverybody && ![process.getuid?.(), uid].includes(link.uid))
		throw new QomfsError(`cannot write ${path}: a link of somebody else`);
	return realpath(path).catch(async (error) => {
		if (error.code !== "ENOENT") throw error;
		return resolve(dirname(path), await readlink(path));
	});
}
