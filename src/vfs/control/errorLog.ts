/** The last failures of a mount, so that the reason is not lost where a shell shows an errno. */
import { beginningOf, QomError, QomfsError } from "../../errors.ts";
import { formatJson, type Json } from "../../json.ts";
import { errnoName } from "../errno.ts";
import { LogFile } from "./logFile.ts";

const maxFailures = 256;

export interface Failure {
	readonly time: string;
	/** The system call: `open`, `read`, `write`... */
	readonly operation: string;
	readonly path: string;
	/** QEMU's error class; null where QEMU was not asked. */
	readonly class: string | null;
	/** QEMU's own text, or ours; null where it could give a secret away. */
	readonly desc: string | null;
	readonly errno: string;
	readonly redacted?: true;
}

export class ErrorLog {
	readonly file = new LogFile(maxFailures);
	/** By path, the oldest first. */
	readonly #last = new Map<string, Failure>();

	/** @param isSecret whether the text may hold what the user wrote */
	record(
		operation: string,
		path: string,
		error: unknown,
		isSecret: boolean,
	): void {
		const failure: Failure = {
			time: new Date().toISOString(),
			operation,
			path,
			class: (error instanceof QomError && error.class) || null,
			desc: isSecret ? null : description(error),
			errno: errnoName(error),
			...(isSecret && { redacted: true }),
		};
		this.#last.delete(path);
		this.#last.set(path, failure);
		for (const oldest of this.#last.keys()) {
			if (this.#last.size <= maxFailures) break;
			this.#last.delete(oldest);
		}
		this.file.append(formatJson({ ...failure } as { [key: string]: Json }));
	}

	/** The last failure of a path. */
	last(path: string): Failure | undefined {
		return this.#last.get(path);
	}
}

/** QEMU may repeat a value of a megabyte; what is kept for 256 paths shall not. */
const maxDescription = 1000;

function description(error: unknown): string {
	if (error instanceof QomError) return beginningOf(error.desc, maxDescription);
	if (error instanceof QomfsError)
		return beginningOf(error.message, maxDescription);
	return "internal error";
}
