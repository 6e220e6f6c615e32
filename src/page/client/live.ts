/** What a page with a server behind it does: values that change, events, and writing. */
import type { LiveMessages, SetReply, SetRequest } from "../liveData.ts";
import { type MachineObject, type Property, propertiesOf } from "./model.ts";

/** An event of QEMU. */
export type SeenEvent = LiveMessages["event"];

/** Of events; older ones are let go. */
const mostEvents = 1000;

/** How long a value that has changed is marked. */
const flashMs = 1500;

/** Until it is clear what is in sight: scrolling changes that many times. */
const settleMs = 250;

export class Live {
	readonly isWritable: boolean;
	isConnected = true;
	reason = "";
	/** Whether the tree is not what the page shows any more. */
	isOutdated = false;
	readonly events: SeenEvent[] = [];
	/** By path, then name. */
	readonly #values = new Map<string, Map<string, Property>>();
	readonly #changed = new Map<string, number>();
	readonly #redraw: () => void;
	#source: EventSource | undefined;
	/** What is looked at. */
	#object: MachineObject | undefined;
	#sight = "";
	#since = "0";
	#settling: ReturnType<typeof setTimeout> | undefined;

	/** @param redraw called when there is something new to see */
	constructor(isWritable: boolean, redraw: () => void) {
		this.isWritable = isWritable;
		this.#redraw = redraw;
		document.addEventListener("visibilitychange", () => this.#reopen());
		this.#reopen();
	}

	/** From now on these are kept up to date, and nothing else. */
	look(object: MachineObject, names: readonly string[]): void {
		this.#object = object;
		const query = new URLSearchParams([
			["path", object.path],
			...names.map((name) => ["name", name]),
		]);
		this.#follow(`${query}`);
	}

	/** No object is in sight; there are events all the same. */
	lookAway(): void {
		this.#follow("");
	}

	#follow(sight: string): void {
		if (this.#sight === sight) return;
		this.#sight = sight;
		clearTimeout(this.#settling);
		this.#settling = setTimeout(() => this.#reopen(), settleMs);
	}

	#reopen(): void {
		this.#source?.close();
		this.#source = undefined;
		// A page that nobody sees costs nothing.
		if (document.hidden) return;
		const source = new EventSource(`/live?since=${this.#since}&${this.#sight}`);
		this.#source = source;
		const on = <Kind extends keyof LiveMessages>(
			kind: Kind,
			act: (message: LiveMessages[Kind]) => void,
		) =>
			source.addEventListener(kind, (event: MessageEvent<string>) => {
				if (event.lastEventId) this.#since = event.lastEventId;
				act(JSON.parse(event.data));
				this.#redraw();
			});
		on("values", ({ path, words, properties }) =>
			this.#take(path, propertiesOf(properties, words)),
		);
		on("event", (event) => {
			this.events.push(event);
			if (this.events.length > mostEvents) this.events.shift();
		});
		on("state", ({ isConnected, reason }) => {
			// Another QEMU may have come.
			if (isConnected && !this.isConnected) this.isOutdated = true;
			this.isConnected = isConnected;
			this.reason = reason;
		});
		on("children", ({ path, names }) => {
			const shown = path === this.#object?.path && this.#object.children;
			if (!shown) return;
			const known = shown.map(({ name }) => name).sort();
			if (names?.join("/") !== known.join("/")) this.isOutdated = true;
		});
		source.addEventListener("error", () => {
			this.isConnected = false;
			this.reason = "the server of this page has ended";
			this.#redraw();
		});
	}

	#take(path: string, properties: readonly Property[]): void {
		const known = this.#values.get(path) ?? new Map<string, Property>();
		this.#values.set(path, known);
		for (const property of properties) {
			const before = known.get(property.name);
			known.set(property.name, property);
			if (before && before.text !== property.text)
				this.#flash(`${path}.${property.name}`);
		}
	}

	#flash(key: string): void {
		this.#changed.set(key, Date.now());
		setTimeout(this.#redraw, flashMs);
	}

	/** Those of the page, and what was heard of them since. */
	valuesOf(object: MachineObject): readonly Property[] {
		const known = this.#values.get(object.path);
		if (!known) return object.properties;
		return object.properties.map(
			(property) => known.get(property.name) ?? property,
		);
	}

	hasJustChanged(path: string, property: string): boolean {
		const time = this.#changed.get(`${path}.${property}`) ?? 0;
		return Date.now() - time < flashMs;
	}

	/** @returns why it was refused */
	async set(request: SetRequest): Promise<string | undefined> {
		try {
			const response = await fetch("/set", {
				method: "POST",
				headers: { "content-type": "application/json" },
				body: JSON.stringify(request),
			});
			if (!response.ok) return await response.text();
			const { refusal }: SetReply = await response.json();
			return refusal ?? undefined;
		} catch {
			return "the server of this page has ended";
		}
	}
}
