/** What the nodes of one machine's tree share. */
import type { QomPath } from "../qom/path.ts";
import type { QomView } from "../qom/source.ts";
import type { NewLinks } from "./newLinks.ts";
import type { Volume } from "./volume.ts";

export interface QomTree {
	readonly view: QomView;
	readonly volume: Volume;
	readonly newLinks: NewLinks;
}

/** The object that a property or a link belongs to. */
export interface QomObject {
	readonly path: QomPath;
	/** Undefined for the root, which nothing lists. */
	readonly type: string | undefined;
}

/** How a user of a mount lifts the guard. */
export const unsafeHint =
	"mount with -o unsafe_writes to write it all the same";
