/** virsh(1), one command at a time, and what it knows of domains. */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { promisify } from "node:util";
import { ConnectError, TimeoutError } from "../../errors.ts";
import { withParameter } from "../uri.ts";

export interface Domain {
	/** In the form that no name can be taken for. */
	readonly uuid: string;
	readonly name: string;
}

/** So that its words are those that are known here. */
export const virshEnvironment = { LC_ALL: "C.UTF-8", INPUTRC: "/dev/null" };

/** Its ssh is to ask nothing: it would ask for each command. */
export function unattended(uri: string): string {
	if (!/^qemu\+ssh:/.test(uri) || /[?&]no_tty=/.test(uri)) return uri;
	return withParameter(uri, "no_tty=1");
}

/**
 * What a command prints.
 *
 * @param command one line of virsh's own
 * @throws ConnectError libvirt cannot be reached, or refuses; TimeoutError
 */
async function virsh(
	uri: string,
	command: string,
	timeoutMs: number,
): Promise<string> {
	const args = ["-q", "-c", unattended(uri), command];
	try {
		const { stdout } = await promisify(execFile)("virsh", args, {
			timeout: Math.ceil(timeoutMs),
			killSignal: "SIGKILL",
			env: { ...process.env, ...virshEnvironment },
			maxBuffer: 2 ** 24,
		});
		return stdout;
	} catch (error) {
		const { killed, stderr, code } = error as {
			killed?: boolean;
			stderr?: string;
			code?: unknown;
		};
		if (killed)
			throw new TimeoutError(
				`${uri}: libvirt does not answer within ${Math.round(timeoutMs / 100) / 10} s; is its host up?`,
			);
		throw new ConnectError(
			`${uri}: ${code === "ENOENT" ? "there is no virsh here; install it (Debian: libvirt-clients)" : refusalIn(stderr ?? "")}`,
			{ cause: error },
		);
	}
}

/** What is wrong, by what virsh has said. */
export function refusalIn(text: string): string {
	const lines = text
		.split("\n")
		.flatMap((line) => /^error: (.+)/.exec(line)?.[1] ?? []);
	const said =
		lines.at(-1)?.replace(/: Input\/output error$/, "") ??
		"virsh has ended without a word";
	const [, reason] =
		/Failed to connect socket to '.*': (.+)|^Cannot recv data: (?:ssh: )?(.+?)(?:: Connection reset by peer)?$/
			.exec(said)
			?.filter((part) => part !== undefined) ?? [];
	if (reason === "Permission denied")
		return "permission denied; join the group libvirt, or use qemu:///session";
	if (said.includes("Failed to connect socket"))
		return `libvirt is not running there (${reason}); start libvirtd or virtqemud`;
	if (reason !== undefined) return `ssh does not get there (${reason})`;
	return said;
}

const uuidForm = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/gm;

/** As many as fit on a command line. */
const mostAtOnce = 500;

/**
 * All running domains, or all that are defined.
 *
 * @throws ConnectError, TimeoutError
 */
export async function domainsOf(
	uri: string,
	which: "running" | "all",
	timeoutMs: number,
): Promise<readonly Domain[]> {
	const command = which === "all" ? "list --uuid --all" : "list --uuid";
	const listed = await virsh(uri, command, timeoutMs);
	const uuids = listed.match(uuidForm) ?? [];
	const found: Domain[] = [];
	for (let start = 0; start < uuids.length; start += mostAtOnce) {
		const some = uuids.slice(start, start + mostAtOnce);
		// A name may be any text, with line breaks, too.
		const mark = randomBytes(8).toString("hex");
		const asked = some.map((uuid) => `domname ${uuid}; echo ${mark}`);
		const names = (await virsh(uri, asked.join("; "), timeoutMs)).split(mark);
		for (const [index, uuid] of some.entries()) {
			const name = names[index]?.replace(/\n$/, "");
			if (name) found.push({ uuid, name });
		}
	}
	return found;
}
