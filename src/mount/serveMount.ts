/** Puts the rooms together: what is mounted, the file system, the kernel. */
import { prepareMountpoint } from "../fuse/mountpoint.ts";
import {
	type BackendChoice,
	chooseBackend,
	type Departure,
	type MountHandle,
	serveFileSystem,
} from "../fuse/serve.ts";
import { freshnessOf } from "../machine/freshness.ts";
import { FileSystem } from "../vfs/fileSystem.ts";
import { machineSubject } from "./machineSubject.ts";
import { machinesSubject } from "./machinesSubject.ts";
import type { MountSettings } from "./settings.ts";
import { snapshotSubject } from "./snapshotSubject.ts";
import type { MountSource } from "./source.ts";
import type { Subject } from "./subject.ts";

export interface MountRequest {
	readonly source: MountSource;
	/** Absolute: the daemon changes its directory. */
	readonly path: string;
	readonly settings: MountSettings;
}

/** A machine that this process serves as a directory tree. */
export interface Mounted {
	readonly mountpoint: string;
	/** What is mounted, for people. */
	readonly title: string;
	/** For people, where a part of it is not as it was asked for. */
	readonly note: string | undefined;
	/** For people: what is mounted now, and how it is. */
	state(): string;
	/**
	 * Resolves when it is unmounted, by us or from outside, and all is closed.
	 *
	 * @throws MountError when the machine was lost and it must not reconnect
	 */
	readonly ended: Promise<void>;
	unmount(): Promise<Departure>;
}

/** @throws QomfsError */
export async function serveMount({
	source,
	path,
	settings,
}: MountRequest): Promise<Mounted> {
	const mountpoint = await prepareMountpoint(path);
	const backend = await chooseBackend(settings.backend);
	const subject = await subjectOf(source, mountpoint, settings, backend);
	return serve(subject, mountpoint, settings, backend);
}

async function subjectOf(
	source: MountSource,
	mountpoint: string,
	settings: MountSettings,
	backend: BackendChoice,
): Promise<Subject> {
	switch (source.kind) {
		case "snapshot":
			return snapshotSubject(source.path, mountpoint, settings, backend);
		case "named":
		case "directory":
		case "far directory":
		case "domains":
			return machinesSubject(source, mountpoint, settings, backend);
		default:
			return machineSubject(source, mountpoint, settings, backend);
	}
}

async function serve(
	subject: Subject,
	mountpoint: string,
	settings: MountSettings,
	backend: BackendChoice,
): Promise<Mounted> {
	let handle: MountHandle;
	try {
		await subject.open();
		handle = await serveFileSystem(
			new FileSystem(subject.root),
			mountpoint,
			{
				...settings,
				...freshnessOf(settings),
				// These three would be read as the end of the option.
				fsname: (settings.fsname ?? subject.fsname).replace(/[,\\\n]/g, "?"),
				// One operation may need a listing and a value.
				requestTimeoutMs: settings.timeoutSec * 2000 + 5000,
			},
			backend,
			subject.litter(),
		);
	} catch (error) {
		await subject.close().catch(() => {}); // the first failure is the one to tell
		throw error;
	}
	subject.served(handle);
	const ended = handle.ended.then(() => subject.close());
	ended.catch(() => {}); // a program that does not wait for the end must not die of it
	return {
		mountpoint,
		title: subject.title(),
		note: backend.note ?? subject.note?.(),
		state: subject.state,
		ended,
		unmount: () => handle.unmount(),
	};
}
