/**
 * What stands in the messages between the kernel and a file system: numbers, flags, and where each
 * field of a struct lies, in bytes, under the names of `linux/fuse.h`. The structs are the same on
 * every 64-bit machine; the byte order is the machine's, and only little endian is served.
 */

export const majorVersion = 7;

/** The newest whose messages are all known here; the kernel speaks it or its own. */
export const minorVersion = 37;

/** Before 7.23 the answer to INIT had another size. */
export const oldestMinorVersion = 23;

export const rootId = 1;

/** enum fuse_opcode. What is not named is refused with ENOSYS, which the kernel remembers. */
export const opcode = {
	lookup: 1,
	forget: 2,
	getattr: 3,
	setattr: 4,
	readlink: 5,
	symlink: 6,
	mknod: 8,
	mkdir: 9,
	unlink: 10,
	rmdir: 11,
	rename: 12,
	link: 13,
	open: 14,
	read: 15,
	write: 16,
	statfs: 17,
	release: 18,
	setxattr: 21,
	getxattr: 22,
	listxattr: 23,
	removexattr: 24,
	init: 26,
	opendir: 27,
	readdir: 28,
	releasedir: 29,
	access: 34,
	create: 35,
	interrupt: 36,
	destroy: 38,
	ioctl: 39,
	poll: 40,
	batchForget: 42,
	fallocate: 43,
	readdirplus: 44,
	rename2: 45,
} as const;

/** enum fuse_notify_code: what a file system tells the kernel unasked. */
export const notification = {
	poll: 1,
	invalidateInode: 2,
	invalidateEntry: 3,
} as const;

/** Flags of INIT. */
export const initFlag = {
	asyncRead: 1 << 0,
	/** O_TRUNC comes with OPEN, and not as a SETATTR after it. */
	atomicTruncate: 1 << 3,
	bigWrites: 1 << 5,
	readdirplus: 1 << 13,
	/** Lookups in a directory need not wait for one another. */
	parallelDirectoryOperations: 1 << 18,
	maxPages: 1 << 22,
} as const;

/** FOPEN_*. */
export const openFlag = {
	/** Every read comes here, and none stops at st_size. */
	directIo: 1 << 0,
	/** No FLUSH at close, since 7.35. */
	noFlush: 1 << 5,
} as const;

/** FATTR_*: what a SETATTR sets. */
export const setattrValid = {
	mode: 1 << 0,
	uid: 1 << 1,
	gid: 1 << 2,
	size: 1 << 3,
} as const;

/** FUSE_GETATTR_FH. */
export const getattrHasHandle = 1 << 0;

/** FUSE_POLL_SCHEDULE_NOTIFY. */
export const pollWantsNotification = 1 << 0;

/** Each struct: `bytes` is its size, the others are the offsets of its fields. */
export const inHeader = {
	bytes: 40,
	len: 0,
	opcode: 4,
	unique: 8,
	nodeid: 16,
	uid: 24,
	gid: 28,
	pid: 32,
} as const;

export const outHeader = { bytes: 16, len: 0, error: 4, unique: 8 } as const;

export const initIn = {
	bytes: 64,
	major: 0,
	minor: 4,
	max_readahead: 8,
	flags: 12,
} as const;

export const initOut = {
	bytes: 64,
	major: 0,
	minor: 4,
	max_readahead: 8,
	flags: 12,
	max_write: 20,
	time_gran: 24,
	max_pages: 28,
} as const;

export const attr = {
	bytes: 88,
	ino: 0,
	size: 8,
	atime: 24,
	mtime: 32,
	ctime: 40,
	atimensec: 48,
	mtimensec: 52,
	ctimensec: 56,
	mode: 60,
	nlink: 64,
	uid: 68,
	gid: 72,
	blksize: 80,
} as const;

export const attrOut = {
	bytes: 104,
	attr_valid: 0,
	attr_valid_nsec: 8,
	attr: 16,
} as const;

export const entryOut = {
	bytes: 128,
	nodeid: 0,
	generation: 8,
	entry_valid: 16,
	attr_valid: 24,
	entry_valid_nsec: 32,
	attr_valid_nsec: 36,
	attr: 40,
} as const;

/** A name follows, and then what is missing to a multiple of 8. */
export const dirent = {
	bytes: 24,
	ino: 0,
	off: 8,
	namelen: 16,
	type: 20,
} as const;

export const getattrIn = { bytes: 16, getattr_flags: 0, fh: 8 } as const;
export const setattrIn = { bytes: 88, valid: 0 } as const;
export const openIn = { bytes: 8, flags: 0 } as const;
export const openOut = { bytes: 16, fh: 0, open_flags: 8 } as const;
/** Of READDIR and READDIRPLUS, too. */
export const readIn = {
	bytes: 40,
	fh: 0,
	offset: 8,
	size: 16,
} as const;
export const writeIn = { bytes: 40, fh: 0, offset: 8, size: 16 } as const;
export const writeOut = { bytes: 8, size: 0 } as const;
export const releaseIn = { bytes: 24, fh: 0 } as const;
export const forgetIn = { bytes: 8, nlookup: 0 } as const;
export const batchForgetIn = { bytes: 8, count: 0 } as const;
export const forgetOne = { bytes: 16, nodeid: 0, nlookup: 8 } as const;
export const interruptIn = { bytes: 8, unique: 0 } as const;
/** The old and the new name follow. */
export const renameIn = { bytes: 8, newdir: 0 } as const;
export const rename2In = { bytes: 16, newdir: 0, flags: 8 } as const;
/** The name follows. */
export const getxattrIn = { bytes: 8, size: 0 } as const;
export const getxattrOut = { bytes: 8, size: 0 } as const;
/** What is wanted: R_OK, W_OK, X_OK. */
export const accessIn = { bytes: 8, mask: 0 } as const;
export const statfsOut = {
	bytes: 80,
	bsize: 40,
	namelen: 44,
	frsize: 48,
} as const;
export const pollIn = { bytes: 24, fh: 0, kh: 8, flags: 16 } as const;
export const pollOut = { bytes: 8, revents: 0 } as const;
export const notifyPollOut = { bytes: 8, kh: 0 } as const;
export const notifyInvalidateInodeOut = {
	bytes: 24,
	ino: 0,
	off: 8,
	len: 16,
} as const;
/** The name and a NUL follow. */
export const notifyInvalidateEntryOut = {
	bytes: 16,
	parent: 0,
	namelen: 8,
} as const;
