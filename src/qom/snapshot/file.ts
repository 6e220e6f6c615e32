/** Snapshots in files, compressed if the name ends in `.gz`. */
import { isUtf8 } from "node:buffer";
import { createReadStream } from "node:fs";
import { readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { SnapshotError } from "../../errors.ts";
import {
	foreign,
	readSnapshot,
	type Snapshot,
	snapshotFormat,
} from "./snapshot.ts";

/** How long a mount may take to answer. */
const patienceMs = 2000;

/**
 * The file that a source means: one that a user has named, or that of the snapshot that is mounted there;
 * undefined for anything else.
 */
export async function snapshotFileOf(
	source: string,
): Promise<string | undefined> {
	const stats = await stat(source).catch(() => undefined);
	if (stats?.isFile() || stats?.isFIFO()) return source;
	if (!stats?.isDirectory()) return undefined;
	return Promise.race([
		readlink(join(source, ".qomfs", "snapshot")).catch(() => undefined),
		sleep(patienceMs, undefined, { ref: false }),
	]);
}

/** A machine of 60,000 properties has 4 MB and 300,000 commas; the largest that was seen 12 times as many objects. */
const most = { bytes: 128 * 1024 * 1024, commas: 10_000_000 };

/** @throws SnapshotError it cannot be read, or is no snapshot */
export async function readSnapshotFile(path: string): Promise<Snapshot> {
	try {
		return readSnapshot(textOf(await uncompressed(await bytesOf(path))));
	} catch (error) {
		const reason = reasonOf(error as NodeJS.ErrnoException);
		throw new SnapshotError(`${path}: ${reason}`, { cause: error });
	}
}

/** @throws SnapshotError there are too many: a pipe may have no end */
async function bytesOf(path: string): Promise<Buffer> {
	const chunks: Buffer[] = [];
	let count = 0;
	for await (const chunk of createReadStream(path)) {
		count += chunk.length;
		if (count > most.bytes) throw new SnapshotError(tooLarge);
		chunks.push(chunk);
	}
	return Buffer.concat(chunks);
}

async function uncompressed(bytes: Buffer): Promise<Buffer> {
	const isCompressed = bytes[0] === 0x1f && bytes[1] === 0x8b;
	return isCompressed
		? promisify(gunzip)(bytes, { maxOutputLength: most.bytes })
		: bytes;
}

/** @throws SnapshotError */
function textOf(bytes: Buffer): string {
	if (bytes.length === 0)
		throw new SnapshotError("an empty file; it is no snapshot of a machine");
	// Each value takes far more memory than its text.
	let commas = 0;
	for (const byte of bytes) if (byte === 0x2c) commas++;
	if (commas > most.commas) throw new SnapshotError(tooLarge);
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

const tooLarge = "larger than any machine; this is no snapshot";

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
