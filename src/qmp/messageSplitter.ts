/**
 * Cuts a byte stream into JSON texts by their braces, never by lines: pretty monitors
 * (`-qmp-pretty`, `-mon pretty=on`) spread one message over many lines. Bytes are
 * decoded per whole message, so a split inside a UTF-8 sequence is no special case.
 */
import { ProtocolError } from "../errors.ts";

export interface SplitterLimits {
	/** Longest message accepted, in bytes. */
	readonly messageBytes: number;
	/** Deepest nesting accepted. QEMU's own parser stops at 1024. */
	readonly depth: number;
	/** Longest run of digits accepted outside of strings: to read one takes the square of its length. */
	readonly digits: number;
	/**
	 * Most values accepted in one message, for each takes memory and time of its own: an array or
	 * an object counts as {@link containerWeight} more, the name of a member as
	 * {@link memberWeight}, a text as {@link textWeight}, and each {@link longDigits} digits of a number as
	 * {@link longNumberWeight}.
	 */
	readonly values: number;
}

const containerWeight = 4;
const memberWeight = 5;
const textWeight = 2;
const longNumberWeight = 10;
/** A number of so many digits may be one that only a bigint holds. */
const longDigits = 16;

/** Far above anything seen: a whole tree of 2,500 objects has 4 MB and 1.9 million values so counted. */
const defaultLimits: SplitterLimits = {
	messageBytes: 64 * 1024 * 1024,
	depth: 1024,
	digits: 400,
	values: 2_000_000,
};

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const zero = 0x30;
const nine = 0x39;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;

export class MessageSplitter {
	readonly #limits: SplitterLimits;
	readonly #decoder = new TextDecoder("utf-8", { fatal: true });
	/** The beginning of the message that is not complete yet, and room for more. */
	#kept = Buffer.alloc(0);
	#keptBytes = 0;
	#depth = 0;
	/** Where the message that is read begins in the chunk. */
	#start = 0;
	#digits = 0;
	#values = 0;
	#inString = false;
	#escaped = false;

	/** @param limits those that are not the default ones */
	constructor(limits: Partial<SplitterLimits> = {}) {
		this.#limits = { ...defaultLimits, ...limits };
	}

	/** Bytes of a message that has begun and not ended. */
	get pendingBytes(): number {
		return this.#keptBytes;
	}

	/**
	 * Takes the next bytes and returns all messages that they complete.
	 *
	 * @throws ProtocolError on bytes that cannot be QMP; the splitter is unusable afterwards
	 */
	push(chunk: Uint8Array): string[] {
		return [...this.messagesIn(chunk)];
	}

	/**
	 * The same, one after the other: those before the bytes that cannot be QMP are given, too.
	 *
	 * @throws ProtocolError
	 */
	*messagesIn(chunk: Uint8Array): Generator<string> {
		this.#start = 0;
		for (
			let end = this.#endOfNext(chunk, 0);
			end > 0;
			end = this.#endOfNext(chunk, end)
		)
			yield this.#complete(chunk.subarray(this.#start, end));
		if (this.#depth > 0) this.#keep(chunk.subarray(this.#start));
	}

	/**
	 * @returns where the next message ends, or 0 where none does; its beginning in the chunk
	 *   is `#start`
	 */
	#endOfNext(chunk: Uint8Array, from: number): number {
		for (let index = from; index < chunk.length; index++) {
			const byte = chunk[index];
			if (this.#inString) {
				if (this.#escaped) this.#escaped = false;
				else if (byte === backslash) this.#escaped = true;
				else if (byte === quote) this.#inString = false;
			} else if (this.#depth === 0) {
				if (byte === openBrace) {
					this.#depth = 1;
					this.#start = index;
				} else if (!isSpace(byte)) throw notQmp(chunk.subarray(index));
			} else if (byte !== undefined && byte >= zero && byte <= nine) {
				this.#digits++;
				if (this.#digits % longDigits === 0) this.#count(longNumberWeight);
				if (this.#digits > this.#limits.digits)
					throw new ProtocolError(
						`number of more than ${this.#limits.digits} digits; is it a QMP monitor?`,
					);
			} else if (byte === comma) {
				this.#digits = 0;
				this.#count(1);
			} else if (byte === colon) {
				this.#digits = 0;
				this.#count(memberWeight);
			} else if (byte === quote) {
				this.#inString = true;
				this.#digits = 0;
				this.#count(textWeight);
			} else if (byte === openBrace || byte === openBracket) {
				if (++this.#depth > this.#limits.depth)
					throw new ProtocolError(
						`message nested more than ${this.#limits.depth} levels deep; is it a QMP monitor?`,
					);
				this.#count(containerWeight);
			} else if (byte === closeBrace || byte === closeBracket) {
				if (--this.#depth === 0) return index + 1;
			}
		}
		return 0;
	}

	#count(weight: number): void {
		this.#values += weight;
		if (this.#values > this.#limits.values)
			throw new ProtocolError(
				`message of more than ${this.#limits.values} values; is it a QMP monitor?`,
			);
	}

	#keep(part: Uint8Array): void {
		const needed = this.#keptBytes + part.length;
		this.#checkLength(needed);
		if (needed > this.#kept.length) {
			// What is allocated and never written takes no memory.
			const larger = Buffer.allocUnsafeSlow(
				Math.max(needed, 8 * this.#keptBytes),
			);
			this.#kept.copy(larger, 0, 0, this.#keptBytes);
			this.#release();
			this.#kept = larger;
		}
		this.#kept.set(part, this.#keptBytes);
		this.#keptBytes = needed;
	}

	#complete(last: Uint8Array): string {
		this.#checkLength(this.#keptBytes + last.length);
		let bytes = last;
		if (this.#keptBytes > 0) {
			this.#keep(last);
			bytes = this.#kept.subarray(0, this.#keptBytes);
		}
		this.#values = 0;
		try {
			return this.#decoder.decode(bytes);
		} catch (cause) {
			throw new ProtocolError(
				"message is not valid UTF-8; is it a QMP monitor?",
				{ cause },
			);
		} finally {
			this.#release();
			this.#keptBytes = 0;
		}
	}

	/** At once: 64 MiB would wait for the garbage collector, and the next message comes meanwhile. */
	#release(): void {
		this.#kept.buffer.transfer(0);
		this.#kept = Buffer.alloc(0);
	}

	#checkLength(bytes: number): void {
		if (bytes > this.#limits.messageBytes)
			throw new ProtocolError(
				`message longer than ${this.#limits.messageBytes} bytes; is it a QMP monitor?`,
			);
	}
}

function isSpace(byte: number | undefined): boolean {
	return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** A telnet server opens with IAC (0xff) option negotiation. */
const telnetIac = 0xff;

function notQmp(bytes: Uint8Array): ProtocolError {
	if (bytes[0] === telnetIac)
		return new ProtocolError(
			"it speaks telnet; drop telnet=on from the monitor's chardev",
		);
	const excerpt = Buffer.from(bytes.subarray(0, 40)).toString("latin1");
	return new ProtocolError(
		`it does not speak QMP: ${JSON.stringify(excerpt)}; give the address of a -qmp monitor`,
	);
}
