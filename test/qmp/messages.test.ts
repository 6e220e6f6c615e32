import { describe, expect, it } from "vitest";
import { ProtocolError } from "../../src/errors.ts";
import { parseJson } from "../../src/json.ts";
import { readMessage } from "../../src/qmp/messages.ts";

const read = (text: string) => readMessage(parseJson(text));

describe("reading a message", () => {
	it("reads a greeting", () => {
		expect(
			read(
				'{"QMP": {"version": {"qemu": {"micro": 3, "minor": 1, "major": 11}, "package": "Debian 1:11.1.3+ds-1"}, "capabilities": ["oob"]}}',
			),
		).toMatchObject({
			kind: "greeting",
			version: {
				major: 11,
				minor: 1,
				micro: 3,
				package: "Debian 1:11.1.3+ds-1",
			},
			capabilities: ["oob"],
		});
	});

	it.each([
		'{"QMP": {"version": {"package": {"toString": null}}}}',
		'{"QMP": {"version": null, "capabilities": [{"toString": null}, null, 5]}}',
		'{"QMP": {"version": 5, "capabilities": {}}}',
	])(
		"takes nothing from a greeting that is not what it should be: %s",
		(text) => {
			const message = parseJson(text);
			expect(readMessage(message)).toStrictEqual({
				kind: "greeting",
				version: { major: 0, minor: 0, micro: 0, package: "" },
				capabilities: [],
				message,
			});
		},
	);

	it.each([
		['{"return": {}, "id": 7}', {}, 7],
		['{"return": [], "id": "x"}', [], "x"],
		['{"return": null}', null, undefined],
		['{"return": false, "id": null}', false, null],
		[
			'{"return": 18446744073709551615, "id": {"a": 1}}',
			2n ** 64n - 1n,
			{ a: 1 },
		],
	])("reads a return: %s", (text, value, id) => {
		expect(read(text)).toStrictEqual({ kind: "return", id, value });
	});

	it.each([
		"GenericError",
		"CommandNotFound",
		"DeviceNotActive",
		"DeviceNotFound",
		"KVMMissingCap",
		"ErrorOfTheFuture",
	])("passes the error class %s on", (errorClass) => {
		expect(
			read(`{"id": 3, "error": {"class": "${errorClass}", "desc": "No."}}`),
		).toStrictEqual({ kind: "error", id: 3, class: errorClass, desc: "No." });
	});

	it("reads an error without an id", () => {
		expect(
			read('{"error": {"class": "GenericError", "desc": "JSON parse error"}}'),
		).toStrictEqual({
			kind: "error",
			id: undefined,
			class: "GenericError",
			desc: "JSON parse error",
		});
	});

	it("reads an event, its time in milliseconds", () => {
		const text =
			'{"timestamp": {"seconds": 1700000000, "microseconds": 250500}, "event": "DEVICE_DELETED", "data": {"path": "/machine/peripheral/nic0"}}';
		expect(read(text)).toStrictEqual({
			message: JSON.parse(text),
			kind: "event",
			name: "DEVICE_DELETED",
			data: { path: "/machine/peripheral/nic0" },
			timeMs: 1_700_000_000_250.5,
		});
	});

	it("reads an event without data", () => {
		const text =
			'{"timestamp": {"seconds": 1, "microseconds": 0}, "event": "RESUME"}';
		expect(read(text)).toStrictEqual({
			kind: "event",
			name: "RESUME",
			data: {},
			timeMs: 1000,
			message: JSON.parse(text),
		});
	});

	it.each([
		"{}",
		"[]",
		"null",
		"1",
		'"return"',
		'{"id": 1}',
		'{"execute": "quit"}',
		'{"error": "No."}',
		'{"error": {"class": "GenericError"}}',
		'{"error": {"desc": "No."}}',
		'{"error": {"class": 1, "desc": "No."}}',
		'{"event": 1}',
		'{"QMP": []}',
		'{"QMP": "11.1"}',
		'{"__proto__": {"return": {}}}',
		'{"QMP": {"version": {"qemu": {"major": {"toString": null}}}}}',
		'{"QMP": {"version": {"qemu": {"micro": "x"}}}}',
	])("refuses %s", (text) => {
		expect(() => read(text)).toThrow(ProtocolError);
	});
});
