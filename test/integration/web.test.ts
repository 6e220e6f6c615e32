/** `qomfs web`: who gets the page, what it costs, and what it may change. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { smallMachine } from "../../tools/virtualMachine.ts";
import { CountingProxy } from "../support/countingProxy.ts";
import {
	lacksQemu,
	qomfsBin,
	run,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";
import { RawQmp } from "../support/rawQmp.ts";
import { expectRefusal } from "../support/tools.ts";
import { WebServer } from "../support/webServer.ts";

describe.skipIf(lacksQemu)("qomfs web", () => {
	let vm: TestMachine;
	let other: RawQmp;
	let proxy: CountingProxy;
	let web: WebServer;

	beforeAll(async () => {
		vm = await startTestMachine();
		other = await RawQmp.connect(vm.secondSocket);
		const path = join(vm.directory, "proxy.sock");
		proxy = await CountingProxy.listen(path, vm.socket);
		web = await WebServer.start(path, "--write");
	});

	afterAll(async () => {
		await web.stop();
		await proxy[Symbol.asyncDispose]();
		other.close();
		await vm.stop();
	});

	it("listens on loopback alone, and gives nothing to who has no key", async () => {
		expect(web.address.hostname).toBe("127.0.0.1");
		// A preview of the address in a mail must not use it up.
		const { pathname, search } = web.address;
		expect((await web.ask(pathname + search, { method: "HEAD" })).status).toBe(
			403,
		);
		for (const path of ["/", "/live?path=/", "/nosuch", "/?token=wrong"]) {
			const { status, text, headers } = await web.ask(path);
			expect(status).toBe(403);
			expect(text).not.toContain("net0");
			expect(headers["access-control-allow-origin"]).toBe(undefined);
		}
		expect((await web.set("/objects/io0", "poll-max-ns", "7")).status).toBe(
			403,
		);
	});

	it("takes its token once, and a cookie from then on", async () => {
		const { pathname, search } = web.address;
		const first = await web.ask(pathname + search);
		expect(first).toMatchObject({ status: 303, headers: { location: "/" } });
		const [cookie = ""] = first.headers["set-cookie"] ?? [];
		expect(cookie).toMatch(/; HttpOnly; SameSite=Strict; Path=\/$/);
		expect(await web.ask(pathname + search)).toMatchObject({ status: 403 });
		web.cookie = cookie.split(";")[0] ?? "";
		expect(await web.ask(pathname + search)).toMatchObject({ status: 303 });
		const { status, headers, text } = await web.ask("/");
		expect(status).toBe(200);
		expect(text).toContain("virtio-net-pci");
		expect(headers["content-security-policy"]).toMatch(
			/^default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+'; /,
		);
		expect(headers["content-security-policy"]).not.toContain("unsafe");
		expect(headers["cache-control"]).toBe("no-store");
	});

	it.for([
		["another name of this host", { host: "evil.example" }],
		["another port", { host: "127.0.0.1:1" }],
		["another page", { origin: "http://evil.example" }],
		["a page without a name", { origin: "null" }],
		["another site", { "sec-fetch-site": "cross-site" }],
		["another cookie", { cookie: "qomfs-1=x" }],
	] as const)("refuses what comes from %s", async ([, headers]) => {
		expect(await web.ask("/", { headers })).toMatchObject({ status: 403 });
		const set = await web.set("/objects/io0", "poll-max-ns", "7", headers);
		expect(set.status).toBe(403);
	});

	it("does not change anything for a request without an origin", async () => {
		const { cookie } = web;
		const body = JSON.stringify({
			...{ path: "/objects/io0", property: "poll-max-ns", text: "7" },
		});
		const headers = { cookie, "content-type": "application/json" };
		const asked = { method: "POST", headers, body };
		expect(await web.ask("/set", asked)).toMatchObject({ status: 403 });
	});

	it("sets a value with the conversion and the guard of qom-set", async () => {
		const set = async (...words: [string, string, string]) =>
			JSON.parse((await web.set(...words)).text).refusal;
		expect(await set("/objects/io0", "poll-max-ns", "0x10")).toBe(null);
		expect(
			await other.execute("qom-get", {
				...{ path: "/objects/io0", property: "poll-max-ns" },
			}),
		).toBe(16);
		expect(await set("/objects/io0", "poll-max-ns", "lots")).toMatch(
			/expected: integer/,
		);
		expect(await set("/objects/io0", "nosuch", "1")).toMatch(/not found/);
		expect(await set("/nosuch", "x", "1")).toMatch(/not found/);
		expect(await set("/machine/peripheral/net0", "realized", "false")).toMatch(
			/unplugs.*--unsafe-writes/,
		);
		expect(await set("/machine/peripheral/net0", "type", "x")).toMatch(
			/not writable/,
		);
		expect(await set("/objects/tg0", "limits", "{")).toMatch(/JSON/);
	});

	it("refuses what is no request, and a value without an end", async () => {
		const headers = {
			origin: web.address.origin,
			"content-type": "application/json",
		};
		for (const body of ["", "{", "null", "[]", '{"path":1}'])
			expect(
				await web.ask("/set", { method: "POST", headers, body }),
			).toMatchObject({ status: 400 });
		const long = await web.set("/objects/io0", "x", "y".repeat(3_000_000));
		expect(long).toMatchObject({
			status: 413,
			text: "the value is too long\n",
		});
		expect((await web.ask("/%00/../etc/passwd")).status).toBe(404);
	});

	it("tells which methods it takes, to who may ask", async () => {
		const head = await web.ask("/", { method: "HEAD" });
		expect(head).toMatchObject({ status: 200, text: "" });
		const { origin } = web.address;
		for (const [method, path, allow] of [
			["POST", "/", "GET, HEAD"],
			["DELETE", "/", "GET, HEAD"],
			["HEAD", "/live", "GET"],
			["GET", "/set", "POST"],
		] as const) {
			const asked = { method, headers: { origin } };
			const { status, headers } = await web.ask(path, asked);
			expect([status, headers.allow]).toEqual([405, allow]);
		}
	});

	it.each(["HEAD", "POST", "DELETE"])(
		"answers %s of strangers and of other pages with 403",
		async (method) => {
			const { origin } = web.address;
			for (const headers of [
				{ origin, cookie: "qomfs-1=x" },
				{ origin, host: "evil.example" },
				{ origin: "http://evil.example" },
				{ origin, "sec-fetch-site": "cross-site" },
			])
				expect(await web.ask("/", { method, headers })).toMatchObject({
					status: 403,
				});
		},
	);

	it("tells who has the cookie, but no origin, what is missing", async () => {
		const { status, text } = await web.ask("/", { method: "DELETE" });
		expect([status, text]).toEqual([
			403,
			expect.stringContaining("names no origin"),
		]);
	});

	it("asks QEMU nothing while nobody looks, and only for what is in sight", async () => {
		await web.ask("/");
		const quiet = proxy.count();
		const stream = web.follow("path=/objects/io0&name=poll-max-ns");
		await expect.poll(stream.text).toContain('"poll-max-ns"');
		expect(stream.text()).not.toContain('"poll-grow"');
		await expect.poll(() => proxy.count() - quiet).toBeGreaterThan(4);
		const asked = proxy.requests.slice(quiet);
		expect(
			asked.every(({ args }) => JSON.stringify(args).includes("/objects/io0")),
		).toBe(true);
		const read = asked.filter(({ command }) => command === "qom-get");
		for (const { args } of read)
			expect(["poll-max-ns", "type"]).toContain(args.property);
		stream.stop();
		// The look that was under way may still end.
		await expect
			.poll(async () => {
				const before = proxy.count();
				await new Promise((resolve) => setTimeout(resolve, 1500));
				return proxy.count() - before;
			})
			.toBe(0);
	});

	it("tells of values that change, and of events, once each", async () => {
		const stream = web.follow("path=/objects/io0&name=poll-max-ns");
		await expect.poll(stream.text).toContain('"poll-max-ns"');
		await other.execute("qom-set", {
			...{ path: "/objects/io0", property: "poll-max-ns", value: 4711 },
		});
		await expect.poll(stream.text).toContain('"4711"');
		await other.execute("cont");
		await expect
			.poll(stream.text)
			.toMatch(/id: \d+\nevent: event\ndata: .*RESUME/);
		await other.execute("stop");
		await expect.poll(stream.text).toContain("STOP");
		const id = /id: (\d+)\n(?!.*id: )/s.exec(stream.text())?.[1];
		stream.stop();
		const later = web.follow(`path=/objects/io0&since=${id}`);
		await expect.poll(later.text).toContain("event: state");
		expect(later.text()).not.toContain("RESUME");
		later.stop();
	});

	it("tells that objects have come or gone", async () => {
		const stream = web.follow("path=/objects");
		await expect.poll(stream.text).toContain("event: children");
		await other.execute("object-add", { "qom-type": "iothread", id: "io9" });
		await expect.poll(stream.text).toContain('"io9"');
		await other.execute("object-del", { id: "io9" });
		stream.stop();
		const none = web.follow("path=/objects/io9");
		await expect.poll(none.text).toContain('"names":null');
		none.stop();
	});
});

describe.skipIf(lacksQemu)("qomfs web of a machine that goes", () => {
	it("says that QEMU is gone, and ends when nobody has looked for long", async () => {
		const vm = await startTestMachine([...smallMachine, "-S"]);
		const web = await WebServer.start(vm.socket, "--idle", "3");
		await web.open();
		const stream = web.follow("path=/machine&name=type");
		await expect.poll(stream.text).toContain('"isConnected":true');
		await vm.stop();
		await expect.poll(stream.text).toContain('"isConnected":false');
		stream.stop();
		expect(await web.ended).toBe(0);
	});

	it("changes nothing without --write, nor in a snapshot", async () => {
		const vm = await startTestMachine();
		const saved = join(vm.directory, "saved.json");
		try {
			await run(process.execPath, [
				...[qomfsBin, "snapshot", vm.socket, "-o", saved],
			]);
			for (const source of [vm.socket, saved]) {
				const web = await WebServer.start(source);
				await web.open();
				expect((await web.ask("/")).text).toContain("virtio-net-pci");
				expect(await web.set("/objects/io0", "poll-max-ns", "1")).toMatchObject(
					{ status: 403, text: expect.stringContaining("--write") },
				);
				await web.stop();
			}
			expectRefusal(
				await run(process.execPath, [qomfsBin, "web", saved, "--write"]),
				2,
				/a snapshot cannot be changed/,
			);
		} finally {
			await vm.stop();
		}
	});

	it("ends by a signal, and leaves the monitor to the next client", async () => {
		const vm = await startTestMachine();
		try {
			const web = await WebServer.start(vm.socket);
			await web.open();
			const stream = web.follow("path=/machine&name=type");
			await expect.poll(stream.text).toContain("event: state");
			web.process.kill("SIGINT");
			expect(await web.ended).toBe("SIGINT");
			stream.stop();
			const other = await RawQmp.connect(vm.socket);
			expect(await other.execute("query-status")).toBeDefined();
			other.close();
		} finally {
			await vm.stop();
		}
	});
});

describe("the command line of qomfs web", () => {
	const web = (...args: string[]) =>
		run(process.execPath, [qomfsBin, "web", ...args], {
			env: { ...process.env, QMP_SOCKET: "" },
		});

	it("refuses a port that there is not, no source, and a file that is none", async () => {
		expectRefusal(await web("x.sock", "--port", "70000"), 2, /no such port/);
		expectRefusal(await web(), 2, /no monitor is named/);
		expectRefusal(await web("/nosuch.json"), 3, /no such file/);
	});
});
