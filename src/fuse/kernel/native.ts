/**
 * The C functions that Node has no JavaScript for, called through koffi: libc's, and those of
 * libuv that Node exports for its addons (`uv.h`).
 */
import { endianness } from "node:os";
import { isMainThread } from "node:worker_threads";
import { MountError } from "../../errors.ts";

export interface Native {
	/** Each returns -1 for a failure, whose number `errno` tells. */
	read(fd: number, buffer: Buffer, length: number): number;
	write(fd: number, buffer: Buffer, length: number): number;
	/** On another thread, for what may block; nobody hears of a failure. */
	writeLater(fd: number, buffer: Buffer): Promise<void>;
	/** @param timeout a `struct timespec` */
	ppoll(fds: Buffer, count: number, timeout: Buffer, mask: null): number;
	mount(
		source: string,
		target: string,
		type: string,
		flags: number,
		options: string,
	): number;
	socketpair(domain: number, type: number, protocol: number): [number, number];
	/**
	 * Sends a datagram to a unix socket, if that takes it at once.
	 *
	 * @param path with `@` in front where the socket is abstract (unix(7))
	 * @returns false for a failure, whose number `errno` tells
	 */
	sendDatagram(path: string, text: string): boolean;
	/** The descriptor that came with the next message; undefined where none did. */
	receiveDescriptor(socket: number): number | undefined;
	errno(): number;
	/** The descriptor that is readable when Node's event loop has something to do. */
	eventLoopDescriptor(): number;
	/**
	 * Has the event loop call back while a descriptor is readable, and keeps it alive.
	 *
	 * @returns a function that ends that
	 */
	watch(fd: number, onReadable: () => void): () => void;
}

const uvPoll = 8; // UV_POLL of enum uv_handle_type
const uvReadable = 1;

const unixDomain = 1;
const datagram = 2;
const closeOnExec = 0x8_0000;
const msgDontWait = 0x40;
const msgNoSignal = 0x4000;
const msgCloseOnExec = 0x4000_0000;
/** Of a `struct cmsghdr` with one descriptor, which begins at 16. */
const controlBytes = 24;

let native: Promise<Native> | undefined;

/** @throws MountError koffi has no binary for this machine */
export function loadNative(): Promise<Native> {
	native ??= load();
	return native;
}

async function load(): Promise<Native> {
	if (endianness() !== "LE")
		throw new MountError("the kernel's protocol is served little endian alone");
	if (!isMainThread)
		throw new MountError("the kernel's protocol needs the main thread");
	let koffi: typeof import("koffi").default;
	try {
		koffi = (await import("koffi")).default;
	} catch (cause) {
		throw new MountError("koffi has no binary for this machine", { cause });
	}
	const c = koffi.load(null);
	const write = c.func("long write(int fd, const void *buffer, size_t length)");
	const socketpair = c.func(
		"int socketpair(int domain, int type, int protocol, _Out_ int *fds)",
	);
	const pollCallback = koffi.proto(
		"void qomfs_poll_cb(void *handle, int status, int events)",
	);
	const uvLoop = c.func("void *uv_default_loop(void)");
	const uvBackendFd = c.func("int uv_backend_fd(void *loop)");
	const uvHandleSize = c.func("size_t uv_handle_size(int type)");
	const uvPollInit = c.func("int uv_poll_init(void *, void *handle, int fd)");
	const uvPollStart = c.func(
		"int uv_poll_start(void *handle, int events, qomfs_poll_cb *callback)",
	);
	const uvClose = c.func("void uv_close(void *handle, void *callback)");
	const socket = c.func("int socket(int domain, int type, int protocol)");
	const sendto = c.func(
		"long sendto(int fd, const void *buffer, size_t length, int flags, const void *address, unsigned int addressLength)",
	);
	const close = c.func("int close(int fd)");
	const recvmsg = c.func("long recvmsg(int fd, void *message, int flags)");
	return {
		read: c.func("long read(int fd, void *buffer, size_t length)"),
		write,
		writeLater: (fd, buffer) =>
			new Promise((resolve) =>
				write.async(fd, buffer, buffer.length, () => resolve()),
			),
		ppoll: c.func(
			"int ppoll(void *fds, unsigned long count, const void *timeout, const void *mask)",
		),
		mount: c.func(
			"int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *options)",
		),
		socketpair(domain, type, protocol) {
			const fds: [number, number] = [-1, -1];
			socketpair(domain, type, protocol, fds);
			return fds;
		},
		sendDatagram(path, text) {
			const name = Buffer.from(path.replace(/^@/, "\0"));
			const address = Buffer.concat([Buffer.from([unixDomain, 0]), name]);
			const message = Buffer.from(text);
			const fd = socket(unixDomain, datagram | closeOnExec, 0);
			if (fd < 0) return false;
			const sent = sendto(
				...[fd, message, message.length, msgDontWait | msgNoSignal],
				...[address, address.length],
			);
			close(fd);
			return sent === message.length;
		},
		receiveDescriptor(socket) {
			const text = Buffer.alloc(1);
			const control = Buffer.alloc(controlBytes);
			const part = Buffer.alloc(16); // struct iovec
			part.writeBigUInt64LE(koffi.address(text), 0);
			part.writeBigUInt64LE(1n, 8);
			const message = Buffer.alloc(56); // struct msghdr
			message.writeBigUInt64LE(koffi.address(part), 16);
			message.writeBigUInt64LE(1n, 24);
			message.writeBigUInt64LE(koffi.address(control), 32);
			message.writeBigUInt64LE(BigInt(controlBytes), 40);
			const received = recvmsg(socket, message, msgDontWait | msgCloseOnExec);
			const hasDescriptor =
				received === 1 && control.readBigUInt64LE(0) === 20n;
			return hasDescriptor ? control.readInt32LE(16) : undefined;
		},
		errno: () => koffi.errno(),
		eventLoopDescriptor: () => uvBackendFd(uvLoop()),
		watch(fd, onReadable) {
			const handle = koffi.alloc("uint8_t", Number(uvHandleSize(uvPoll)));
			const callback = koffi.register(onReadable, koffi.pointer(pollCallback));
			const status =
				uvPollInit(uvLoop(), handle, fd) ||
				uvPollStart(handle, uvReadable, callback);
			if (status !== 0)
				throw new MountError(
					`the event loop does not take /dev/fuse (${status})`,
				);
			return () => {
				uvClose(handle, null);
				// libuv is done with the handle at the end of a turn of the event loop, behind that
				// turn's immediates; those of the next turn are late enough. A timer may be too early.
				setImmediate(() =>
					setImmediate(() => {
						koffi.unregister(callback);
						koffi.free(handle);
					}),
				);
			};
		},
	};
}
