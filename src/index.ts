/**
 * qomfs as a library. {@link connect} gives a machine: commands, events, objects and properties.
 * {@link mount} shows one as a directory tree; the FUSE binding is loaded only then.
 */

export {
	AddressError,
	BusyError,
	CommandError,
	ConnectError,
	DisconnectedError,
	MountError,
	NoMatchError,
	ProtocolError,
	QomError,
	QomfsError,
	type Refusal,
	SnapshotError,
	TimeoutError,
	ValueError,
} from "./errors.ts";
export { formatJson, type Json, type JsonObject, parseJson } from "./json.ts";
export { connect, Machine, type MachineOptions } from "./machine/machine.ts";
export { mount } from "./mount/mount.ts";
export type { Mounted } from "./mount/serveMount.ts";
export type { MountSettings } from "./mount/settings.ts";
export type { ConnectionListener } from "./qmp/connection.ts";
export type { QmpEvent } from "./qmp/messages.ts";
export { formatValue, incomplete } from "./qom/codec.ts";
export { matchObjects } from "./qom/matchObjects.ts";
export { objectDocument } from "./qom/objectDocument.ts";
export type {
	Description,
	PropertyInfo,
	QomSource,
	TypeDescription,
	TypeInfo,
} from "./qom/source.ts";
export { type WalkedObject, walk } from "./qom/walk.ts";
export { type WriteRequest, write } from "./qom/write.ts";
