/** What goes over the wire between a shared monitor and its clients, byte for byte as QEMU writes it. */
import { isObject, type Json, type JsonObject, parseJson } from "../json.ts";

/** `undefined` where a client gave none, for `null` is an id like any other. */
export type ClientId = Json | undefined;

/**
 * A reply of QEMU with the id that its client gave. What stands between is not touched: large
 * integers and the order of members stay as they came.
 *
 * @param text of the reply, whose id is `ourId`
 */
export function replyFor(text: string, ourId: number, id: ClientId): string {
	const reply = text.trimEnd();
	const last = `, "id": ${ourId}}`;
	if (reply.startsWith('{"return": ') && reply.endsWith(last))
		return `${reply.slice(0, -last.length)}${id === undefined ? "" : `, "id": ${formatAsQemu(id)}`}}`;
	const first = `{"id": ${ourId}, `;
	if (reply.startsWith(first))
		return `{${id === undefined ? "" : `"id": ${formatAsQemu(id)}, `}${reply.slice(first.length)}`;
	// A monitor with pretty=on.
	const { id: _ours, ...members } = parseJson(text) as JsonObject;
	return formatAsQemu(id === undefined ? members : { ...members, id });
}

/** A reply that does not come from QEMU, in its form. */
export function returnReply(value: Json, id: ClientId): string {
	return formatAsQemu({ return: value, ...(id !== undefined && { id }) });
}

export function errorReply(
	errorClass: "GenericError" | "CommandNotFound",
	desc: string,
	id?: ClientId,
): string {
	return formatAsQemu({
		...(id !== undefined && { id }),
		error: { class: errorClass, desc },
	});
}

/** JSON with a space after commas and colons, and what is beyond ASCII as `\uXXXX` (qobject/json-writer.c). */
export function formatAsQemu(value: Json): string {
	if (typeof value === "string") return asciiString(value);
	if (isObject(value)) {
		const members = Object.entries(value).map(
			([name, member]) => `${asciiString(name)}: ${formatAsQemu(member)}`,
		);
		return `{${members.join(", ")}}`;
	}
	return Array.isArray(value)
		? `[${value.map(formatAsQemu).join(", ")}]`
		: String(value);
}

function asciiString(text: string): string {
	return JSON.stringify(text).replace(
		/[\u007f-\uffff]/g,
		(unit) =>
			`\\u${unit.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`,
	);
}
