import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AddressError } from "../../src/errors.ts";
import {
	type Address,
	formatAddress,
	parseAddress,
} from "../../src/qmp/address.ts";
import type { SocketAddress } from "../../src/qmp/socketAddress.ts";

const unix = (path: string): SocketAddress => ({ kind: "unix", path });
const tcp = (host: string, port: number): SocketAddress => ({
	kind: "tcp",
	host,
	port,
});

const ssh = (
	host: string,
	target: SocketAddress,
	rest: { user?: string; port?: number } = {},
): Address => ({ kind: "ssh", host, target, ...rest });

describe("a monitor's address", () => {
	it.each([
		["/run/vm/qmp.sock", unix("/run/vm/qmp.sock")],
		["./qmp.sock", unix("./qmp.sock")],
		["unix:/run/qmp.sock", unix("/run/qmp.sock")],
		["unix:qmp.sock", unix("qmp.sock")],
		["unix:a:1", unix("a:1")],
		["/run/a:4444", unix("/run/a:4444")],
		["host:4444/", unix("host:4444/")],
		["localhost:4444", tcp("localhost", 4444)],
		["tcp:10.0.0.1:1", tcp("10.0.0.1", 1)],
		["tcp:host:65535", tcp("host", 65535)],
		[":4444", tcp("localhost", 4444)],
		["[::1]:4444", tcp("::1", 4444)],
		["tcp:[fe80::1%eth0]:4444", tcp("fe80::1%eth0", 4444)],
		["ssh://host/run/q.sock", ssh("host", unix("/run/q.sock"))],
		["ssh://me@host:22/q", ssh("host", unix("/q"), { user: "me", port: 22 })],
		["ssh://[::1]:22/q", ssh("::1", unix("/q"), { port: 22 })],
		["ssh://h/a%20b%25:\\é=1", ssh("h", unix("/a b%:\\é=1"))],
		["ssh://a%40b@h/q", ssh("h", unix("/q"), { user: "a@b" })],
		["ssh://h/?tcp=[::1]:4444", ssh("h", tcp("::1", 4444))],
		["ssh:4444", tcp("ssh", 4444)],
	])("is read from %s", (text, address) => {
		expect(parseAddress(text)).toStrictEqual(address);
	});

	it.each([
		"",
		"unix:",
		"tcp:",
		"tcp:4444",
		"host:",
		"host:0",
		"host:65536",
		"host:-1",
		"host:x",
		"host:1.5",
		"::1:4444",
		"[]:4444",
		"host:4444,server=on",
		"ssh://",
		"ssh://host",
		"ssh://host/",
		"ssh:///run/q.sock",
		"ssh://host/run/",
		"ssh://host:0/q",
		"ssh://host:65536/q",
		"ssh://host:x/q",
		"ssh://me:secret@host/q",
		"ssh://-oProxyCommand=id/q",
		"ssh://host/a%zz",
		"ssh://host/a%00b",
		"ssh://host/a%0ab",
		"ssh://host/$" + "{HOME}/q",
		"ssh://host/q#part",
		"ssh://host/q?tcp=a:1",
		"ssh://host/?tcp=a",
		"xen:///system?domain=one",
		"SSH://host/q",
		"ssh://host/?unix=/q",
		`ssh://host/${"x".repeat(107)}`,
	])("is not %j", (text) => {
		expect(() => parseAddress(text)).toThrow(AddressError);
	});

	it("may be as long as the kernel allows, counted in bytes", () => {
		const longest = `/${"é".repeat(53)}`;
		expect(parseAddress(longest)).toStrictEqual(unix(longest));
		expect(() => parseAddress(`${longest}x`)).toThrow(/108 bytes.*107/);
	});

	it.each([
		[unix("/run/qmp.sock"), "/run/qmp.sock"],
		[tcp("localhost", 4444), "localhost:4444"],
		[tcp("::1", 4444), "[::1]:4444"],
		[tcp("ssh", 4444), "ssh:4444"],
		[ssh("h", unix("/a b?#é%")), "ssh://h/a%20b%3F%23é%25"],
		[
			ssh("::1", tcp("h", 1), { user: "a@b", port: 22 }),
			"ssh://a%40b@[::1]:22/?tcp=h:1",
		],
	])("is written as users write it: %j", (address, text) => {
		expect(formatAddress(address)).toBe(text);
	});

	it("is read back from its own text", () => {
		const anyPath = fc
			.string({ unit: fc.constantFrom(..."/.:ab4"), minLength: 1 })
			.filter((path) => path.includes("/") && !/^(unix|tcp):/.test(path));
		const anyHost = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6());
		const anyFar = fc
			.tuple(
				anyHost,
				fc.string({ unit: "grapheme", maxLength: 20 }),
				fc.option(
					fc
						.string({ minLength: 1, maxLength: 5 })
						// It would be an option of ssh's.
						.filter((user) => !user.startsWith("-")),
					{ nil: undefined },
				),
			)
			// biome-ignore lint/suspicious/noControlCharactersInRegex: ssh cannot be told of them
			.filter(([, path]) => !/[\u0000\n]|\$\{|\/$/u.test(path) && path !== "")
			.map(([host, path, user]) =>
				ssh(host, unix(`/${path}`), {
					...(user !== undefined && { user }),
				}),
			);
		const anyAddress = fc.oneof(
			anyFar,
			anyPath.map(unix),
			fc
				.tuple(anyHost, fc.integer({ min: 1, max: 65535 }))
				.map(([host, port]) => tcp(host, port)),
		);
		fc.assert(
			fc.property(anyAddress, (address) => {
				expect(parseAddress(formatAddress(address))).toStrictEqual(address);
			}),
		);
	});

	it.each(["qmp.sock", "localhost:4444"])(
		"is read back when it is the relative path %s",
		(path) => {
			expect(parseAddress(formatAddress(unix(path)))).toStrictEqual(unix(path));
		},
	);
});
