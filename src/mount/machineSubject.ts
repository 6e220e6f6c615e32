/** A running machine as what is mounted. */
import { MountError, type QomfsError } from "../errors.ts";
import type { BackendChoice } from "../fuse/serve.ts";
import { formatJson, type JsonObject } from "../json.ts";
import { log } from "../log.ts";
import { freshnessOf } from "../machine/freshness.ts";
import { Machine } from "../machine/machine.ts";
import { type Address, formatAddress } from "../qmp/address.ts";
import { formatVersion } from "../qmp/messages.ts";
import { reachedBy, sharePath } from "../share/place.ts";
import { ShareServer } from "../share/shareServer.ts";
import {
	controlDirectory,
	controlName,
} from "../vfs/control/controlDirectory.ts";
import { exploringDirectories } from "../vfs/control/exploringDirectories.ts";
import { LogFile } from "../vfs/control/logFile.ts";
import type { Directory } from "../vfs/node.ts";
import { qomRoot } from "../vfs/qomDirectory.ts";
import { Volume } from "../vfs/volume.ts";
import type { MountSettings } from "./settings.ts";
import type { NameHandle, Subject } from "./subject.ts";

/** What `.qomfs/events` keeps. */
const maxEvents = 10_000;

export function machineSubject(
	address: Address,
	mountpoint: string,
	settings: MountSettings,
	backend: BackendChoice,
): Subject {
	const machine = new Machine(address, {
		connectTimeoutMs: settings.connectTimeoutSec * 1000,
		timeoutMs: settings.timeoutSec * 1000,
		reconnects: settings.reconnect,
		isKept: true,
		unsafeReads: settings.unsafeReads,
		ownMonitor: settings.ownMonitor,
		reach: (address) => reachedBy(address, share?.path),
		freshness: freshnessOf(settings),
	});
	/** Why it is over, if a loss is the end; that may come while the kernel is still busy. */
	let end: QomfsError | undefined;
	let handle: NameHandle | undefined;
	let share: ShareServer | undefined;
	let isClosed = false;
	machine.onForget(async () => handle?.invalidateAll());
	machine.subscribe({
		onConnected() {
			void handle?.invalidateAll();
			// Whoever has shared it before may be gone.
			void shareIfFree();
		},
		onLost(reason) {
			if (settings.reconnect) return;
			end = reason;
			void handle?.unmount();
		},
		onEvent({ name, data }) {
			if (name === "DEVICE_DELETED" && typeof data.path === "string")
				handle?.invalidate(data.path);
		},
	});
	let sharing = Promise.resolve();
	const shareIfFree = () => {
		sharing = sharing.then(async () => {
			if (!share && !isClosed) share = await shared(machine, settings);
		});
		return sharing;
	};
	const status = () => ({
		...machine.status(),
		pid: process.pid,
		backend: backend.name,
	});
	return {
		root: machineRoot(machine, mountpoint, settings, backend, {
			status,
			sharedPath: () => share?.path,
		}),
		fsname: formatAddress(address),
		title: () => titleOf(machine),
		note: () => taintNote(machine.carrier),
		state: () => stateOf(machine),
		status,
		isThere: () => machine.isConnected,
		async open() {
			if (settings.delayConnect) machine.openLater();
			else await machine.open();
			await shareIfFree();
		},
		async openEventually() {
			await machine.open().catch((error) => {
				log.session("not yet: %s", error.message);
				machine.openLater();
			});
			await shareIfFree();
		},
		litter: () => (share ? [share.path] : []),
		served(mounted) {
			handle = mounted;
			if (end) void handle.unmount();
		},
		async close() {
			isClosed = true;
			await sharing;
			await share?.close();
			await machine.close();
			if (end)
				throw new MountError(
					`${end.message}; unmounted because of -o no_reconnect`,
				);
		},
	};
}

/** Lets others use the monitor. A mount is worth having without that, too. */
async function shared(
	machine: Machine,
	{ share, readOnly, allowOther }: MountSettings,
): Promise<ShareServer | undefined> {
	if (share === "no") return undefined;
	const isReadOnly = readOnly || share === "ro";
	try {
		const path = await sharePath(machine.address);
		return await ShareServer.listen(machine, {
			// Whoever has named a monitor that is free shall not be limited to reading.
			path:
				isReadOnly && machine.hasOwnMonitor
					? path.replace(/\.sock$/, "-ro.sock")
					: path,
			isOpenToAll: allowOther,
			isReadOnly,
		});
	} catch (error) {
		log.session("the monitor is not shared: %O", error);
		return undefined;
	}
}

interface MachineControl {
	readonly status: () => JsonObject;
	readonly sharedPath: () => string | undefined;
}

/** A machine's tree with its `.qomfs`, to be mounted alone or beside others. */
function machineRoot(
	machine: Machine,
	mountpoint: string,
	settings: MountSettings,
	{ mostWaiting }: BackendChoice,
	{ status, sharedPath }: MachineControl,
): Directory {
	const { readOnly, unsafeWrites, hideUnreadable, introspects } = settings;
	const { listTtlMs: linksTtlMs } = freshnessOf(settings);
	const volume = new Volume({
		readOnly,
		unsafeWrites,
		hideUnreadable,
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
		status,
		events,
		links: () => ({ monitor: sharedPath() }),
		directories: exploringDirectories(machine.view, volume, {
			introspects,
			linksTtlMs,
		}),
	});
	return qomRoot(machine.view, volume, new Map([[controlName, control]]));
}

function titleOf({ version, type, address }: Machine): string {
	return version
		? `${type ?? "a machine"} of QEMU ${formatVersion(version)}`
		: `whatever comes to ${formatAddress(address)}`;
}

/**
 * What libvirt makes of a domain whose monitor somebody else uses.
 *
 * @param carrier by which that is done
 */
export function taintNote(carrier: string | undefined): string | undefined {
	return carrier === undefined
		? undefined
		: `reached by ${carrier}; libvirt calls such a domain tainted (custom-monitor)`;
}

function stateOf(machine: Machine): string {
	const { connection, reason } = machine.status();
	return [titleOf(machine), connection, ...(reason ? [reason] : [])].join(": ");
}
