import { constants } from "node:fs";
import * as files from "node:fs/promises";
import { join } from "node:path";
import { describe } from "vitest";
import { CachedSource } from "../../src/cache/cachedSource.ts";
import { type BackendName, backendNames } from "../../src/fuse/backend.ts";
import { RequestQueue } from "../../src/qmp/requestQueue.ts";
import { LiveSource } from "../../src/qom/live.ts";
import {
	controlDirectory,
	controlName,
} from "../../src/vfs/control/controlDirectory.ts";
import { LogFile } from "../../src/vfs/control/logFile.ts";
import { errnoName } from "../../src/vfs/errno.ts";
import { FileSystem } from "../../src/vfs/fileSystem.ts";
import { qomRoot } from "../../src/vfs/qomDirectory.ts";
import { fakeObjects } from "../support/fakeObjects.ts";
import { FakeQmp } from "../support/fakeQmp.ts";
import {
	lacksMount,
	mountQomfs,
	startTestMachine,
} from "../support/mounted.ts";
import { nodeAt, volumeFor } from "../support/volumes.ts";
import { type FileSystemUnderTest, fileSystemContract } from "./fileSystem.ts";

async function inProcess(hasListGet: boolean): Promise<FileSystemUnderTest> {
	const qmp = new FakeQmp(fakeObjects, hasListGet);
	const source = new LiveSource(new RequestQueue(qmp));
	await source.probe(qmp);
	const view = new CachedSource(source, { listTtlMs: 900, valueTtlMs: 100 });
	const volume = volumeFor();
	const control = controlDirectory(volume, {
		status: () => ({ connection: "connected" }),
		events: new LogFile(10),
		links: () => ({}),
	});
	const fs = new FileSystem(
		qomRoot(view, volume, new Map([[controlName, control]])),
	);
	const call = async <Result>(act: () => Promise<Result>): Promise<Result> =>
		act().catch((error) => {
			throw Object.assign(error, { code: errnoName(error) });
		});
	const entry = async (path: string) => {
		const slash = path.lastIndexOf("/");
		return [
			await nodeAt(fs, path.slice(0, slash)),
			path.slice(slash + 1),
		] as const;
	};
	return {
		readdir: (path) =>
			call(async () =>
				(await fs.readdir(await nodeAt(fs, path))).map(({ name }) => name),
			),
		lstat: (path) => call(async () => fs.getattr(await nodeAt(fs, path))),
		readlink: (path) => call(async () => fs.readlink(await nodeAt(fs, path))),
		read: (path) =>
			call(async () => {
				const file = await fs.open(await nodeAt(fs, path), constants.O_RDONLY);
				const bytes = await fs.read(file, 1 << 20, 0);
				await fs.release(file);
				return Buffer.from(bytes).toString();
			}),
		write: (path, text) =>
			call(async () => {
				const file = await fs.open(await nodeAt(fs, path), constants.O_WRONLY);
				try {
					await fs.write(file, Buffer.from(text), 0);
				} finally {
					await fs.release(file);
				}
			}),
		mkdir: (path) => call(async () => fs.refuse((await entry(path))[0])),
		unlink: (path) => call(async () => fs.unlink(...(await entry(path)))),
		symlink: (target, path) =>
			call(async () => fs.symlink(...(await entry(path)), target)),
		access: (path, wanted) =>
			call(async () => fs.access(await nodeAt(fs, path), wanted, true, 0)),
		close: async () => {},
	};
}

/** @param name of the machine's directory, where it is one of several */
async function mounted(
	backend: BackendName,
	name = "",
): Promise<FileSystemUnderTest> {
	const vm = await startTestMachine();
	const sources = name
		? [`${name}=${vm.socket}`, `other=${join(vm.directory, "nosuch")}`]
		: [vm.socket];
	const mounted = await mountQomfs(sources, `backend=${backend}`);
	const at = (path: string) => join(mounted.path, name, path);
	return {
		readdir: (path) => files.readdir(at(path)),
		async lstat(path) {
			const stats = await files.lstat(at(path));
			const kind = stats.isDirectory()
				? "directory"
				: stats.isSymbolicLink()
					? "symlink"
					: "file";
			return { kind, mode: stats.mode & 0o7777, size: stats.size };
		},
		readlink: (path) => files.readlink(at(path)),
		read: (path) => files.readFile(at(path), "utf8"),
		async write(path, text) {
			await using file = await files.open(at(path), "w");
			await file.write(text);
		},
		mkdir: (path) => files.mkdir(at(path)),
		unlink: (path) => files.unlink(at(path)),
		symlink: (target, path) => files.symlink(target, at(path)),
		access: (path, wanted) => files.access(at(path), wanted),
		async close() {
			await mounted.unmount();
			await vm.stop();
		},
	};
}

fileSystemContract("in process, of a QEMU before 10.1,", () =>
	inProcess(false),
);
fileSystemContract("in process", () => inProcess(true));

describe.skipIf(lacksMount)("with a real QEMU,", () => {
	for (const backend of backendNames) {
		fileSystemContract(`mounted with backend=${backend}`, () =>
			mounted(backend),
		);
		fileSystemContract(`mounted beside others with backend=${backend}`, () =>
			mounted(backend, "a machine"),
		);
	}
});
