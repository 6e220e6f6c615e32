/**
 * Whether a monitor of our own still speaks: whoever deletes it leaves us a connection that stays open and
 * says nothing.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { connectSession } from "../qmp/openSession.ts";
import type { QmpSession } from "../qmp/session.ts";
import type { Way } from "../qmp/way.ts";

/** How often it is looked at, and how long it may owe an answer. */
const lookMs = 10_000;
const patienceMs = 10_000;

export class OwnMonitorWatch {
	readonly #way: Way;
	#own: QmpSession | undefined;
	/** It has not answered in time, and it is not clear yet why. */
	#doubted: QmpSession | undefined;

	/** @param way to the monitor that was given, which is free meanwhile */
	constructor(way: Way) {
		this.#way = way;
	}

	/** Whether there is a monitor of our own. */
	get isOn(): boolean {
		return this.#own !== undefined;
	}

	/** From now on until it ends. Asks for a sign of life now and then: there may be only events, which would not come. */
	start(own: QmpSession): void {
		this.#own = own;
		const timer = setInterval(() => {
			const { owedSinceMs } = own;
			if (owedSinceMs === undefined)
				own
					.execute("query-name", undefined, { timeoutMs: patienceMs })
					.catch(() => {}); // it is owed from now on
			else if (Date.now() - owedSinceMs > patienceMs) void this.doubt();
		}, lookMs);
		timer.unref();
		void own.ended.then(() => {
			clearInterval(timer);
			if (this.#own === own) this.#own = undefined;
		});
	}

	/** It has not answered in time. If QEMU answers elsewhere meanwhile, it is as good as lost, and is closed. */
	async doubt(): Promise<void> {
		const own = this.#own;
		if (!own || this.#doubted === own) return;
		this.#doubted = own;
		const sinceMs = own.owedSinceMs;
		const owes = () => own === this.#own && own.owedSinceMs === sinceMs;
		for (let waitMs = 100; owes(); waitMs = Math.min(waitMs * 2, 60_000)) {
			const answers = await connectSession(this.#way).then(
				(given) => given.close().then(() => true),
				() => false, // it is stopped, or serves somebody else
			);
			// An answer that is on its way at last is not late any more then.
			await sleep(waitMs, undefined, { ref: false });
			if (answers && owes()) await own.close();
		}
		this.#doubted = undefined;
	}
}
