/** What virsh(1) prints of a monitor, and what is typed to it, as QMP. */
import { formatJson, type JsonObject, parseJson } from "../../json.ts";

/**
 * One line of virsh for a command of QMP; it has only what every quoting leaves as it is.
 *
 * @param domain its UUID, or a plain name
 */
export function commandLine(domain: string, request: JsonObject): string {
	const json = formatJson(request).replace(
		/[^\x20-\x7e]|'/g,
		(character) =>
			`\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
	);
	return `qemu-monitor-command --domain ${domain} --cmd '${json}'`;
}

/**
 * A reply as the session expects it: libvirt puts an id of its own behind the value, or before an error.
 *
 * @param id of the session
 */
export function withId(reply: string, id: number): string {
	const text = reply.trimEnd();
	const behind = text.replace(/,\s*"id":\s*"libvirt-\d+"\}$/, `,"id":${id}}`);
	if (behind !== text) return behind;
	const before = text.replace(/^\{"id":\s*"libvirt-\d+",/, `{"id":${id},`);
	if (before !== text) return before;
	try {
		return formatJson({ ...(parseJson(text) as JsonObject), id });
	} catch {
		return text; // the session ends with what is no QMP
	}
}

/** So much of an event that has no end is none. */
const mostKept = 2 ** 20;

/** Reads `virsh qemu-monitor-event --loop` of one domain, whose name may be any text. */
export class EventReader {
	readonly #form: RegExp;
	#text = "";

	/** @param name of the domain */
	constructor(name: string) {
		const quoted = name.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
		this.#form = new RegExp(
			`^event (\\S+) at (\\d+)\\.(\\d+) for domain '${quoted}': (.*)\\n`,
			"m",
		);
	}

	/** Returns the events that are complete by now, each as QEMU sends it. */
	push(text: string): readonly string[] {
		this.#text = (this.#text + text).slice(-mostKept);
		const events: string[] = [];
		for (;;) {
			const match = this.#form.exec(this.#text);
			if (!match) return events;
			this.#text = this.#text.slice(match.index + match[0].length);
			const [, event = "", seconds, microseconds, data = ""] = match;
			const timestamp = `{"seconds": ${Number(seconds)}, "microseconds": ${Number(microseconds)}}`;
			const rest = data === "<null>" ? "" : `, "data": ${data}`;
			events.push(
				`{"timestamp": ${timestamp}, "event": ${JSON.stringify(event)}${rest}}`,
			);
		}
	}
}
