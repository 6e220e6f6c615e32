/**
 * The order in which QEMU is asked. It reads requests one after the other, so what is sent
 * cannot be overtaken any more: only a few are on their way at a time, of whole objects fewer,
 * and a single value goes before them. How many depends on how far away QEMU is (pace.ts). When
 * QEMU has not answered one in time, nothing is sent but a probe, and everything fails at once
 * until that is answered.
 */
import { TimeoutError } from "../errors.ts";
import type { Json, JsonObject } from "../json.ts";
import { type Pace, paceAt } from "../pace.ts";

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

/** The shortest command there is for a sign of life. */
const probeCommand = "query-name";

/** As long as a timer can wait, some 24 days. */
const forEverMs = 2 ** 31 - 1;

export class RequestQueue {
	readonly #qmp: QmpExecutor;
	readonly #waiting: Record<Urgency, Request[]> = { single: [], bulk: [] };
	readonly #underWay: Record<Urgency, number> = { single: 0, bulk: 0 };
	readonly #pace: () => Pace;
	#stall: TimeoutError | undefined;

	/** @param pace at the moment; a QEMU that is near, if nobody knows */
	constructor(qmp: QmpExecutor, pace = () => paceAt(0)) {
		this.#qmp = qmp;
		this.#pace = pace;
	}

	/** How much may be on its way at the moment. */
	get pace(): Pace {
		return this.#pace();
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
		const { pace } = this;
		if (single + bulk >= pace.underWay) return undefined;
		return (
			this.#waiting.single.shift() ??
			(bulk < pace.bulkUnderWay ? this.#waiting.bulk.shift() : undefined)
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
