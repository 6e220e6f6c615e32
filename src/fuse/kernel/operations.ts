/**
 * The kernel's requests, each answered by the FileSystem's operation of the same name. Glue
 * without policy: nodes are numbers here, open files handles, errors negative errno numbers.
 */
import { constants } from "node:os";
import { FileError } from "../../errors.ts";
import type { FileSystem, OpenFile } from "../../vfs/fileSystem.ts";
import type { KnownAttributes } from "../../vfs/node.ts";
import type { MountOptions } from "../backend.ts";
import * as abi from "./abi.ts";
import { opcode } from "./abi.ts";
import {
	attributesToTell,
	writeAttributesAnswer,
	writeEntry,
} from "./attributes.ts";
import { OpenDirectories } from "./directories.ts";
import type { HeldNode, NodeTable } from "./nodes.ts";
import { bodyAt, type Request, readU64, writeU64 } from "./request.ts";

/** POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM: what is no log never makes anybody wait. */
const alwaysReady = 0x145;
/** POLLIN | POLLRDNORM. */
const readable = 0x41;

export type Operation = (request: Request) => Promise<unknown> | undefined;

/**
 * The operations by opcode.
 *
 * @param notify sends a notification at once
 */
export function createOperations(
	fs: FileSystem,
	nodes: NodeTable,
	options: MountOptions,
	notify: (code: number, body: Buffer) => void,
): ReadonlyMap<number, Operation> {
	const files = new Map<number, OpenFile>();
	const directories = new OpenDirectories(fs, nodes, options);
	let lastHandle = 0;

	const nodeOf = ({ nodeid }: Request): HeldNode => nodes.get(nodeid);
	const fileOf = (handle: number): OpenFile => {
		const file = files.get(handle);
		if (!file) throw new FileError("EBADF", `handle ${handle} is not open`);
		return file;
	};
	const answerEntry = (request: Request, held: HeldNode): void => {
		const isTaken = request.answer((out) => {
			writeEntry(out, bodyAt, held, attributesToTell(held), options);
			return abi.entryOut.bytes;
		});
		if (isTaken) nodes.remember(held);
	};
	const answerAttributes = (
		request: Request,
		held: HeldNode,
		attributes: KnownAttributes,
	): void => {
		request.answer((out) => {
			writeAttributesAnswer(out, bodyAt, held, attributes, options);
			return abi.attrOut.bytes;
		});
	};
	const answerOpen = (request: Request, handle: number, flags: number) =>
		request.answer((out) => {
			writeU64(out, handle, bodyAt + abi.openOut.fh);
			writeU64(out, flags, bodyAt + abi.openOut.open_flags);
			return abi.openOut.bytes;
		});
	const answerBytes = (request: Request, bytes: Uint8Array): void => {
		request.answer((out) => {
			out.set(bytes, bodyAt);
			return bytes.length;
		});
	};
	/** An extended attribute, or their names: first its size alone is asked for. */
	const answerXattr = (
		request: Request,
		bufferBytes: number,
		value: Uint8Array,
	): void => {
		if (bufferBytes === 0)
			request.answer((out) => {
				writeU64(out, value.length, bodyAt + abi.getxattrOut.size);
				return abi.getxattrOut.bytes;
			});
		else if (value.length <= bufferBytes) answerBytes(request, value);
		else request.refuse(constants.errno.ERANGE);
	};
	/** The kernel shall ask for the size again: what was opened now has another. */
	const withdrawSize = (held: HeldNode): void => {
		const body = Buffer.alloc(abi.notifyInvalidateInodeOut.bytes);
		writeU64(body, held.id, abi.notifyInvalidateInodeOut.ino);
		body.writeBigInt64LE(-1n, abi.notifyInvalidateInodeOut.off); // attributes alone
		notify(abi.notification.invalidateInode, body);
		held.toldSize = undefined;
	};
	/** For operations on a node that QOM has no counterpart of. */
	const refuse = (request: Request) => fs.refuse(nodeOf(request).node);
	const rename =
		(namesAt: number, flagsAt?: number) => async (request: Request) => {
			const { body } = request;
			const flags = flagsAt === undefined ? 0 : body.readUInt32LE(flagsAt);
			const to = nodes.get(readU64(body, abi.renameIn.newdir));
			const from = nodeOf(request);
			const [name, end] = request.name(namesAt);
			const [newName] = request.name(end);
			if (flags !== 0) throw new FileError("EINVAL", "names are not exchanged");
			await fs.rename(from.node, name, to.node, newName);
			request.done();
		};

	return new Map<number, Operation>([
		[
			opcode.lookup,
			async (request) => {
				const parent = nodeOf(request);
				const [name] = request.name(0);
				const node = await fs.lookup(parent.node, name);
				answerEntry(request, nodes.place(parent, name, node));
			},
		],
		[
			opcode.forget,
			(request) => {
				request.needsNoAnswer();
				const lookups = readU64(request.body, abi.forgetIn.nlookup);
				nodes.forget(request.nodeid, lookups);
				return undefined;
			},
		],
		[
			opcode.batchForget,
			(request) => {
				request.needsNoAnswer();
				const { body } = request;
				const count = body.readUInt32LE(abi.batchForgetIn.count);
				for (let index = 0; index < count; index++) {
					const at = abi.batchForgetIn.bytes + index * abi.forgetOne.bytes;
					nodes.forget(
						readU64(body, at + abi.forgetOne.nodeid),
						readU64(body, at + abi.forgetOne.nlookup),
					);
				}
				return undefined;
			},
		],
		[
			opcode.getattr,
			async (request) => {
				const held = nodeOf(request);
				const { body } = request;
				const hasHandle =
					body.readUInt32LE(abi.getattrIn.getattr_flags) & abi.getattrHasHandle;
				const file = hasHandle
					? files.get(readU64(body, abi.getattrIn.fh))
					: undefined;
				const attributes = await fs.getattr(held.node, file ?? held.newestOpen);
				// It may have been opened meanwhile, and the next fstat is told what is said now.
				const size = (file ?? held.newestOpen)?.handle.size ?? attributes.size;
				answerAttributes(request, held, { ...attributes, size });
			},
		],
		[
			opcode.setattr,
			async (request) => {
				const held = nodeOf(request);
				const valid = request.body.readUInt32LE(abi.setattrIn.valid);
				const { mode, uid, gid, size } = abi.setattrValid;
				if (valid & mode) await fs.refuse(held.node);
				if (valid & (uid | gid)) await fs.refuse(held.node);
				await (valid & size ? fs.truncate(held.node) : fs.utimens(held.node));
				answerAttributes(request, held, attributesToTell(held));
			},
		],
		[
			opcode.readlink,
			async (request) => {
				const target = await fs.readlink(nodeOf(request).node);
				answerBytes(request, Buffer.from(target));
			},
		],
		[
			opcode.symlink,
			async (request) => {
				const parent = nodeOf(request);
				const [name, end] = request.name(0);
				const [target] = request.name(end);
				await fs.symlink(parent.node, name, target);
				const node = await fs.lookup(parent.node, name);
				answerEntry(request, nodes.place(parent, name, node));
			},
		],
		[
			opcode.unlink,
			async (request) => {
				const [name] = request.name(0);
				await fs.unlink(nodeOf(request).node, name);
				request.done();
			},
		],
		[opcode.rename, rename(abi.renameIn.bytes)],
		[opcode.rename2, rename(abi.rename2In.bytes, abi.rename2In.flags)],
		[
			opcode.open,
			async (request) => {
				const held = nodeOf(request);
				const flags = request.body.readUInt32LE(abi.openIn.flags);
				const file = await fs.open(held.node, flags);
				const handle = ++lastHandle;
				const { size } = file.handle;
				if (
					size !== undefined &&
					held.toldSize !== undefined &&
					held.toldSize !== size
				)
					withdrawSize(held);
				files.set(handle, file);
				held.newestOpen = file;
				const openFlags = abi.openFlag.directIo | abi.openFlag.noFlush;
				if (!answerOpen(request, handle, openFlags))
					await close(held, handle, file);
			},
		],
		[
			opcode.read,
			async (request) => {
				const { body } = request;
				const file = fileOf(readU64(body, abi.readIn.fh));
				const length = body.readUInt32LE(abi.readIn.size);
				const position = readU64(body, abi.readIn.offset);
				answerBytes(request, await fs.read(file, length, position));
			},
		],
		[
			opcode.write,
			async (request) => {
				const { body } = request;
				const file = fileOf(readU64(body, abi.writeIn.fh));
				const length = body.readUInt32LE(abi.writeIn.size);
				const position = readU64(body, abi.writeIn.offset);
				const at = abi.writeIn.bytes;
				const bytes = Buffer.from(body.subarray(at, at + length)); // a copy
				await fs.write(file, bytes, position);
				request.answer((out) => {
					writeU64(out, length, bodyAt + abi.writeOut.size);
					return abi.writeOut.bytes;
				});
			},
		],
		[
			opcode.release,
			async (request) => {
				const handle = readU64(request.body, abi.releaseIn.fh);
				const file = fileOf(handle);
				const held = nodeOf(request);
				request.done();
				await close(held, handle, file);
			},
		],
		[
			opcode.opendir,
			async (request) => {
				nodeOf(request);
				const handle = ++lastHandle;
				directories.open(handle);
				if (!answerOpen(request, handle, 0)) directories.close(handle);
			},
		],
		[opcode.readdir, (request) => directories.read(request, false)],
		[opcode.readdirplus, (request) => directories.read(request, true)],
		[
			opcode.releasedir,
			(request) => {
				directories.close(readU64(request.body, abi.releaseIn.fh));
				request.done();
				return undefined;
			},
		],
		[
			opcode.getxattr,
			async (request) => {
				const held = nodeOf(request);
				const bufferBytes = request.body.readUInt32LE(abi.getxattrIn.size);
				const [name] = request.name(abi.getxattrIn.bytes);
				const text = await fs.getxattr(held.node, name);
				if (text === undefined) return request.refuse(constants.errno.ENODATA);
				answerXattr(request, bufferBytes, Buffer.from(text));
			},
		],
		[
			opcode.listxattr,
			async (request) => {
				const bufferBytes = request.body.readUInt32LE(abi.getxattrIn.size);
				const names = await fs.listxattr(nodeOf(request).node);
				const list = names.map((name) => `${name}\0`).join("");
				answerXattr(request, bufferBytes, Buffer.from(list));
			},
		],
		[
			opcode.access,
			async (request) => {
				const wanted = request.body.readUInt32LE(abi.accessIn.mask);
				const { node } = nodeOf(request);
				await fs.access(node, wanted, request.uid === 0, options.umask);
				request.done();
			},
		],
		[
			opcode.statfs,
			async (request) => {
				const { blockBytes, maxNameBytes } = fs.statfs();
				request.answer((out) => {
					out.fill(0, bodyAt, bodyAt + abi.statfsOut.bytes);
					out.writeUInt32LE(blockBytes, bodyAt + abi.statfsOut.bsize);
					out.writeUInt32LE(blockBytes, bodyAt + abi.statfsOut.frsize);
					out.writeUInt32LE(maxNameBytes, bodyAt + abi.statfsOut.namelen);
					return abi.statfsOut.bytes;
				});
			},
		],
		[
			opcode.poll,
			async (request) => {
				const { body } = request;
				const file = fileOf(readU64(body, abi.pollIn.fh));
				const wanted = readU64(body, abi.pollIn.kh);
				const flags = body.readUInt32LE(abi.pollIn.flags);
				const wake = () => {
					const out = Buffer.alloc(abi.notifyPollOut.bytes);
					writeU64(out, wanted, abi.notifyPollOut.kh);
					notify(abi.notification.poll, out);
				};
				const isReadable = file.handle.poll?.(
					flags & abi.pollWantsNotification ? wake : undefined,
				);
				const ready = isReadable ? readable : 0;
				request.answer((out) => {
					writeU64(out, isReadable === undefined ? alwaysReady : ready, bodyAt);
					return abi.pollOut.bytes;
				});
			},
		],
		[opcode.create, refuse],
		[opcode.mknod, refuse],
		[opcode.mkdir, refuse],
		[opcode.link, refuse],
		[opcode.rmdir, refuse],
		[opcode.setxattr, refuse],
		[opcode.removexattr, refuse],
		[
			opcode.ioctl,
			async () => {
				throw new FileError("ENOTTY", "there is nothing to control");
			},
		],
		[
			opcode.fallocate,
			async () => {
				throw new FileError("EOPNOTSUPP", "a property has no room to allocate");
			},
		],
		[opcode.destroy, async (request) => request.done()],
	]);

	async function close(
		held: HeldNode,
		handle: number,
		file: OpenFile,
	): Promise<void> {
		files.delete(handle);
		if (held.newestOpen === file) held.newestOpen = undefined;
		await fs.release(file);
	}
}
