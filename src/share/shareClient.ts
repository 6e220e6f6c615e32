/** One client of a shared monitor: it negotiates for itself, and hears replies in its order. */
import type { Socket } from "node:net";
import { ProtocolError } from "../errors.ts";
import { isObject, type Json, type JsonObject, parseJson } from "../json.ts";
import { MessageSplitter } from "../qmp/messageSplitter.ts";
import { isReading } from "./commands.ts";
import { formError } from "./form.ts";
import { type ClientId, errorReply, returnReply } from "./wire.ts";

/** A request that is to go to QEMU. */
export interface Forwarded {
	readonly request: JsonObject;
	readonly id: ClientId;
	/** Called once, if QEMU answers. */
	readonly answer: (text: string) => void;
}

export interface ShareClientOptions {
	/** The greeting of the QEMU that is connected. */
	readonly greeting: string;
	readonly isReadOnly: boolean;
	/** There is something to take. */
	readonly onRequest: () => void;
}

/** A client that sends more at once has to wait until some of it was taken. */
const mostWaiting = 64;
/** A client that does not read gets no more answers, and at last is cut off. */
const slowBytes = 1024 * 1024;
const mostUnreadBytes = 16 * 1024 * 1024;
/** Longest request. QEMU takes some seconds for a megabyte, and has no time for others meanwhile. */
const requestBytes = 1.25 * 1024 * 1024;

/** A reply that is there, or on its way. */
interface Slot {
	text?: string;
}

export class ShareClient {
	readonly #socket: Socket;
	readonly #options: ShareClientOptions;
	#splitter = newSplitter();
	#skipsLine = false;
	#isNegotiated = false;
	/** Whether it asked for out-of-band execution, which no command here has. */
	#hasOob = false;
	#hasSaidAll = false;
	/** In the order of the requests. */
	readonly #slots: Slot[] = [];
	readonly #waiting: Forwarded[] = [];

	constructor(socket: Socket, options: ShareClientOptions) {
		this.#socket = socket;
		this.#options = options;
		socket.on("data", (chunk) => this.#receive(chunk));
		socket.on("drain", () => this.#options.onRequest());
		socket.on("end", () => {
			this.#hasSaidAll = true;
			this.#endIfAnswered();
		});
		socket.on("error", () => socket.destroy());
		this.#write(options.greeting);
	}

	/** The next request for QEMU; none while the client does not read its answers. */
	take(): Forwarded | undefined {
		if (this.#socket.writableLength > slowBytes) return undefined;
		const next = this.#waiting.shift();
		if (this.#waiting.length < mostWaiting) this.#socket.resume();
		return next;
	}

	event(text: string): void {
		if (this.#isNegotiated) this.#write(text);
	}

	/** QEMU has gone; what it has said before is still delivered. */
	end(): void {
		this.#waiting.length = 0;
		this.#socket.end();
		this.#socket.resume(); // or its end would not be noticed
	}

	/** Line by line: what is wrong in one spoils no other. */
	#receive(chunk: Buffer): void {
		for (let start = 0; start < chunk.length; ) {
			const end = chunk.indexOf("\n", start) + 1 || chunk.length;
			this.#read(chunk.subarray(start, end));
			start = end;
		}
		if (this.#waiting.length >= mostWaiting) this.#socket.pause();
	}

	#read(line: Buffer): void {
		const isSkipped = this.#skipsLine;
		if (isSkipped) this.#skipsLine = line.at(-1) !== lineFeed;
		if (isSkipped) return;
		try {
			for (const text of this.#splitter.messagesIn(line)) this.#request(text);
		} catch (error) {
			if (!(error instanceof ProtocolError)) throw error;
			this.#splitter = newSplitter();
			// Without the newline the rest is still to come, and is no request either.
			this.#skipsLine = line.at(-1) !== lineFeed;
			this.#reserve()(syntaxError("invalid JSON"));
		}
	}

	#request(text: string): void {
		const answer = this.#reserve();
		const request = this.#forQemu(text);
		if (typeof request === "string") answer(request);
		else {
			this.#waiting.push({ request, id: request.id, answer });
			this.#options.onRequest();
		}
	}

	/** The request, if it is for QEMU; else the answer to it. */
	#forQemu(text: string): JsonObject | string {
		let request: Json;
		try {
			request = parseJson(text);
		} catch (error) {
			return syntaxError(/^[^,"]*/.exec((error as Error).message)?.[0] ?? "");
		}
		if (!isObject(request))
			return errorReply("GenericError", "QMP input must be a JSON object");
		const refuse = (desc: string) =>
			errorReply("GenericError", desc, request.id);
		const wrong = formError(request, this.#hasOob);
		if (wrong !== undefined) return refuse(wrong);
		const command = String(request.execute ?? request["exec-oob"]);
		if (command === "qmp_capabilities" || !this.#isNegotiated)
			return this.#negotiate(command, request);
		if ("exec-oob" in request)
			return refuse(`The command ${command} does not support OOB`);
		if (this.#options.isReadOnly && !isReading(command))
			return refuse(
				`The command ${command} may change the machine, and this monitor is shared for reading alone`,
			);
		return request;
	}

	/** As QEMU does it (monitor/qmp.c): each client for itself. */
	#negotiate(command: string, { id, arguments: args }: JsonObject): string {
		const refuse = (desc: string) => errorReply("CommandNotFound", desc, id);
		if (this.#isNegotiated)
			return refuse(
				"Capabilities negotiation is already complete, command ignored",
			);
		if (command !== "qmp_capabilities")
			return refuse(
				"Expecting capabilities negotiation with 'qmp_capabilities'",
			);
		const enable = isObject(args) ? args.enable : undefined;
		this.#hasOob = Array.isArray(enable) && enable.includes("oob");
		this.#isNegotiated = true;
		return returnReply({}, id);
	}

	/** A place for a reply, behind those of earlier requests. */
	#reserve(): (text: string) => void {
		const slot: Slot = {};
		this.#slots.push(slot);
		return (text) => {
			slot.text = text;
			for (
				let first = this.#slots[0]?.text;
				first !== undefined;
				first = this.#slots[0]?.text
			) {
				this.#slots.shift();
				this.#write(first);
			}
			this.#endIfAnswered();
		};
	}

	#endIfAnswered(): void {
		if (this.#hasSaidAll && this.#slots.length === 0) this.#socket.end();
	}

	#write(text: string): void {
		if (this.#socket.destroyed) return;
		this.#socket.write(`${text}\r\n`);
		if (this.#socket.writableLength > mostUnreadBytes) this.#socket.destroy();
	}
}

const lineFeed = 0x0a;

function newSplitter(): MessageSplitter {
	return new MessageSplitter({ messageBytes: requestBytes });
}

function syntaxError(reason: string): string {
	return errorReply("GenericError", `JSON parse error, ${reason}`);
}
