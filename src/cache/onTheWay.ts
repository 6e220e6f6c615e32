/**
 * Values that are asked for one by one and not there yet. A look joins whoever has asked already;
 * a read takes only what was asked for ahead of it, for anything else would be shared with others.
 */
import type { QomError } from "../errors.ts";
import type { Json } from "../json.ts";

export interface AskedValue {
	/** A refusal, too, for it is as good an answer. */
	readonly outcome: Promise<Json | QomError>;
	readonly sentMs: number;
	/** Whether nobody waits for it yet. */
	readonly isAhead: boolean;
}

export class OnTheWay {
	readonly #byKey = new Map<string, AskedValue>();

	has(key: string): boolean {
		return this.#byKey.has(key);
	}

	/** For a look. */
	get(key: string): AskedValue | undefined {
		return this.#byKey.get(key);
	}

	/**
	 * For a read: nobody else gets it. What is on its way for a look is older than what will be
	 * shown now, so it is not kept either.
	 */
	take(key: string): AskedValue | undefined {
		const asked = this.#byKey.get(key);
		this.#byKey.delete(key);
		return asked?.isAhead ? asked : undefined;
	}

	/** @param onKept called with the outcome, unless it was taken or all is forgotten by then */
	add(
		key: string,
		asked: AskedValue,
		onKept: (outcome: Json | QomError) => void,
	): void {
		this.#byKey.set(key, asked);
		const isKept = () => {
			if (this.#byKey.get(key) !== asked) return false;
			return this.#byKey.delete(key);
		};
		asked.outcome.then((outcome) => {
			if (isKept()) onKept(outcome);
		}, isKept);
	}

	clear(): void {
		this.#byKey.clear();
	}
}
