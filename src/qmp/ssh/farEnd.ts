/** Why a connection through ssh ended before the monitor said a word, and what to do. */
import { farSocketAt } from "./farShell.ts";
import type { SshAddress } from "./sshAddress.ts";
import type { SshLink } from "./sshLink.ts";

/** Undefined where nothing more is known than that it ended. */
export async function explainFarEnd(
	link: SshLink,
	{ target }: SshAddress,
	timeoutMs: number,
): Promise<string | undefined> {
	if (link.isOver) return "the connection of ssh has just ended";
	const { heard } = link;
	if (target.kind === "tcp") {
		if (/administratively prohibited/.test(heard))
			return forbidden("AllowTcpForwarding or PermitOpen");
		const [, said] = /connect failed: ([^\n]+)\s*$/.exec(heard) ?? [];
		return (
			said &&
			`${said.trim().toLowerCase()}; is QEMU running there with -qmp tcp:HOST:PORT,server=on,wait=off?`
		);
	}
	const { path } = target;
	const found = await farSocketAt(link, path, timeoutMs);
	switch (found) {
		case undefined:
			return "nobody answers at this socket, or this user may not open it; is QEMU running there, and the path right?";
		case "directory":
			return "a directory; with a slash at the end, 'qomfs mount' shows all the monitors in it";
		case "file":
			return "not a socket; give the path of a QMP socket on that host";
		case "missing":
			return `no such socket on that host; is QEMU running there with -qmp unix:${path},server=on,wait=off?`;
		case "closed":
			return "permission denied; the socket there belongs to another user: connect as that one (ssh://USER@HOST/...), or join its group";
		case "taken":
			return "another client holds this monitor there (QEMU serves one at a time), and others wait; end that client, or give QEMU a second -qmp";
		case "waiting":
			return stopped;
		case "listening":
			return forbidden("AllowStreamLocalForwarding");
		case "silent":
			return "nothing listens on this socket there, or sshd may not forward to it; is QEMU still running?";
		default:
			return `permission denied; ${found.slice("hidden ".length)} on that host belongs to another user: connect as that one (ssh://USER@HOST/...)`;
	}
}

/**
 * Why a monitor there accepts no connection, or says nothing on it; undefined where another client has
 * it, or nobody knows.
 */
export async function explainFarSilence(
	link: SshLink,
	{ target }: SshAddress,
	timeoutMs: number,
): Promise<string | undefined> {
	if (target.kind !== "unix") return undefined;
	const found = await farSocketAt(link, target.path, timeoutMs);
	return found === "waiting" ? stopped : undefined;
}

const stopped =
	"takes no connection, though nobody else holds it; is QEMU stopped there, or busy?";

function forbidden(setting: string): string {
	return `sshd does not forward there; ${setting} in its sshd_config, or the options of the key, forbid it`;
}
