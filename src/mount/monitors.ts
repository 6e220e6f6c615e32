/** The monitors in a directory, as those who run many machines lay them out. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { isFileName } from "../qom/path.ts";
import { controlName } from "../vfs/control/controlDirectory.ts";

/** What ends the names of sockets that are something else: Proxmox puts all of a machine side by side. */
const others =
	/\.(vnc|spice|qga|agent|serial\d*|virtiofsd|vfsd|tpm|swtpm|gdb)$/;

const endings = /\.(sock|socket|qmp|monitor|mon)$/;

/**
 * Every monitor by the name of its machine: `100.qmp` of Proxmox is `100`, `vm.sock` is `vm`, and
 * `domain-3-mail/monitor.sock` of libvirt is `mail`.
 *
 * @returns none where the directory cannot be read
 */
export async function monitorsIn(
	directory: string,
): Promise<ReadonlyMap<string, string>> {
	const names = await readdir(directory).catch(() => []);
	const found = new Map<string, string>();
	for (const name of names.toSorted()) {
		const path = join(directory, name);
		const stats = await stat(path).catch(() => undefined);
		if (stats?.isDirectory()) {
			const monitor = join(path, "monitor.sock");
			const [, domain = ""] = /^domain-\d+-(.+)$/s.exec(name) ?? [];
			if (await isSocket(monitor))
				found.set(free(usable(domain, name), found), monitor);
		} else if (stats?.isSocket() && !others.test(name))
			found.set(free(usable(name.replace(endings, ""), name), found), path);
	}
	return found;
}

async function isSocket(path: string): Promise<boolean> {
	const stats = await stat(path).catch(() => undefined);
	return stats?.isSocket() ?? false;
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
