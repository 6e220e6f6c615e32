/** The one place where an error becomes an errno (errno(3)). */
import { constants } from "node:os";
import {
	ConnectError,
	DisconnectedError,
	FileError,
	QomError,
	type Refusal,
	TimeoutError,
	ValueError,
} from "../errors.ts";

export type ErrnoName = keyof typeof constants.errno;

const byRefusal: Record<Refusal, ErrnoName> = {
	"no such object": "ENOENT",
	"no such property": "ENOENT",
	"not readable": "EACCES",
	"not writable": "EACCES",
	fixed: "EPERM",
	invalid: "EINVAL",
	"out of range": "ERANGE",
	busy: "EBUSY",
	"no value": "ENODATA",
	guarded: "EPERM",
	other: "EIO",
};

export function errnoName(error: unknown): ErrnoName {
	if (error instanceof FileError) return error.code;
	if (error instanceof ValueError)
		return error.isOutOfRange ? "ERANGE" : "EINVAL";
	if (error instanceof QomError) return byRefusal[error.refusal];
	if (error instanceof TimeoutError) return "ETIMEDOUT";
	if (error instanceof DisconnectedError || error instanceof ConnectError)
		return "ENODEV";
	return "EIO";
}

/** The errno as a positive number. */
export function errnoOf(error: unknown): number {
	return constants.errno[errnoName(error)];
}
