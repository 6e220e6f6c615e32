/** `.json` in every object's directory: the whole object as one document. */
import { FileError } from "../errors.ts";
import { formatJson } from "../json.ts";
import { contentsOf } from "../qom/contents.ts";
import { objectDocument } from "../qom/objectDocument.ts";
import { joinPath, type QomPath } from "../qom/path.ts";
import { snapshotHandle } from "./fileHandle.ts";
import type { File } from "./node.ts";
import type { QomTree } from "./qomTree.ts";

/** Reachable by name, not listed, so that `find` and `grep -r` show nothing twice. */
export const documentName = ".json";

export function documentFile({ view, volume }: QomTree, object: QomPath): File {
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
		path: joinPath(object, documentName),
		waits: true,
		attributes: async () => attributes(),
		known: attributes,
		open: async ({ write }) => {
			if (write) throw new FileError("EACCES", "cannot be written");
			const contents = await contentsOf(view, object);
			const document = await objectDocument(view, object, contents);
			return snapshotHandle(Buffer.from(`${formatJson(document)}\n`));
		},
	};
}
