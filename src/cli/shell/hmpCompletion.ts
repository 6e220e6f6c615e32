/** What TAB offers in the human monitor's language: commands, `info` topics, and names. */
import type { Completion } from "../../schema/completion.ts";
import { children, pathsLike } from "../../schema/liveNames.ts";
import type { ShellSession } from "./shellSession.ts";

/** The part of a session that is used here. */
type Asked = Pick<ShellSession, "execute">;

/**
 * What can follow the text before the cursor.
 *
 * @param line the line up to the cursor
 */
export async function completeHmp(
	session: Asked,
	line: string,
): Promise<Completion> {
	const words = line.trimStart().split(/\s+/);
	const last = words.pop() ?? "";
	const candidates = await candidatesFor(session, words, last);
	const fitting = [...new Set(candidates)]
		.filter((candidate) => candidate.startsWith(last))
		.sort();
	return [
		fitting.length === 1 && !last.startsWith("/")
			? [`${fitting[0]} `]
			: fitting,
		last,
	];
}

function candidatesFor(
	session: Asked,
	[command, ...others]: readonly string[],
	last: string,
): Promise<readonly string[]> | readonly string[] {
	const ask: Asked["execute"] = (asked, args) => session.execute(asked, args);
	if (command === undefined || command === "help" || command === "?")
		return topics(session, "help", "");
	if (others.length > 0) return [];
	if (command === "info") return topics(session, "help info", "info ");
	if (command === "qom-list" || command === "qom-get" || command === "qom-set")
		return pathsLike(ask, last);
	if (command === "device_del") return children(ask, "/machine/peripheral");
	if (command === "object_del") return children(ask, "/objects");
	return [];
}

/** The names in a help text, whose lines are `NAME|ALIAS ARGUMENTS -- WHAT IT DOES`. */
async function topics(
	session: Asked,
	help: string,
	prefix: string,
): Promise<readonly string[]> {
	const text = await session.execute("human-monitor-command", {
		"command-line": help,
	});
	if (typeof text !== "string") return [];
	return text
		.split(/\r?\n/)
		.filter((line) => line.startsWith(prefix))
		.flatMap((line) => {
			const [names = ""] = line.slice(prefix.length).split(/\s/);
			return names.split("|");
		})
		.filter((name) => /^[a-z][\w-]*$/i.test(name));
}
