/** What the page and its server tell each other. Each is one JSON text of a stream, or of a request. */
import type { PropertyList } from "./data.ts";

/** The kinds of messages of `/live`, by the name of the event in the stream. */
export interface LiveMessages {
	/** Values of the object that is looked at, as they are now: `words` are their names and types. */
	readonly values: {
		readonly path: string;
		readonly words: readonly string[];
		readonly properties: PropertyList;
	};
	/** Names of the children of the object that is looked at; null where it is gone. */
	readonly children: {
		readonly path: string;
		readonly names: readonly string[] | null;
	};
	readonly state: { readonly isConnected: boolean; readonly reason: string };
	/** An event of QEMU, in its own words. */
	readonly event: { readonly time: string; readonly text: string };
}

/** What `/set` takes. */
export interface SetRequest {
	readonly path: string;
	readonly property: string;
	readonly text: string;
}

/** What `/set` answers: why it was refused, or null. */
export interface SetReply {
	readonly refusal: string | null;
}
