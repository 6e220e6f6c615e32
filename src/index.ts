/**
 * qomfs as a library. {@link connect} talks to a machine over QMP: commands, events, objects
 * and properties. {@link mount} shows one as a directory tree; the FUSE binding is loaded
 * only then. Everything that these are made of is here, too.
 */

export { CachedSource } from "./cache/cachedSource.ts";
export {
	BusyError,
	CommandError,
	ConnectError,
	DisconnectedError,
	type ErrorClass,
	FileError,
	type FileErrorCode,
	MountError,
	ProtocolError,
	QomError,
	QomfsError,
	type Refusal,
	TimeoutError,
	UsageError,
} from "./errors.ts";
export {
	type Departure,
	type MountHandle,
	type MountOptions,
	mount as mountFileSystem,
} from "./fuse/mount.ts";
export { prepareMountpoint } from "./fuse/mountpoint.ts";
export { formatJson, type Json, type JsonObject, parseJson } from "./json.ts";
export { connect, Machine } from "./machine/connect.ts";
export { type Mounted, mount } from "./machine/mount.ts";
export {
	defaultMountSettings,
	type MountSettings,
} from "./machine/mountSettings.ts";
export { type Address, formatAddress, parseAddress } from "./qmp/address.ts";
export type { Greeting, QemuVersion, QmpEvent } from "./qmp/messages.ts";
export {
	type CommandOptions,
	connectSession,
	QmpSession,
	type SessionCounters,
	type SessionOptions,
} from "./qmp/session.ts";
export {
	formatValue,
	incomplete,
	kindOfType,
	kindOfValue,
	parseValue,
	type ValueKind,
} from "./qom/codec.ts";
export { LiveSource } from "./qom/live.ts";
export { objectDocument } from "./qom/objectDocument.ts";
export { joinPath, type QomPath, splitPath } from "./qom/path.ts";
export { matchObjects } from "./qom/pattern.ts";
export { setText, type TypedText } from "./qom/setText.ts";
export type {
	Description,
	ObjectContents,
	PropertyInfo,
	QomSource,
} from "./qom/source.ts";
export { type PropertyType, parseType } from "./qom/types.ts";
export { type WalkedObject, walk } from "./qom/walk.ts";
export { ControlTree } from "./vfs/controlTree.ts";
export { ErrorLog } from "./vfs/errorLog.ts";
export { FileSystem } from "./vfs/filesystem.ts";
export { LogFile } from "./vfs/logFile.ts";
export { QomTree } from "./vfs/qomTree.ts";
export { TreePolicy } from "./vfs/treePolicy.ts";
