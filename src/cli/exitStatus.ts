/** The exit status of every command. */
import {
	AddressError,
	BusyError,
	ConnectError,
	DisconnectedError,
	QomfsError,
	SnapshotError,
	TimeoutError,
	UsageError,
} from "../errors.ts";

/** What each status means. */
export const exitStatus = {
	done: 0,
	refused: 1,
	usage: 2,
	cannotConnect: 3,
	busy: 4,
	timedOut: 5,
} as const;

/** One of {@link exitStatus}. */
export type ExitStatus = (typeof exitStatus)[keyof typeof exitStatus];

/** A failure with the exit status of what has caused it, such as another process. */
export class ClassifiedError extends QomfsError {
	readonly status: ExitStatus;

	constructor(message: string, status: ExitStatus) {
		super(message);
		this.status = status;
	}
}

/** The exit status for an error. */
export function statusOf(error: unknown): ExitStatus {
	if (error instanceof ClassifiedError) return error.status;
	if (error instanceof UsageError || error instanceof AddressError)
		return exitStatus.usage;
	if (error instanceof BusyError) return exitStatus.busy;
	if (
		error instanceof ConnectError ||
		error instanceof DisconnectedError ||
		error instanceof SnapshotError
	)
		return exitStatus.cannotConnect;
	if (error instanceof TimeoutError) return exitStatus.timedOut;
	return exitStatus.refused;
}

/** What mount(8) is told, and tells its user (mount(8), "EXIT STATUS"). */
export function helperStatus(status: ExitStatus): number {
	if (status === exitStatus.done) return 0;
	return status === exitStatus.usage ? 1 : 32;
}
