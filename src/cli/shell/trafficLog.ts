/** The file of `-l`: every message that is sent or received, one JSON object on each line. */
import { openSync, writeSync } from "node:fs";
import { QomfsError } from "../../errors.ts";
import { formatJson, parseJson } from "../../json.ts";
import type { OnTraffic } from "../../qmp/session.ts";

/**
 * Appends to the file. It may hold secrets, so it is created readable only by its owner.
 *
 * @throws QomfsError it cannot be opened
 */
export function openTrafficLog(path: string): OnTraffic {
	const explained = <Value>(act: () => Value): Value => {
		try {
			return act();
		} catch (cause) {
			throw new QomfsError(
				`${path}: cannot be appended to (${(cause as NodeJS.ErrnoException).code}); name another file with -l`,
				{ cause },
			);
		}
	};
	const file = explained(() => openSync(path, "a", 0o600));
	return (_direction, text) => {
		// A monitor with pretty=on sends messages of several lines.
		const line = text.includes("\n") ? formatJson(parseJson(text)) : text;
		explained(() => writeSync(file, `${line}\n`));
	};
}
