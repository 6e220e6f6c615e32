/** Attributes as the kernel takes them. */
import type { KnownAttributes, NodeKind } from "../../vfs/node.ts";
import type { MountOptions } from "../backend.ts";
import { attr, attrOut, entryOut } from "./abi.ts";
import type { HeldNode } from "./nodes.ts";
import { writeU64 } from "./request.ts";

/** The bits of st_mode (inode(7)). */
export const fileTypes: Record<NodeKind, number> = {
	directory: 0o040000,
	file: 0o100000,
	symlink: 0o120000,
};

/** What is known of a node; a program that has it open gets the size of what it reads. */
export function attributesToTell({
	node,
	newestOpen,
}: HeldNode): KnownAttributes {
	const attributes = node.known();
	const size = newestOpen?.handle.size;
	return size === undefined ? attributes : { ...attributes, size };
}

/**
 * In place of a size that is not known, in an entry, whose size the kernel asks for again before it
 * tells anybody. But sendfile(2) and splice(2) do not ask, and read no further than it says; they end
 * where a read does. No value is longer.
 */
const moreThanAny = 2 ** 20;

/** Writes a `struct fuse_entry_out`. */
export function writeEntry(
	out: Buffer,
	at: number,
	held: HeldNode,
	known: KnownAttributes,
	options: MountOptions,
): void {
	// What is made anew for every open has size 0, as in /proc, and is longer than that.
	const attributes =
		known.size === 0 && known.kind === "file"
			? { ...known, size: undefined }
			: known;
	writeU64(out, held.id, at + entryOut.nodeid);
	writeU64(out, 0, at + entryOut.generation);
	writeLifetime(
		out,
		options.entryTtlMs,
		at + entryOut.entry_valid,
		at + entryOut.entry_valid_nsec,
	);
	writeLifetime(
		out,
		lifetimeOf(attributes, options),
		at + entryOut.attr_valid,
		at + entryOut.attr_valid_nsec,
	);
	writeAttributes(out, at + entryOut.attr, held, attributes, options);
	if (attributes.kind === "file" && attributes.size === undefined)
		writeU64(out, moreThanAny, at + entryOut.attr + attr.size);
}

/** Writes a `struct fuse_attr_out`. */
export function writeAttributesAnswer(
	out: Buffer,
	at: number,
	held: HeldNode,
	attributes: KnownAttributes,
	options: MountOptions,
): void {
	writeLifetime(
		out,
		lifetimeOf(attributes, options),
		at + attrOut.attr_valid,
		at + attrOut.attr_valid_nsec,
	);
	out.writeUInt32LE(0, at + attrOut.attr_valid_nsec + 4);
	writeAttributes(out, at + attrOut.attr, held, attributes, options);
}

/** Without a size they are for now alone: who wants it asks once more. */
function lifetimeOf(
	{ size }: KnownAttributes,
	{ attributesTtlMs }: MountOptions,
): number {
	return size === undefined ? 0 : attributesTtlMs;
}

function writeLifetime(
	out: Buffer,
	ttlMs: number,
	secondsAt: number,
	nanosecondsAt: number,
): void {
	const seconds = Math.floor(ttlMs / 1000);
	writeU64(out, seconds, secondsAt);
	out.writeUInt32LE(Math.round((ttlMs - seconds * 1000) * 1e6), nanosecondsAt);
}

function writeAttributes(
	out: Buffer,
	at: number,
	held: HeldNode,
	{ kind, mode, size, mtimeMs }: KnownAttributes,
	{ umask, uid, gid }: MountOptions,
): void {
	const seconds = Math.floor(mtimeMs / 1000);
	const nanoseconds = Math.floor((mtimeMs - seconds * 1000) * 1e6);
	const permissions = kind === "symlink" ? mode : mode & ~umask;
	held.toldSize = size;
	out.fill(0, at, at + attr.bytes);
	writeU64(out, held.id, at + attr.ino);
	writeU64(out, size ?? 0, at + attr.size);
	for (const field of [attr.atime, attr.mtime, attr.ctime])
		writeU64(out, seconds, at + field);
	for (const field of [attr.atimensec, attr.mtimensec, attr.ctimensec])
		out.writeUInt32LE(nanoseconds, at + field);
	out.writeUInt32LE(fileTypes[kind] | permissions, at + attr.mode);
	// A directory with one link tells find not to count sub-directories.
	out.writeUInt32LE(1, at + attr.nlink);
	out.writeUInt32LE(uid, at + attr.uid);
	out.writeUInt32LE(gid, at + attr.gid);
	out.writeUInt32LE(blockBytes, at + attr.blksize);
}

export const blockBytes = 4096;
