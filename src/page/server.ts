/** The page with a live machine behind it, for one user of this host. */
import { once } from "node:events";
import {
	createServer,
	type IncomingMessage,
	type Server,
	type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { QomfsError, UsageError } from "../errors.ts";
import { log } from "../log.ts";
import { Access } from "./access.ts";
import type { PageData } from "./data.ts";
import { contentSecurityPolicy, pageDocument, pageParts } from "./document.ts";
import type { SetReply, SetRequest } from "./liveData.ts";
import type { LiveMachine } from "./liveMachine.ts";

export interface PageServerOptions {
	/** Looks at the whole machine; called whenever the page is loaded. */
	readonly load: () => Promise<PageData>;
	/** Undefined where nothing changes. */
	readonly live: LiveMachine | undefined;
	/** 0 for any that is free. */
	readonly port: number;
	/** After so long without anybody who looks, it ends. */
	readonly idleMs: number;
}

/** More than any value of a property. */
const mostBytes = 2 * 1024 * 1024;

/** Of changes, in bytes. */
const mostUnread = 4 * 1024 * 1024;

export class PageServer {
	/** To be opened once. */
	readonly address: string;
	/** Resolves when nobody has looked for long, or it was closed. */
	readonly ended: Promise<void>;
	readonly #options: PageServerOptions;
	readonly #server: Server;
	readonly #access: Access;
	readonly #end = Promise.withResolvers<void>();
	#looking = 0;
	#idle: NodeJS.Timeout | undefined;

	/** @throws UsageError the port cannot be had */
	static async listen(options: PageServerOptions): Promise<PageServer> {
		const server = createServer();
		try {
			server.listen(options.port, "127.0.0.1");
			await once(server, "listening");
		} catch (cause) {
			const { code } = cause as NodeJS.ErrnoException;
			throw new UsageError(
				`cannot listen on port ${options.port}: ${code === "EADDRINUSE" ? "somebody else does" : code}; without --port a free one is taken`,
				{ cause },
			);
		}
		return new PageServer(options, server);
	}

	private constructor(options: PageServerOptions, server: Server) {
		this.#options = options;
		this.#server = server;
		this.#access = new Access((server.address() as AddressInfo).port);
		this.address = this.#access.address;
		this.ended = this.#end.promise;
		server.on("request", (request, response) => {
			this.#answer(request, response).catch((error) => {
				log.cli("%O", error);
				const known = error instanceof QomfsError;
				refuse(response, 500, known ? error.message : "internal error");
			});
		});
		this.#rest();
	}

	close(): void {
		clearTimeout(this.#idle);
		this.#server.close();
		this.#server.closeAllConnections();
		this.#end.resolve();
	}

	/** Nobody looks; that may be the end. */
	#rest(): void {
		clearTimeout(this.#idle);
		if (this.#looking === 0)
			this.#idle = setTimeout(() => this.close(), this.#options.idleMs);
	}

	async #answer(
		request: IncomingMessage,
		response: ServerResponse,
	): Promise<void> {
		if (!this.#access.isMeant(request))
			return refuse(response, 403, "this server is not called so");
		const url = URL.parse(request.url ?? "/", "http://127.0.0.1");
		if (!url) return refuse(response, 400, "no such request");
		const token = url.searchParams.get("token");
		if (request.method === "GET" && url.pathname === "/" && token !== null) {
			// Whoever has come with it before needs it no more.
			if (this.#access.redeem(token))
				response.setHeader("set-cookie", this.#access.cookie);
			else if (!this.#access.isOwn(request))
				return refuse(response, 403, noKey);
			return void response.writeHead(303, { location: "/" }).end();
		}
		if (!this.#access.isOwn(request))
			return refuse(
				response,
				403,
				this.#access.hasKey(request) ? notFromHere : noKey,
			);
		this.#rest();
		const taken = methods.get(url.pathname);
		if (!taken) return refuse(response, 404, "there is no such thing here");
		if (!taken.includes(request.method ?? "")) {
			response.setHeader("allow", taken.join(", "));
			return refuse(response, 405, `this takes ${taken.join(" and ")} alone`);
		}
		switch (url.pathname) {
			case "/":
				return this.#sendPage(response, request.method === "HEAD");
			case "/live":
				return this.#sendChanges(url.searchParams, response);
			case "/set":
				return this.#set(request, response);
		}
	}

	async #sendPage(response: ServerResponse, isHead: boolean): Promise<void> {
		const parts = await pageParts();
		// A head tells nothing of the machine, so nothing is asked.
		const data = isHead ? undefined : await this.#options.load();
		response.writeHead(200, {
			...headers,
			"content-type": "text/html; charset=utf-8",
			"content-security-policy": `${contentSecurityPolicy(parts)}; frame-ancestors 'none'`,
		});
		if (!data) return void response.end();
		for (const piece of pageDocument(parts, data)) response.write(piece);
		response.end();
	}

	/** As server-sent events, for as long as the page is looked at. */
	#sendChanges(query: URLSearchParams, response: ServerResponse): void {
		const { live } = this.#options;
		if (!live) {
			refuse(response, 404, "nothing changes here");
			return;
		}
		response.writeHead(200, {
			...headers,
			"content-type": "text/event-stream",
		});
		response.write("retry: 1000\n\n");
		this.#looking++;
		this.#rest();
		const stop = live.watch(
			{
				path: query.get("path") ?? undefined,
				names: query.getAll("name"),
				since: Number(query.get("since")) || 0,
			},
			(kind, message, id) => {
				const idLine = id === undefined ? "" : `id: ${id}\n`;
				response.write(`${idLine}event: ${kind}\ndata: ${message}\n\n`);
				// Who does not read comes back later, and is told then.
				if (response.writableLength > mostUnread) response.destroy();
			},
		);
		response.on("close", () => {
			stop();
			this.#looking--;
			this.#rest();
		});
	}

	async #set(
		request: IncomingMessage,
		response: ServerResponse,
	): Promise<void> {
		const { live } = this.#options;
		if (!live?.isWritable)
			return refuse(
				response,
				403,
				"nothing can be changed here; 'qomfs web --write' allows it",
			);
		const body = await bodyOf(request);
		if (body === undefined)
			return refuse(response, 413, "the value is too long");
		const wanted = readRequest(body);
		if (!wanted) return refuse(response, 400, "no such request");
		const reply: SetReply = { refusal: await live.set(wanted) };
		response.writeHead(200, { ...headers, "content-type": "application/json" });
		response.end(JSON.stringify(reply));
	}
}

const noKey =
	"this page is for whoever has opened the address that 'qomfs web' has printed, which works once; start it again for a new one";

const notFromHere =
	"this was sent by another page, or names no origin; only the page of this server may send it";

/** What there is, and the methods that each takes. */
const methods: ReadonlyMap<string, readonly string[]> = new Map([
	["/", ["GET", "HEAD"]],
	["/live", ["GET"]],
	["/set", ["POST"]],
]);

const headers = {
	"cache-control": "no-store",
	"cross-origin-opener-policy": "same-origin",
	"cross-origin-resource-policy": "same-origin",
	"referrer-policy": "no-referrer",
	"x-content-type-options": "nosniff",
	"x-frame-options": "DENY",
};

function refuse(
	response: ServerResponse,
	status: number,
	reason: string,
): void {
	if (response.headersSent) return void response.destroy();
	response.writeHead(status, {
		...headers,
		"content-type": "text/plain; charset=utf-8",
		"content-security-policy": "default-src 'none'",
	});
	response.end(`${reason}\n`);
}

/** Undefined where it is too long; it is read all the same, or its sender would not hear of that. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
	const chunks: Buffer[] = [];
	let length = 0;
	for await (const chunk of request) {
		length += chunk.length;
		if (length <= mostBytes) chunks.push(chunk);
	}
	if (length > mostBytes) return undefined;
	return Buffer.concat(chunks).toString("utf8");
}

function readRequest(text: string): SetRequest | undefined {
	let request: unknown;
	try {
		request = JSON.parse(text);
	} catch {
		return undefined;
	}
	const {
		path,
		property,
		text: value,
	} = (request ?? {}) as Partial<SetRequest>;
	return typeof path === "string" &&
		typeof property === "string" &&
		typeof value === "string"
		? { path, property, text: value }
		: undefined;
}
