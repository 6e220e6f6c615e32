/** Rows of the errno table, also those that no machine shows at will. */
import { constants } from "node:os";
import { describe, expect, it } from "vitest";
import {
	BusyError,
	CommandError,
	ConnectError,
	DisconnectedError,
	FileError,
	MountError,
	ProtocolError,
	QomError,
	TimeoutError,
	UsageError,
	ValueError,
} from "../../src/errors.ts";
import { refusalOf } from "../../src/qom/refusal.ts";
import { errnoName, errnoOf } from "../../src/vfs/errno.ts";

const refused = (desc: string, errorClass = "GenericError") =>
	refusalOf(new CommandError("qom-set", errorClass, desc), "/a", "p");

describe("an error's errno", () => {
	it.each<[string, Error]>([
		["ENOENT", refused("Device '/a' not found", "DeviceNotFound")],
		["ENOENT", refused("Property 'a.p' not found")],
		["EACCES", refused("Property 'a.p' is not readable")],
		["EACCES", refused("Property 'a.p' is not writable")],
		["EPERM", refused("Property 'p' can no longer be set")],
		["EINVAL", refused("Invalid parameter type for 'p', expected: boolean")],
		["EINVAL", refused("Device '/b' not found", "DeviceNotFound")],
		["ERANGE", refused("Parameter 'p' expects uint8_t")],
		["EBUSY", refused("Chardev 'ch0' is busy")],
		["ENODATA", refused("No crash occurred")],
		["EIO", refused("Something new")],
		["EIO", refused("Something new", "ClassOfTheFuture")],
		["EIO", new CommandError("stop", "GenericError", "No.")],
		["ETIMEDOUT", new TimeoutError("no answer")],
		["ENODEV", new DisconnectedError("gone")],
		["ENODEV", new ConnectError("nobody there")],
		["ENODEV", new BusyError("taken")],
		["ENODEV", new ProtocolError("not QMP")],
		["ERANGE", new ValueError("too large", { isOutOfRange: true })],
		["EINVAL", new ValueError("half a pair")],
		["EPERM", new QomError("guarded", { path: "/" }, { desc: "guarded" })],
		["EROFS", new FileError("EROFS", "read-only")],
		["EFBIG", new FileError("EFBIG", "too long")],
		["EBADF", new FileError("EBADF", "not open")],
		["EIO", new UsageError("a bug")],
		["EIO", new MountError("a bug")],
		["EIO", new TypeError("a bug")],
	])("is %s: %s", (name, error) => {
		expect(errnoName(error)).toBe(name);
		expect(errnoOf(error)).toBe(
			constants.errno[name as keyof typeof constants.errno],
		);
	});

	it("is EIO for what is no error at all", () => {
		expect([undefined, null, "text", 5].map(errnoName)).toEqual(
			Array(4).fill("EIO"),
		);
	});
});
