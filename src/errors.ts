/**
 * Every error that qomfs raises on purpose, on one page. A message says in one line
 * what failed, on what, and what to do. Anything else that is thrown is a bug.
 *
 *   QomfsError
 *   ├── UsageError         the command line is wrong
 *   ├── MountError         the kernel or the mount point refused
 *   ├── ConnectError       nobody answers there
 *   │   ├── BusyError      another client holds the monitor
 *   │   └── ProtocolError  whoever answers does not speak QMP
 *   ├── DisconnectedError  the connection broke or was closed
 *   ├── TimeoutError       no answer in time
 *   ├── CommandError       QMP's {class, desc}
 *   ├── QomError           QEMU refused something about an object or property
 *   └── FileError          the file system refused, by its own rules
 */

export class QomfsError extends Error {
	override get name(): string {
		return this.constructor.name;
	}
}

export class UsageError extends QomfsError {}

export class MountError extends QomfsError {}

export class ConnectError extends QomfsError {}

export class BusyError extends ConnectError {}

export class ProtocolError extends ConnectError {}

export class DisconnectedError extends QomfsError {}

export class TimeoutError extends QomfsError {}

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

/** A command that QEMU answered with an error (qmp-spec: "Error response"). */
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

/** Why something was refused, in the words of whoever did. */
export interface RefusalDetails {
	readonly desc: string;
	/** QEMU's error class; undefined where QEMU was not asked. */
	readonly class?: ErrorClass | undefined;
	/** What QEMU asked for instead, when it refused a value's JSON kind: `boolean`, `uint64`... */
	readonly expected?: string | undefined;
	readonly cause?: unknown;
}

/** Something about one object or property was refused: by QEMU, or by what stands in its place. */
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

/** An errno that the file system decides by itself, without asking QEMU. */
export type FileErrorCode =
	| "ENOENT"
	| "ENOTDIR"
	| "EISDIR"
	| "EINVAL"
	| "ERANGE"
	| "EFBIG"
	| "EROFS"
	| "EPERM"
	| "EACCES"
	| "EBADF"
	| "EIO";

export class FileError extends QomfsError {
	readonly code: FileErrorCode;

	/** @param message what is wrong; the path is known to whoever called */
	constructor(code: FileErrorCode, message: string, options?: ErrorOptions) {
		super(message, options);
		this.code = code;
	}
}
