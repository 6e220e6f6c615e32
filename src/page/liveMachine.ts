/** A machine that somebody looks at through the page: only what can be seen is asked for. */
import { QomError, QomfsError } from "../errors.ts";
import { formatJson } from "../json.ts";
import { log } from "../log.ts";
import type { Machine } from "../machine/machine.ts";
import { incomplete } from "../qom/codec.ts";
import { contentsOf } from "../qom/contents.ts";
import { objectDocument } from "../qom/objectDocument.ts";
import { parseType } from "../qom/types.ts";
import { write } from "../qom/write.ts";
import { shownEntry } from "./collect.ts";
import type { LiveMessages, SetRequest } from "./liveData.ts";

/** Between the answer of one look and the next look. */
const lookMs = 1000;

/** Of events, for those who come back. */
const mostKept = 1000;

/** What somebody looks at. */
export interface Sight {
	/** Undefined for events alone. */
	readonly path: string | undefined;
	/** The properties that are in sight. */
	readonly names: readonly string[];
	/** The number of the last event that was seen. */
	readonly since: number;
}

/** @param message one JSON text */
type Tell = (kind: keyof LiveMessages, message: string, id?: number) => void;

export class LiveMachine {
	readonly isWritable: boolean;
	readonly #machine: Machine;
	readonly #events: { readonly number: number; readonly message: string }[] =
		[];
	readonly #watching = new Set<Tell>();
	#count = 0;

	constructor(machine: Machine, isWritable: boolean) {
		this.#machine = machine;
		this.isWritable = isWritable;
		machine.subscribe({
			onEvent: ({ message }) => {
				const time = new Date().toISOString();
				const kept = {
					number: ++this.#count,
					message: encoded<"event">({ time, text: formatJson(message) }),
				};
				this.#events.push(kept);
				if (this.#events.length > mostKept) this.#events.shift();
				for (const tell of this.#watching)
					tell("event", kept.message, kept.number);
			},
			onConnected: () => this.#tellState(),
			onLost: () => this.#tellState(),
		});
	}

	#tellState(): void {
		for (const tell of this.#watching) tell("state", this.#state());
	}

	#state(): string {
		const { isConnected } = this.#machine;
		return encoded<"state">({
			isConnected,
			reason: isConnected ? "" : this.#machine.reason.message,
		});
	}

	/** Tells of changes until the returned function is called. */
	watch({ path, names, since }: Sight, tell: Tell): () => void {
		let isOver = false;
		let timer: NodeJS.Timeout | undefined;
		this.#watching.add(tell);
		tell("state", this.#state());
		for (const { number, message } of this.#events)
			if (number > since) tell("event", message, number);
		const shown = new Map<string, string>();
		let children: string | undefined;
		const tellChildren = (path: string, names: readonly string[] | null) => {
			const now = encoded<"children">({ path, names });
			if (now !== children) tell("children", now);
			children = now;
		};
		const look = async (path: string) => {
			try {
				const { properties, values } = await contentsOf(
					this.#machine.source,
					path,
				);
				if (isOver) return;
				tellChildren(
					path,
					properties
						.filter(({ type }) => parseType(type).kind === "child")
						.map(({ name }) => name)
						.sort(),
				);
				const wanted = properties.filter(
					({ name, type }) =>
						names.includes(name) && parseType(type).kind !== "child",
				);
				const document = await objectDocument(this.#machine.source, path, {
					properties: wanted,
					values,
				});
				if (isOver) return;
				const words: string[] = [];
				const list: (number | string)[] = [];
				for (const [name, property] of Object.entries(document.properties)) {
					const [kind, text] = shownEntry(property);
					const entry = `${kind} ${text}`;
					if (shown.get(name) === entry) continue;
					shown.set(name, entry);
					list.push(words.push(name) - 1, words.push(property.type) - 1);
					list.push(kind, text);
				}
				if (list.length > 0)
					tell("values", encoded<"values">({ path, words, properties: list }));
			} catch (error) {
				if (error instanceof QomError && error.refusal === "no such object")
					tellChildren(path, null);
				else log.cli("%s", error); // the state tells of a machine that is lost
			} finally {
				if (!isOver) timer = setTimeout(look, lookMs, path);
			}
		};
		if (path !== undefined) void look(path);
		return () => {
			isOver = true;
			clearTimeout(timer);
			this.#watching.delete(tell);
		};
	}

	/** @returns why it was refused, or null */
	async set({ path, property, text }: SetRequest): Promise<string | null> {
		const { source } = this.#machine;
		try {
			const info = (await source.list(path)).find(
				({ name }) => name === property,
			);
			if (!info) return `Property '${property}' not found`;
			const set = await write(source, {
				...{ object: path, info, text },
				unsafeHint: "'qom-set --unsafe-writes' sets it all the same",
			});
			return set === incomplete ? "the JSON is not complete" : null;
		} catch (error) {
			if (error instanceof QomfsError) return error.message;
			throw error;
		}
	}
}

function encoded<Kind extends keyof LiveMessages>(
	message: LiveMessages[Kind],
): string {
	return JSON.stringify(message);
}
