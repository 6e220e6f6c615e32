/**
 * The order in which QEMU is asked. It reads requests one after the other, so what is sent
 * cannot be overtaken any more: only a few are on their way at a time, whole objects one by
 * one, and a single value goes before them. When QEMU has not answered one in time, nothing
 * is sent but a probe, and everything fails at once until that is answered.
 */
import { TimeoutError } from "../errors.ts";
import type { Json, JsonObject } from "../json.ts";

/** What asking QEMU needs of a QMP session. */
export interface QmpExecutor {
	/** @throws CommandError, TimeoutError, DisconnectedError */
	execute(
		command: string,
		args?: JsonObject,
		options?: { secret?: boolean; timeoutMs?: number },
	): Promise<Json>;
}

/** Whole objects wait for single values. */
export type Urgency = "single" | "bulk";

interface Request {
	readonly urgency: Urgency;
	readonly send: () => Promise<unknown>;
	readonly fail: (error: Error) => void;
}

/** More on their way would not be answered sooner. */
const maxUnderWay = 4;
const maxBulkUnderWay = 1;

/** The shortest command there is for a sign of life. */
const probeCommand = "query-name";

/** As long as a timer can wait, some 24 days. */
const forEverMs = 2 ** 31 - 1;

export class RequestQueue {
	readonly #qmp: QmpExecutor;
	readonly #waiting: Record<Urgency, Request[]> = { single: [], bulk: [] };
	readonly #underWay: Record<Urgency, number> = { single: 0, bulk: 0 };
	#stall: TimeoutError | undefined;

	constructor(qmp: QmpExecutor) {
		this.#qmp = qmp;
	}

	execute(
		command: string,
		args: JsonObject,
		options: { secret?: boolean; urgency?: Urgency } = {},
	): Promise<Json> {
		if (this.#stall) return Promise.reject(this.#stall);
		const { urgency = "single", secret = false } = options;
		return new Promise((resolve, reject) => {
			this.#waiting[urgency].push({
				urgency,
				send: () =>
					this.#qmp
						.execute(command, args, { secret })
						.then(resolve, (error) => {
							if (error instanceof TimeoutError) this.#stalled(error);
							reject(error);
						}),
				fail: reject,
			});
			this.#sendNext();
		});
	}

	#sendNext(): void {
		for (;;) {
			const request = this.#next();
			if (!request) return;
			this.#underWay[request.urgency]++;
			// Whoever asked is told what went wrong.
			void request.send().finally(() => {
				this.#underWay[request.urgency]--;
				this.#sendNext();
			});
		}
	}

	#next(): Request | undefined {
		const { single, bulk } = this.#underWay;
		if (single + bulk >= maxUnderWay) return undefined;
		return (
			this.#waiting.single.shift() ??
			(bulk < maxBulkUnderWay ? this.#waiting.bulk.shift() : undefined)
		);
	}

	#stalled(reason: TimeoutError): void {
		if (this.#stall) return;
		this.#stall = reason;
		const waiting = Object.values(this.#waiting).flatMap((lane) =>
			lane.splice(0),
		);
		for (const request of waiting) request.fail(reason);
		const over = () => {
			this.#stall = undefined;
		};
		// Answered or cut off: either way QEMU may be asked again.
		this.#qmp
			.execute(probeCommand, undefined, { timeoutMs: forEverMs })
			.then(over, over);
	}
}
