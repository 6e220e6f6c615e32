/** Puts the rooms together: session, source, cache, trees, file system, kernel. */
import { CachedSource } from "../cache/cachedSource.ts";
import { QomError } from "../errors.ts";
import { type Departure, type MountHandle, mount } from "../fuse/mount.ts";
import { prepareMountpoint } from "../fuse/mountpoint.ts";
import type { Json } from "../json.ts";
import { type Address, formatAddress } from "../qmp/address.ts";
import type { QemuVersion } from "../qmp/messages.ts";
import { connectSession, type QmpSession } from "../qmp/session.ts";
import { LiveSource } from "../qom/live.ts";
import type { QomSource } from "../qom/source.ts";
import { ControlTree, type StatusReport } from "../vfs/controlTree.ts";
import { ErrorLog } from "../vfs/errorLog.ts";
import { FileSystem } from "../vfs/filesystem.ts";
import { QomTree } from "../vfs/qomTree.ts";
import { TreePolicy } from "../vfs/treePolicy.ts";
import type { ParsedMountOptions } from "./mountOptions.ts";

export interface MountRequest {
	readonly address: Address;
	/** Absolute: the daemon changes its directory. */
	readonly path: string;
	readonly options: ParsedMountOptions;
}

export interface ServedMount {
	readonly mountpoint: string;
	/** What is mounted, for people. */
	readonly title: string;
	/** Resolves when it is unmounted, by us or from outside, and all is closed. */
	readonly ended: Promise<void>;
	unmount(): Promise<Departure>;
}

/**
 * The kernel and the cache share the age that `cache_timeout` allows: this part of it is
 * the kernel's, the rest the cache's, for the kernel may take over what is old already.
 */
const kernelShare = 0.1;

/** @throws QomfsError */
export async function serveMount({
	address,
	path,
	options,
}: MountRequest): Promise<ServedMount> {
	const mountpoint = await prepareMountpoint(path);
	const session = await connectSession(address, {
		connectTimeoutMs: options.connectTimeoutSec * 1000,
		timeoutMs: options.timeoutSec * 1000,
	});
	try {
		const live = await LiveSource.create(session);
		const cached = new CachedSource(live, {
			listTtlMs: options.cacheTimeoutSec * 1000 * (1 - kernelShare),
			valueTtlMs: options.valueTimeoutSec * 1000,
		});
		const treeOptions = {
			readOnly: options.readOnly,
			unsafeWrites: options.unsafeWrites,
			mountpoint,
			sinceMs: Date.now(),
		};
		const { sinceMs } = treeOptions;
		const machine = await machineType(live);
		const errors = new ErrorLog();
		const status = statusReport({ session, cached, address, machine, sinceMs });
		const fs = new FileSystem({
			qom: new QomTree(cached, new TreePolicy(treeOptions), errors),
			control: new ControlTree(status, errors, sinceMs),
			errors,
			options: treeOptions,
		});
		const handle = await mount(fs, mountpoint, {
			...options,
			fsname: options.fsname ?? formatAddress(address),
			kernelTimeoutSec: options.cacheTimeoutSec * kernelShare,
			// One operation may need a listing and a value.
			requestTimeoutMs: options.timeoutSec * 2000 + 5000,
		});
		return served(handle, session, title(session, machine));
	} catch (error) {
		await session.close();
		throw error;
	}
}

function served(
	handle: MountHandle,
	session: QmpSession,
	title: string,
): ServedMount {
	return {
		mountpoint: handle.mountpoint,
		title,
		ended: handle.ended.then(() => session.close()),
		unmount: () => handle.unmount(),
	};
}

/** `pc-q35-7.2-machine`; null where there is no machine yet (`--preconfig`). */
async function machineType(source: QomSource): Promise<Json> {
	try {
		return await source.get("/machine", "type");
	} catch (error) {
		if (error instanceof QomError) return null;
		throw error;
	}
}

function statusReport(parts: {
	session: QmpSession;
	cached: CachedSource;
	address: Address;
	machine: Json;
	sinceMs: number;
}): StatusReport {
	let connection = "connected";
	parts.session.ended.then((reason) => {
		connection = reason.message;
	});
	return () => ({
		connection,
		source: formatAddress(parts.address),
		qemu: versionText(parts.session.greeting.version),
		machine: parts.machine,
		since: new Date(parts.sinceMs).toISOString(),
		pid: process.pid,
		...parts.session.counters,
		...parts.cached.counters,
	});
}

function title(session: QmpSession, machine: Json): string {
	return `${machine ?? "a machine"} of QEMU ${versionText(session.greeting.version)}`;
}

function versionText({ major, minor, micro }: QemuVersion): string {
	return `${major}.${minor}.${micro}`;
}
