/**
 * Who may talk to the page's server. It listens on loopback, where every user of the host and every page in
 * a browser can reach it: so nothing is served without a key that only the printed address has.
 */
import { randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";

export class Access {
	readonly #port: number;
	/** Undefined once it was used. */
	#token: string | undefined = randomKey();
	readonly #key = randomKey();

	constructor(port: number) {
		this.#port = port;
	}

	/** To be opened once. */
	get address(): string {
		return `http://127.0.0.1:${this.#port}/?token=${this.#token}`;
	}

	/** What makes a browser send the key from now on, and to this server alone. */
	get cookie(): string {
		return `${this.#cookieName}=${this.#key}; HttpOnly; SameSite=Strict; Path=/`;
	}

	/** Cookies know no ports. */
	get #cookieName(): string {
		return `qomfs-${this.#port}`;
	}

	/** Whether this is the token; it is of no use after that. */
	redeem(token: string): boolean {
		if (this.#token === undefined || !isEqual(token, this.#token)) return false;
		this.#token = undefined;
		return true;
	}

	/**
	 * Whether a request is addressed to this server by its own name: a page of another name that leads to
	 * loopback must not get anything.
	 */
	isMeant({ headers }: IncomingMessage): boolean {
		const { host = "" } = headers;
		return this.#names.includes(host);
	}

	get #names(): readonly string[] {
		return ["127.0.0.1", "localhost"].map((name) => `${name}:${this.#port}`);
	}

	/** Whether a request comes from the page of this server. */
	isOwn(request: IncomingMessage): boolean {
		return this.hasKey(request) && this.#isFromHere(request);
	}

	/** Whether whoever asks has opened the address, be it from another page. */
	hasKey({ headers }: IncomingMessage): boolean {
		const cookies = (headers.cookie ?? "").split(/; */);
		const prefix = `${this.#cookieName}=`;
		return cookies.some(
			(cookie) =>
				cookie.startsWith(prefix) &&
				isEqual(cookie.slice(prefix.length), this.#key),
		);
	}

	#isFromHere({ headers, method = "" }: IncomingMessage): boolean {
		const { origin } = headers;
		const isSameOrigin = this.#names.some(
			(name) => origin === `http://${name}`,
		);
		// A browser names the origin of everything that changes something.
		const changesNothing = method === "GET" || method === "HEAD";
		const site = headers["sec-fetch-site"];
		return (
			(isSameOrigin || (changesNothing && origin === undefined)) &&
			(site === undefined || site === "same-origin" || site === "none")
		);
	}
}

function randomKey(): string {
	return randomBytes(24).toString("base64url");
}

function isEqual(a: string, b: string): boolean {
	const [first, second] = [Buffer.from(a), Buffer.from(b)];
	return first.length === second.length && timingSafeEqual(first, second);
}
