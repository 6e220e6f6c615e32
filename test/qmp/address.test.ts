import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AddressError } from "../../src/errors.ts";
import {
	type Address,
	formatAddress,
	parseAddress,
} from "../../src/qmp/address.ts";

const unix = (path: string): Address => ({ kind: "unix", path });
const tcp = (host: string, port: number): Address => ({
	kind: "tcp",
	host,
	port,
});

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
	])("is written as users write it: %j", (address, text) => {
		expect(formatAddress(address)).toBe(text);
	});

	it("is read back from its own text", () => {
		const anyPath = fc
			.string({ unit: fc.constantFrom(..."/.:ab4"), minLength: 1 })
			.filter((path) => path.includes("/") && !/^(unix|tcp):/.test(path));
		const anyHost = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6());
		const anyAddress = fc.oneof(
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
