/**
 * Every error that qomfs raises on purpose, on one page. A message says in one line
 * what failed, on what, and what to do. Anything else that is thrown is a bug.
 *
 *   QomfsError
 *   ├── UsageError         a command line is wrong
 *   ├── AddressError       a text is no address of a monitor
 *   ├── ValueError         a text is no value of the kind that it has to be
 *   ├── MountError         the kernel or the mount point refuses
 *   ├── ConnectError       nothing answers there
 *   │   ├── BusyError      another client holds the monitor
 *   │   └── ProtocolError  the peer does not speak QMP
 *   ├── DisconnectedError  the connection broke or was closed
 *   ├── TimeoutError       no answer in time
 *   ├── CommandError       QMP's {class, desc}
 *   ├── QomError           something about an object or a property is refused
 *   ├── SnapshotError      a file is no snapshot that can be read
 *   ├── NoMatchError       a pattern fits nothing
 *   └── FileError          the file system refuses, by its own rules
 */

export class QomfsError extends Error {
	override get name(): string {
		return this.constructor.name;
	}
}

/** Raised by commands alone, before anything is done. */
export class UsageError extends QomfsError {}

/** Raised when a source is named, before anything is connected. */
export class AddressError extends QomfsError {}

/** Raised before a value is sent: by the codec, and for the target of a link. */
export class ValueError extends QomfsError {
	/** Whether it is of the right kind, but too large or negative. */
	readonly isOutOfRange: boolean;

	constructor(
		message: string,
		{ isOutOfRange = false }: { readonly isOutOfRange?: boolean } = {},
	) {
		super(message);
		this.isOutOfRange = isOutOfRange;
	}
}

/** Raised while mounting and unmounting, and when a mount ends for lack of its machine. */
export class MountError extends QomfsError {}

/** Raised while connecting. Once there is a session it is a DisconnectedError that ends it. */
export class ConnectError extends QomfsError {}

/** Raised while connecting to a monitor that serves somebody else: QEMU serves one at a time. */
export class BusyError extends ConnectError {}

/** Raised while connecting, and later when a message is no QMP; that ends the session. */
export class ProtocolError extends ConnectError {}

/** Raised by whatever is under way when a session ends, and by all that is asked without one. */
export class DisconnectedError extends QomfsError {}

/** Raised when a host, a monitor or a command does not answer in time; the command may still take effect. */
export class TimeoutError extends QomfsError {}

/** Raised when a file that was named as a source is damaged, foreign, or of a newer qomfs. */
export class SnapshotError extends QomfsError {}

/** Raised when nothing fits a pattern that a user has written. */
export class NoMatchError extends QomfsError {}

/**
 * The classes that the QMP specification names. QEMU may invent others, which are
 * passed on as they are: hence `string` wherever a class is carried.
 * Source: qapi/error.json @QapiErrorClass.
 */
export type ErrorClass =
	| "GenericError"
	| "CommandNotFound"
	| "DeviceNotActive"
	| "DeviceNotFound"
	| "KVMMissingCap"
	| (string & {});

/** Raised when QEMU answers a command with an error (qmp-spec: "Error response"). */
export class CommandError extends QomfsError {
	readonly command: string;
	readonly class: ErrorClass;
	readonly desc: string;

	constructor(command: string, errorClass: ErrorClass, desc: string) {
		super(`${command}: ${desc} (${errorClass})`);
		this.command = command;
		this.class = errorClass;
		this.desc = desc;
	}
}

/** Why QEMU refused, read from its text in one place (`qom/refusal.ts`). */
export type Refusal =
	| "no such object"
	| "no such property"
	| "not readable"
	| "not writable"
	| "fixed"
	| "invalid"
	| "out of range"
	| "busy"
	| "no value"
	/** qomfs does not ask QEMU, because it would harm the machine. */
	| "guarded"
	| "other";

/** What a {@link QomError} is about. */
export interface QomSubject {
	/** Of the object. */
	readonly path: string;
	/** Undefined where the object itself was asked for. */
	readonly property?: string | undefined;
}

/** Why something was refused, in the words of the one that refused it. */
export interface RefusalDetails {
	readonly desc: string;
	/** QEMU's error class; undefined where QEMU was not asked. */
	readonly class?: ErrorClass | undefined;
	/** What QEMU asked for instead, when it refused a value's JSON kind: `boolean`, `uint64`... */
	readonly expected?: string | undefined;
	readonly cause?: unknown;
}

/**
 * Raised when something about one object or property is refused: by QEMU, by what stands in its
 * place (a snapshot), or by qomfs where asking would harm the machine.
 */
export class QomError extends QomfsError {
	readonly refusal: Refusal;
	readonly path: string;
	readonly property: string | undefined;
	readonly desc: string;
	readonly class: ErrorClass | undefined;
	readonly expected: string | undefined;

	constructor(
		refusal: Refusal,
		{ path, property }: QomSubject,
		{ desc, class: errorClass, expected, cause }: RefusalDetails,
	) {
		const subject = property === undefined ? path : `${path}.${property}`;
		super(`${subject}: ${desc}`, cause === undefined ? undefined : { cause });
		this.refusal = refusal;
		this.path = path;
		this.property = property;
		this.desc = desc;
		this.class = errorClass;
		this.expected = expected;
	}
}

/** A text that may be a megabyte long, as a message shows it. */
export function beginningOf(text: string, most: number): string {
	return text.length > most ? `${text.slice(0, most)}...` : text;
}

/** An errno that the file system decides by itself, without asking QEMU. */
export type FileErrorCode =
	| "ENOENT"
	| "ENAMETOOLONG"
	| "ENOTDIR"
	| "EISDIR"
	| "EINVAL"
	| "ERANGE"
	| "EFBIG"
	| "EROFS"
	| "EPERM"
	| "EACCES"
	| "EBADF"
	| "EINTR"
	| "ENOTTY"
	| "EOPNOTSUPP"
	| "EIO";

/** Raised by the file system's own rules, without asking QEMU. */
export class FileError extends QomfsError {
	readonly code: FileErrorCode;

	/** @param message what is wrong; the caller knows the path */
	constructor(code: FileErrorCode, message: string, options?: ErrorOptions) {
		super(message, options);
		this.code = code;
	}
}
