/** A saved machine as what is mounted: it needs nothing but its file, and nothing in it changes. */
import { CachedSource } from "../cache/cachedSource.ts";
import type { BackendChoice } from "../fuse/serve.ts";
import { freshnessOf } from "../machine/freshness.ts";
import { readSnapshotFile } from "../qom/snapshot/file.ts";
import { SnapshotSource } from "../qom/snapshot/source.ts";
import {
	controlDirectory,
	controlName,
} from "../vfs/control/controlDirectory.ts";
import { exploringDirectories } from "../vfs/control/exploringDirectories.ts";
import { LogFile } from "../vfs/control/logFile.ts";
import { qomRoot } from "../vfs/qomDirectory.ts";
import { Volume } from "../vfs/volume.ts";
import type { MountSettings } from "./settings.ts";
import type { Subject } from "./subject.ts";

/** @throws SnapshotError */
export async function snapshotSubject(
	path: string,
	mountpoint: string,
	settings: MountSettings,
	{ name, mostWaiting }: BackendChoice,
): Promise<Subject> {
	const snapshot = await readSnapshotFile(path);
	const { time, qemu, machine = "a machine" } = snapshot;
	const view = new CachedSource(
		new SnapshotSource(snapshot),
		freshnessOf(settings),
	);
	const volume = new Volume({
		readOnly: true,
		unsafeWrites: false,
		hideUnreadable: settings.hideUnreadable,
		mountpoint,
		mostWaiting,
		sinceMs: () => Math.max(0, Date.parse(time)),
	});
	const status = () => ({
		connection: "snapshot",
		source: path,
		qemu: qemu?.version ?? null,
		machine: snapshot.machine ?? null,
		since: time,
		pid: process.pid,
		backend: name,
	});
	const control = controlDirectory(volume, {
		status,
		events: new LogFile(0),
		links: () => ({ snapshot: path }),
		directories: exploringDirectories(view, volume, {
			introspects: settings.introspects,
			linksTtlMs: freshnessOf(settings).listTtlMs,
		}),
	});
	const title = `${machine}${qemu ? ` of QEMU ${qemu.version}` : ""}, saved at ${time},`;
	return {
		root: qomRoot(view, volume, new Map([[controlName, control]])),
		fsname: path,
		title: () => title,
		state: () => `${title} from a snapshot`,
		status,
		isThere: () => true,
		open: async () => {},
		openEventually: async () => {},
		litter: () => [],
		served() {},
		close: async () => {},
	};
}
