/**
 * Literals of Python, which QEMU's own qmp-shell accepts: `{'a': True, 'b': [1, 0x10, None,],}`.
 * The constants of JSON are accepted as well.
 */
import type { Json } from "../json.ts";

/**
 * The value of a literal.
 *
 * @throws SyntaxError the text is not a literal
 */
export function parsePythonLiteral(text: string): Json {
	const reader = new LiteralReader(text);
	const value = reader.value();
	reader.end();
	return value;
}

/**
 * An integer in decimal, `0x`, `0o` or `0b`, with `_` between digits; undefined for other
 * texts. Digits with a leading zero are no number in Python, and may be a PCI address.
 */
export function parseInteger(text: string): number | bigint | undefined {
	if (!integer.test(text)) return undefined;
	const digits = text.replace(/^[+-]/, "").replaceAll("_", "");
	const value = text.startsWith("-") ? -BigInt(digits) : BigInt(digits);
	const small = Number(value);
	return Number.isSafeInteger(small) ? small : value;
}

const integer =
	/^[+-]?(0x[\da-f]+(_[\da-f]+)*|0o[0-7]+(_[0-7]+)*|0b[01]+(_[01]+)*|0+|[1-9]\d*(_\d+)*)$/i;

const constants: ReadonlyMap<string, Json> = new Map<string, Json>([
	["True", true],
	["true", true],
	["False", false],
	["false", false],
	["None", null],
	["null", null],
]);

/** Escapes of one character, in Python and JSON. */
const escapes: Readonly<Record<string, string>> = {
	...{ b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" },
	...{ "/": "/", "\\": "\\", "'": "'", '"': '"' },
};

/** The same limit as in QEMU. */
const maxDepth = 1024;

/** Reads a text from start to end. */
class LiteralReader {
	readonly #text: string;
	#position = 0;
	#depth = 0;

	constructor(text: string) {
		this.#text = text;
	}

	value(): Json {
		this.#skip(/\s+/y);
		const char = this.#text[this.#position];
		if (char === '"' || char === "'") return this.#string();
		if (char === "[") return this.#nested(() => this.#items("]"));
		if (char === "(") return this.#nested(() => this.#items(")"));
		if (char === "{") return this.#nested(() => this.#object());
		const word = this.#skip(/[\w+.-]+/y);
		const constant = constants.get(word);
		if (constant !== undefined) return constant;
		const value = parseInteger(word) ?? float(word);
		if (value === undefined) throw this.#error();
		return value;
	}

	end(): void {
		this.#skip(/\s+/y);
		if (this.#position < this.#text.length) throw this.#error();
	}

	#nested<Value>(read: () => Value): Value {
		if (++this.#depth > maxDepth) throw this.#error();
		this.#position++;
		const value = read();
		this.#depth--;
		return value;
	}

	#items(close: string): Json[] {
		const items: Json[] = [];
		while (!this.#take(close)) {
			items.push(this.value());
			if (this.#take(",")) continue;
			this.#expect(close);
			break;
		}
		return items;
	}

	#object(): Json {
		const members: [string, Json][] = [];
		while (!this.#take("}")) {
			const key = this.value();
			if (typeof key !== "string") throw this.#error();
			this.#expect(":");
			members.push([key, this.value()]);
			if (this.#take(",")) continue;
			this.#expect("}");
			break;
		}
		return Object.fromEntries(members);
	}

	#string(): string {
		const quote = this.#text[this.#position++];
		let value = "";
		for (;;) {
			const char = this.#text[this.#position++];
			if (char === undefined || char === "\n") throw this.#error();
			if (char === quote) return value;
			value += char === "\\" ? this.#escape() : char;
		}
	}

	#escape(): string {
		const code = this.#skip(
			/u[\da-fA-F]{4}|x[\da-fA-F]{2}|U000[\da-fA-F]{5}|U0010[\da-fA-F]{4}/y,
		);
		if (code) return String.fromCodePoint(Number.parseInt(code.slice(1), 16));
		const char = escapes[this.#text[this.#position++] ?? ""];
		if (char === undefined) throw this.#error();
		return char;
	}

	/** Skips a character if it is the next one, and tells whether it was. */
	#take(character: string): boolean {
		this.#skip(/\s+/y);
		if (this.#text[this.#position] !== character) return false;
		this.#position++;
		return true;
	}

	#expect(character: string): void {
		if (!this.#take(character)) throw this.#error();
	}

	/** Skips and returns the text that matches here. */
	#skip(form: RegExp): string {
		form.lastIndex = this.#position;
		const [found = ""] = form.exec(this.#text) ?? [];
		this.#position += found.length;
		return found;
	}

	#error(): SyntaxError {
		const rest = this.#text.slice(this.#position, this.#position + 20);
		return new SyntaxError(
			rest
				? `neither JSON nor Python at '${rest}'`
				: "neither JSON nor Python: it is incomplete",
		);
	}
}

function float(word: string): number | undefined {
	if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(word)) return undefined;
	if (/^[+-]?\d+$/.test(word)) return undefined; // a leading zero
	const value = Number(word);
	return Number.isFinite(value) ? value : undefined;
}
