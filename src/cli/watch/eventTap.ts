/** Events of a machine, for whoever begins to take them later. */
import type { QomfsError } from "../../errors.ts";
import type { ConnectionListener } from "../../qmp/connection.ts";
import type { QmpEvent } from "../../qmp/messages.ts";

/** Keeps events until somebody takes them, and tells of the end of the connection. */
export class EventTap implements ConnectionListener {
	readonly #waiting: QmpEvent[] = [];
	readonly #lost = Promise.withResolvers<never>();
	#take: (event: QmpEvent) => void = (event) => this.#waiting.push(event);

	constructor() {
		this.#lost.promise.catch(() => {}); // it may come before anybody waits for it
	}

	onEvent = (event: QmpEvent): void => this.#take(event);

	onLost = (reason: QomfsError): void => this.#lost.reject(reason);

	/** Never resolves. @throws QomfsError the connection has ended */
	get lost(): Promise<never> {
		return this.#lost.promise;
	}

	/** From now on every event is passed on at once, after those that wait. */
	passTo(take: (event: QmpEvent) => void): void {
		for (const event of this.#waiting.splice(0)) take(event);
		this.#take = take;
	}
}
