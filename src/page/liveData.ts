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
	/** The object that is looked at is gone, or its children are others. */
	readonly changed: { readonly path: string };
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
