/** Addresses of libvirt, and what virsh prints, as it was recorded from libvirt 9.0 with QEMU 7.2. */
import { describe, expect, it } from "vitest";
import { AddressError } from "../../src/errors.ts";
import { formatAddress, parseAddress } from "../../src/qmp/address.ts";
import { parseLibvirtUri } from "../../src/qmp/libvirt/libvirtAddress.ts";
import { refusalIn, unattended } from "../../src/qmp/libvirt/virsh.ts";
import {
	commandLine,
	EventReader,
	withId,
} from "../../src/qmp/libvirt/virshText.ts";

describe("a domain of libvirt", () => {
	it.each([
		["qemu:///system?domain=one", "qemu:///system", "one"],
		[
			"qemu+ssh://me@h:2/system?domain=a%20b",
			"qemu+ssh://me@h:2/system",
			"a b",
		],
		[
			"qemu+unix:///session?socket=/s&domain=q%26%23%25+&no_verify=1",
			"qemu+unix:///session?socket=/s&no_verify=1",
			"q&#%+",
		],
		["qemu:///session?domain=../x", "qemu:///session", "../x"],
	])("is read from %s", (text, uri, domain) => {
		const address = parseAddress(text);
		expect(address).toStrictEqual({ kind: "libvirt", uri, domain });
		expect(parseAddress(formatAddress(address))).toStrictEqual(address);
	});

	it.each([
		["qemu:///system", /names all running domains.*qemu:\/\/\/system\?domain=/],
		[
			"qemu:///session?socket=/s",
			/write 'qemu:\/\/\/session\?socket=\/s&domain=/,
		],
		["qemu:///system?domain=", /names all running domains/],
		["qemu:///system?domain=a&domain=b", /more than one domain/],
		["qemu:///system?domain=a b", /write blanks and the like as %20/],
		["qemu:///system?domain=%zz", /percent sign as %25/],
	])("is not %s", (text, message) => {
		expect(() => parseAddress(text)).toThrow(AddressError);
		expect(() => parseAddress(text)).toThrow(message);
	});

	it("may be left out of the URI", () => {
		expect(parseLibvirtUri("qemu+tls://h/system?x=1")).toEqual({
			...{ uri: "qemu+tls://h/system?x=1", domain: undefined },
		});
	});

	it("is asked for by an ssh that asks nothing", () => {
		expect(unattended("qemu+ssh://h/system")).toBe(
			"qemu+ssh://h/system?no_tty=1",
		);
		expect(unattended("qemu+ssh://h/system?a=b")).toBe(
			"qemu+ssh://h/system?a=b&no_tty=1",
		);
		expect(unattended("qemu:///system")).toBe("qemu:///system");
	});
});

describe("virsh", () => {
	it.each([
		[
			'{"return":{"name":"one"},"id":"libvirt-411"}',
			'{"return":{"name":"one"},"id":7}',
		],
		[
			`{"id":"libvirt-414","error":{"class":"DeviceNotFound","desc":"Device '/nope' not found"}}`,
			`{"id":7,"error":{"class":"DeviceNotFound","desc":"Device '/nope' not found"}}`,
		],
		// A value that looks like an id is none.
		[
			'{"return":"\\"id\\":\\"libvirt-1\\"}","id":"libvirt-2"}\r',
			'{"return":"\\"id\\":\\"libvirt-1\\"}","id":7}',
		],
		[
			'{"return":18446744073709551615}',
			'{"return":18446744073709551615,"id":7}',
		],
	])("answers %s", (reply, expected) => {
		expect(withId(reply, 7).replaceAll(", ", ",").replaceAll(": ", ":")).toBe(
			expected,
		);
	});

	it("is told of any text in what no quoting changes", () => {
		const path = `it's "q" \\ ; \n\t\0 é\u{1f431}`;
		const line = commandLine("U", { execute: "x", arguments: { path } });
		const [, json = ""] = /^qemu-monitor-command --domain U --cmd '(.*)'$/.exec(
			line,
		) ?? [""];
		expect(json).toMatch(/^[\x20-\x26\x28-\x7e]+$/);
		expect(JSON.parse(json).arguments.path).toBe(path);
	});

	it("tells of events, however they come and whatever the domain is called", () => {
		const reader = new EventReader("new\nline's (1)");
		const text =
			"event STOP at 1795772590.314340 for domain 'new\nline's (1)': <null>\n" +
			`event SHUTDOWN at 1795772590.000007 for domain 'new\nline's (1)': {"guest":false,"reason":"host-signal"}\n`;
		const events = [...text].flatMap((character) => [
			...reader.push(character),
		]);
		expect(events.map((event) => JSON.parse(event))).toEqual([
			{
				timestamp: { seconds: 1795772590, microseconds: 314340 },
				event: "STOP",
			},
			{
				timestamp: { seconds: 1795772590, microseconds: 7 },
				event: "SHUTDOWN",
				data: { guest: false, reason: "host-signal" },
			},
		]);
	});

	it.each([
		[
			"error: failed to connect to the hypervisor\nerror: Failed to connect socket to '/s': Connection refused\n",
			"libvirt is not running there (Connection refused); start libvirtd or virtqemud",
		],
		[
			"error: failed to connect to the hypervisor\nerror: Failed to connect socket to '/s': Permission denied\n",
			"permission denied; join the group libvirt, or use qemu:///session",
		],
		[
			"error: failed to connect to the hypervisor\nerror: Cannot recv data: ssh: connect to host 127.0.0.1 port 1: Connection refused: Connection reset by peer\n",
			"ssh does not get there (connect to host 127.0.0.1 port 1: Connection refused)",
		],
		[
			"error: Requested operation is not valid: domain is not running\n",
			"Requested operation is not valid: domain is not running",
		],
		["", "virsh has ended without a word"],
	])("refuses: %j", (text, expected) => {
		expect(refusalIn(text)).toBe(expected);
	});
});
