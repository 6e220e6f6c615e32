/** Snapshots in files, compressed if the name ends in `.gz`. */
import { isUtf8 } from "node:buffer";
import { open, readFile, realpath, rename, rm, stat } from "node:fs/promises";
import { PassThrough, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { createGzip, gunzip } from "node:zlib";
import { QomfsError, SnapshotError } from "../../errors.ts";
import {
	foreign,
	readSnapshot,
	type Snapshot,
	snapshotFormat,
} from "./snapshot.ts";

/** Whether a source that a user has named is a file, or a pipe, and not a monitor's socket. */
export async function isSnapshotFile(source: string): Promise<boolean> {
	const stats = await stat(source).catch(() => undefined);
	return stats !== undefined && (stats.isFile() || stats.isFIFO());
}

/** A machine has 60,000 properties in 5 MB; the largest that was seen 12 times as many objects. */
const mostBytes = 256 * 1024 * 1024;

/** @throws SnapshotError it cannot be read, or is no snapshot */
export async function readSnapshotFile(path: string): Promise<Snapshot> {
	try {
		return readSnapshot(textOf(await uncompressed(await readFile(path))));
	} catch (error) {
		const reason = reasonOf(error as NodeJS.ErrnoException);
		throw new SnapshotError(`${path}: ${reason}`, { cause: error });
	}
}

async function uncompressed(bytes: Buffer): Promise<Buffer> {
	const isCompressed = bytes[0] === 0x1f && bytes[1] === 0x8b;
	return isCompressed
		? promisify(gunzip)(bytes, { maxOutputLength: mostBytes })
		: bytes;
}

/** @throws SnapshotError */
function textOf(bytes: Buffer): string {
	if (bytes.length === 0)
		throw new SnapshotError("an empty file; it is no snapshot of a machine");
	if (bytes.length > mostBytes) throw new SnapshotError(tooLarge);
	if (isUtf8(bytes)) return bytes.toString("utf8");
	if (!bytes.subarray(0, 1024).includes(snapshotFormat)) throw foreign();
	let line = 1;
	for (let start = 0; ; line++) {
		const end = bytes.indexOf("\n", start);
		if (end < 0 || !isUtf8(bytes.subarray(start, end))) break;
		start = end + 1;
	}
	throw new SnapshotError(`damaged: not UTF-8 in line ${line}`);
}

const tooLarge = `more than ${mostBytes >> 20} MB, which no machine has`;

function reasonOf({ code, message }: NodeJS.ErrnoException): string {
	switch (code) {
		case "ERR_BUFFER_TOO_LARGE":
			return tooLarge;
		case "Z_BUF_ERROR":
			return "damaged: the compressed data end too early";
		case "Z_DATA_ERROR":
			return `damaged: the compressed data are wrong (${message})`;
		case "EACCES":
			return "permission denied";
		default:
			return message;
	}
}

export interface SnapshotFileOptions {
	/** Whether nobody else may read it. */
	readonly isPrivate: boolean;
	readonly signal?: AbortSignal;
}

/**
 * Writes a file, which is there as a whole or not at all.
 *
 * @param pieces of the text
 * @throws QomfsError it cannot be written; AbortError; whatever the pieces throw
 */
export async function writeSnapshotFile(
	path: string,
	pieces: AsyncIterable<string>,
	{ isPrivate, signal }: SnapshotFileOptions,
): Promise<void> {
	const target = await realpath(path).catch(() => path);
	const stats = await stat(target).catch(() => undefined);
	const isPlace = stats !== undefined && !stats.isFile(); // a pipe, or /dev/stdout
	const written = isPlace ? target : `${target}.${process.pid}.tmp`;
	try {
		const file = await open(
			written,
			isPlace ? "w" : "wx",
			isPrivate ? 0o600 : 0o666,
		);
		await pipeline(
			[
				Readable.from(pieces),
				path.endsWith(".gz") ? createGzip() : new PassThrough(),
				file.createWriteStream(),
			],
			signal ? { signal } : {},
		);
		if (!isPlace) await rename(written, target);
	} catch (error) {
		if (!isPlace) await rm(written, { force: true });
		const { code, message, syscall } = error as NodeJS.ErrnoException;
		if (syscall === undefined || code === undefined) throw error;
		throw new QomfsError(
			`cannot write ${path}: ${code === "ENOENT" ? "no such directory" : message.replace(/,.*$/s, "")}`,
			{ cause: error },
		);
	}
}
