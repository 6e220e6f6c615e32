/** Several machines as a directory: each by its name, with a `.qomfs` above that is about all of them. */
import type { JsonObject } from "../json.ts";
import { rootPath } from "../qom/path.ts";
import {
	controlDirectory,
	controlName,
} from "../vfs/control/controlDirectory.ts";
import { LogFile } from "../vfs/control/logFile.ts";
import type { Directory, Entry, Node } from "../vfs/node.ts";
import { Volume } from "../vfs/volume.ts";
import type { Subject } from "./subject.ts";

export interface MachinesShown {
	readonly mountpoint: string;
	readonly readOnly: boolean;
	/** Those of the moment, by their names. */
	readonly members: ReadonlyMap<string, Subject>;
	readonly status: () => JsonObject;
}

export function machinesRoot({
	mountpoint,
	readOnly,
	members,
	status,
}: MachinesShown): Directory {
	const sinceMs = Date.now();
	const volume = new Volume({
		...{ readOnly, unsafeWrites: false, hideUnreadable: false },
		...{ mountpoint, mostWaiting: undefined },
		sinceMs: () => sinceMs,
	});
	const control = controlDirectory(volume, {
		status,
		events: new LogFile(0),
		links: () => ({}),
	});
	const known = () =>
		({
			kind: "directory",
			mode: volume.mode(0o755),
			size: 0,
			mtimeMs: sinceMs,
		}) as const;
	return {
		kind: "directory",
		volume,
		path: rootPath,
		waits: false,
		attributes: async () => known(),
		known,
		hidden: (name) => (name === controlName ? control : undefined),
		lookup: async (name) => {
			const member = members.get(name);
			return member && whileThere(member);
		},
		entries: async () =>
			[...members].map(([name, member]) => ({
				name,
				node: whileThere(member),
			})),
	};
}

/** The root of a machine, which is empty while the machine is not there. */
function whileThere({ root, isThere }: Subject): Directory {
	return {
		kind: "directory",
		volume: root.volume,
		path: root.path,
		waits: root.waits,
		attributes: () => root.attributes(),
		known: () => root.known(),
		xattrs: () =>
			root.xattrs?.() ?? { names: async () => [], get: async () => undefined },
		hidden: (name): Node | undefined => root.hidden?.(name),
		lookup: async (name) => (isThere() ? root.lookup(name) : undefined),
		entries: async (): Promise<readonly Entry[]> =>
			isThere() ? root.entries() : [],
		symlink: (name, target) => root.symlink?.(name, target),
		unlink: (name) => root.unlink?.(name) ?? false,
	};
}
