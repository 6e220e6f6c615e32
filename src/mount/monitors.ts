/** The monitors in a directory, as those who run many machines lay them out. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Address } from "../qmp/address.ts";
import { formatSshDirectory, type SshPlace } from "../qmp/ssh/sshAddress.ts";
import { isFileName } from "../qom/path.ts";
import { controlName } from "../vfs/control/controlDirectory.ts";

/** What ends the names of sockets that are something else: Proxmox puts all of a machine side by side. */
const others =
	/\.(vnc|spice|qga|agent|serial\d*|virtiofsd|vfsd|tpm|swtpm|gdb)$/;

const endings = /\.(sock|socket|qmp|monitor|mon)$/;

/** Monitors that come and go. */
export interface MonitorPlace {
	/** As the user may write it. */
	readonly name: string;
	/**
	 * Those of now, each by the name of its machine; none where there is no such directory.
	 *
	 * @throws QomfsError nothing can be said at the moment
	 */
	look(): Promise<ReadonlyMap<string, Address>>;
	/** Resolves when it is time to look again. */
	changed(signal: AbortSignal): Promise<void>;
	close(): Promise<void>;
}

/** How often a directory is looked at. */
const lookMs = 1000;

async function soon(signal: AbortSignal): Promise<void> {
	await sleep(lookMs, undefined, { ref: false, signal }).catch(() => {});
}

/** Those in a directory of this host. */
export function monitorsIn(directory: string): MonitorPlace {
	return {
		name: directory,
		async look() {
			const paths = named(await socketsIn(directory));
			return new Map(
				[...paths].map(([name, path]) => [
					name,
					{ kind: "unix", path: join(directory, path) },
				]),
			);
		},
		changed: soon,
		async close() {},
	};
}

/**
 * Those in a directory of another host.
 *
 * @param timeoutMs for one look at it
 */
export async function farMonitors(
	place: SshPlace,
	timeoutMs: number,
): Promise<MonitorPlace> {
	const { FarDirectory } = await import("../qmp/ssh/farDirectory.ts");
	const directory = new FarDirectory(place);
	const { path: folder, query: _none, ...destination } = place;
	return {
		name: formatSshDirectory(place, folder),
		async look() {
			const paths = named(await directory.look(timeoutMs));
			return new Map(
				[...paths].map(([name, path]) => [
					name,
					{
						kind: "ssh",
						...destination,
						target: { kind: "unix", path: join(folder, path) },
					},
				]),
			);
		},
		changed: soon,
		close: () => directory.close(),
	};
}

/**
 * The running domains of libvirt.
 *
 * @param timeoutMs for one look at them
 */
export async function libvirtDomains(
	uri: string,
	timeoutMs: number,
): Promise<MonitorPlace> {
	const [{ domainsOf }, { Lifecycle }] = await Promise.all([
		import("../qmp/libvirt/virsh.ts"),
		import("../qmp/libvirt/lifecycle.ts"),
	]);
	const lifecycle = new Lifecycle(uri);
	return {
		name: uri,
		async look() {
			const domains = await domainsOf(uri, "running", timeoutMs);
			return new Map(
				domains
					.toSorted((a, b) => (a.name < b.name ? -1 : 1))
					.map(({ name, uuid }) => [
						usable(name, uuid),
						{ kind: "libvirt", uri, domain: name },
					]),
			);
		},
		changed: (signal) => lifecycle.changed(signal),
		close: () => lifecycle.close(),
	};
}

/** Relative to it: its own, and libvirt's one level below. */
async function socketsIn(directory: string): Promise<readonly string[]> {
	const names = await readdir(directory).catch(() => []);
	const found: string[] = [];
	for (const name of names) {
		const stats = await stat(join(directory, name)).catch(() => undefined);
		if (stats?.isSocket()) found.push(name);
		else if (stats?.isDirectory()) {
			const monitor = join(name, "monitor.sock");
			const below = await stat(join(directory, monitor)).catch(() => undefined);
			if (below?.isSocket()) found.push(monitor);
		}
	}
	return found;
}

/**
 * Every monitor by the name of its machine: `100.qmp` of Proxmox is `100`, `vm.sock` is `vm`, and
 * `domain-3-mail/monitor.sock` of libvirt is `mail`.
 *
 * @param sockets paths relative to the directory that they are in
 */
export function named(sockets: readonly string[]): ReadonlyMap<string, string> {
	const found = new Map<string, string>();
	for (const path of sockets.toSorted()) {
		const [name = "", below] = path.split("/");
		if (below !== undefined) {
			const [, domain = ""] = /^domain-\d+-(.+)$/s.exec(name) ?? [];
			found.set(free(usable(domain, name), found), path);
		} else if (!others.test(name))
			found.set(free(usable(name.replace(endings, ""), name), found), path);
	}
	return found;
}

/** The short name, unless no directory of the mount can have it. */
function usable(short: string, name: string): string {
	return isFileName(short) && short !== controlName ? short : name;
}
/** Two of one name, as `a.sock` and `a.qmp`, are `a` and `a.2`. */
function free(name: string, found: ReadonlyMap<string, string>): string {
	for (let count = 1; ; count++) {
		const wanted = count === 1 ? name : `${name}.${count}`;
		if (!found.has(wanted)) return wanted;
	}
}
