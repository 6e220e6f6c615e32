/** Puts the rooms together: a machine, its volume, the file system, the kernel. */
import { MountError, type QomfsError } from "../errors.ts";
import { mostWaiting } from "../fuse/binding.ts";
import { prepareMountpoint } from "../fuse/mountpoint.ts";
import {
	type Departure,
	type MountHandle,
	serveFileSystem,
} from "../fuse/serve.ts";
import { formatJson } from "../json.ts";
import { freshnessOf } from "../machine/freshness.ts";
import { Machine } from "../machine/machine.ts";
import { type Address, formatAddress } from "../qmp/address.ts";
import { formatVersion } from "../qmp/messages.ts";
import {
	controlDirectory,
	controlName,
} from "../vfs/control/controlDirectory.ts";
import { LogFile } from "../vfs/control/logFile.ts";
import { FileSystem } from "../vfs/fileSystem.ts";
import type { Directory } from "../vfs/node.ts";
import { qomRoot } from "../vfs/qomDirectory.ts";
import { Volume } from "../vfs/volume.ts";
import type { MountSettings } from "./settings.ts";

export interface MountRequest {
	readonly address: Address;
	/** Absolute: the daemon changes its directory. */
	readonly path: string;
	readonly settings: MountSettings;
}

/** A machine that this process serves as a directory tree. */
export interface Mounted {
	readonly mountpoint: string;
	/** What is mounted, for people. */
	readonly title: string;
	/**
	 * Resolves when it is unmounted, by us or from outside, and all is closed.
	 *
	 * @throws MountError when the machine was lost and it must not reconnect
	 */
	readonly ended: Promise<void>;
	unmount(): Promise<Departure>;
}

/** What `.qomfs/events` keeps. */
const maxEvents = 10_000;

/** @throws QomfsError */
export async function serveMount({
	address,
	path,
	settings,
}: MountRequest): Promise<Mounted> {
	const mountpoint = await prepareMountpoint(path);
	const freshness = freshnessOf(settings);
	const machine = new Machine(address, {
		connectTimeoutMs: settings.connectTimeoutSec * 1000,
		timeoutMs: settings.timeoutSec * 1000,
		reconnects: settings.reconnect,
		isKept: true,
		freshness,
	});
	const root = machineRoot(machine, mountpoint, settings);
	const loss = new Loss(machine, settings);
	if (settings.delayConnect) machine.openLater();
	else await machine.open();
	try {
		const handle = await serveFileSystem(new FileSystem(root), mountpoint, {
			...settings,
			...freshness,
			fsname: settings.fsname ?? formatAddress(address),
			// One operation may need a listing and a value.
			requestTimeoutMs: settings.timeoutSec * 2000 + 5000,
		});
		return served(machine, handle, loss);
	} catch (error) {
		await machine.close();
		throw error;
	}
}

/** A machine's tree with its `.qomfs`, to be mounted alone or beside others. */
function machineRoot(
	machine: Machine,
	mountpoint: string,
	{ readOnly, unsafeWrites }: MountSettings,
): Directory {
	const volume = new Volume({
		readOnly,
		unsafeWrites,
		mountpoint,
		mostWaiting,
		sinceMs: () => machine.sinceMs,
	});
	const events = new LogFile(maxEvents);
	machine.subscribe({
		onConnected: () => volume.learnt.clear(),
		onEvent: ({ message }) => events.append(formatJson(message)),
	});
	const control = controlDirectory(volume, {
		status: () => ({ ...machine.status(), pid: process.pid }),
		events,
	});
	return qomRoot(machine.view, volume, new Map([[controlName, control]]));
}

/** The end of a machine that must not be waited for; it may come while the kernel is still busy. */
class Loss {
	reason: QomfsError | undefined;
	onLost = () => {};

	constructor(machine: Machine, { reconnect }: MountSettings) {
		if (reconnect) return;
		machine.subscribe({
			onLost: (reason) => {
				this.reason = reason;
				this.onLost();
			},
		});
	}
}

function served(machine: Machine, handle: MountHandle, loss: Loss): Mounted {
	loss.onLost = () => void handle.unmount();
	if (loss.reason) loss.onLost();
	machine.subscribe({
		onEvent: ({ name, data }) => {
			if (name === "DEVICE_DELETED" && typeof data.path === "string")
				handle.invalidate(data.path);
		},
	});
	return {
		mountpoint: handle.mountpoint,
		title: titleOf(machine),
		ended: handle.ended.then(async () => {
			await machine.close();
			if (loss.reason)
				throw new MountError(
					`${loss.reason.message}; unmounted because of -o no_reconnect`,
				);
		}),
		unmount: () => handle.unmount(),
	};
}

function titleOf({ version, type, address }: Machine): string {
	return version
		? `${type ?? "a machine"} of QEMU ${formatVersion(version)}`
		: `whatever comes to ${formatAddress(address)}`;
}
