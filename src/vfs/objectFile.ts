/** `.json` and `.values.json` in every object's directory: the whole object as one document. */
import { FileError } from "../errors.ts";
import { formatJson, type JsonObject } from "../json.ts";
import { contentsOf } from "../qom/contents.ts";
import { objectDocument, valuesDocument } from "../qom/objectDocument.ts";
import { OrderedSource } from "../qom/orderedSource.ts";
import { joinPath, type QomPath } from "../qom/path.ts";
import type { ObjectContents, QomSource } from "../qom/source.ts";
import { snapshotHandle } from "./fileHandle.ts";
import type { File } from "./node.ts";
import type { QomTree } from "./qomTree.ts";

type MakeDocument = (
	source: QomSource,
	path: QomPath,
	contents: ObjectContents,
) => Promise<JsonObject>;

/** Reachable by name, not listed, so that `find` and `grep -r` show nothing twice. */
const documents: ReadonlyMap<string, MakeDocument> = new Map([
	[".json", objectDocument],
	[".values.json", valuesDocument],
]);

/** The document of an object by its name; undefined where there is no such document. */
export function documentFile(
	{ view, volume }: QomTree,
	object: QomPath,
	name: string,
): File | undefined {
	const make = documents.get(name);
	if (!make) return undefined;
	const attributes = () =>
		({
			kind: "file",
			mode: volume.mode(0o444),
			size: 0, // as in /proc: it is not known before it is read
			mtimeMs: volume.options.sinceMs(),
		}) as const;
	return {
		kind: "file",
		volume,
		path: joinPath(object, name),
		waits: true,
		attributes: async () => attributes(),
		known: attributes,
		open: async ({ write }) => {
			if (write) throw new FileError("EACCES", "cannot be written");
			const ordered = new OrderedSource(view);
			const contents = await contentsOf(ordered, object);
			const document = await make(ordered, object, contents);
			return snapshotHandle(Buffer.from(`${formatJson(document)}\n`));
		},
	};
}
