/** What a QMP server may send (qmp-spec.rst, sections "Server Greeting" to "Asynchronous events"). */
import { type ErrorClass, ProtocolError } from "../errors.ts";
import { formatJson, isObject, type Json, type JsonObject } from "../json.ts";

export interface QemuVersion {
	readonly major: number;
	readonly minor: number;
	readonly micro: number;
	/** The distributor's own version, may be empty. */
	readonly package: string;
}

/** `7.2.22` */
export function formatVersion({ major, minor, micro }: QemuVersion): string {
	return `${major}.${minor}.${micro}`;
}

export interface Greeting {
	readonly kind: "greeting";
	readonly version: QemuVersion;
	readonly capabilities: readonly string[];
	/** The whole of it, as QEMU sent it. */
	readonly message: JsonObject;
}

export interface Reply {
	readonly kind: "return";
	readonly id: Json | undefined;
	readonly value: Json;
}

export interface ErrorReply {
	readonly kind: "error";
	/** Absent when the server could not read the request at all. */
	readonly id: Json | undefined;
	readonly class: ErrorClass;
	readonly desc: string;
}

export interface QmpEvent {
	readonly kind: "event";
	readonly name: string;
	readonly data: JsonObject;
	/** When QEMU sent it, by the host's clock. */
	readonly timeMs: number;
	/** The whole of it, as QEMU sent it. */
	readonly message: JsonObject;
}

export type Message = Greeting | Reply | ErrorReply | QmpEvent;

/**
 * Tells what a message is.
 *
 * @throws ProtocolError when it is nothing that the specification knows
 */
export function readMessage(message: Json): Message {
	if (!isObject(message)) throw unknown(message);
	const { id } = message;
	if ("return" in message)
		return { kind: "return", id, value: message.return as Json };
	if (isObject(message.error)) {
		const { class: errorClass, desc } = message.error;
		if (typeof errorClass !== "string" || typeof desc !== "string")
			throw unknown(message);
		return { kind: "error", id, class: errorClass, desc };
	}
	if (typeof message.event === "string") return readEvent(message);
	if (isObject(message.QMP)) return readGreeting(message.QMP, message);
	throw unknown(message);
}

function readEvent(message: JsonObject): QmpEvent {
	const data = isObject(message.data) ? message.data : {};
	const time = isObject(message.timestamp) ? message.timestamp : {};
	const seconds = Number(time.seconds ?? 0);
	const microseconds = Number(time.microseconds ?? 0);
	return {
		kind: "event",
		name: message.event as string,
		data,
		timeMs: seconds * 1000 + microseconds / 1000,
		message,
	};
}

function readGreeting(greeting: JsonObject, message: JsonObject): Greeting {
	const version = isObject(greeting.version) ? greeting.version : {};
	const qemu = isObject(version.qemu) ? version.qemu : {};
	const capabilities = greeting.capabilities;
	const numberIn = (name: string): number => {
		const value = qemu[name] ?? 0;
		if (typeof value !== "number") throw unknown(greeting);
		return value;
	};
	return {
		kind: "greeting",
		version: {
			major: numberIn("major"),
			minor: numberIn("minor"),
			micro: numberIn("micro"),
			package: typeof version.package === "string" ? version.package : "",
		},
		capabilities: Array.isArray(capabilities)
			? capabilities.filter((name) => typeof name === "string")
			: [],
		message,
	};
}

function unknown(message: Json): ProtocolError {
	return new ProtocolError(
		`message is not QMP: ${formatJson(message).slice(0, 80)}`,
	);
}
