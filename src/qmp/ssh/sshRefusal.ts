/** What ssh(1) says when it fails, in one line with what to do. */
import type { SshDestination } from "./sshAddress.ts";

/** Who is asked by hand meets the same question. */
function byHand({ user, host, port }: SshDestination): string {
	const words = [
		"ssh",
		...(port === undefined ? [] : ["-p", `${port}`]),
		user === undefined ? host : `${user}@${host}`,
	];
	// Nobody should copy what a shell would take for something else.
	return words.every((word) => /^[\w@.:+-]+$/.test(word))
		? `'${words.join(" ")}'`
		: "ssh by hand";
}

/** What is wrong, by what ssh has said. */
export function refusalIn(text: string, destination: SshDestination): string {
	const { host } = destination;
	const lines = text
		.split(/[\r\n]+/)
		.map((line) => line.trim())
		.filter((line) => line !== "");
	const said = (pattern: RegExp) =>
		lines.map((line) => pattern.exec(line)).find((match) => match !== null);
	if (said(/\bssh: (command )?not found|ssh: No such file/))
		return "there is no ssh here; install it (Debian: openssh-client)";
	if (said(/HOST IDENTIFICATION HAS CHANGED/)) {
		// Where the old one is, only ssh knows.
		const [forget] = said(/^ssh-keygen -f .+ -R .+$/) ?? [];
		return `its host key has changed; if that is right, ${forget ?? `'ssh-keygen -R ${host}'`} forgets the old one`;
	}
	if (said(/Host key verification failed|host key is known for/))
		return `its host key is not known here; ${byHand(destination)} shows it, and keeps it once you agree`;
	const unresolved = said(/Could not resolve hostname (.+?): (.+)/);
	if (unresolved)
		return `no such host '${unresolved[1]}' (${unresolved[2]}); is the name right?`;
	const denied = said(/^(.+): Permission denied \((.+)\)/);
	if (denied)
		return `permission denied for ${denied[1]} (${denied[2]}); ${byHand(destination)} must work without a question (ssh-add keeps the password of a key)`;
	const unreached = said(
		/^(?:ssh|Connection to|kex_exchange_identification)\b.*?: (.+)$/,
	);
	if (unreached)
		return `no sshd answers (${unreached[1]}); is it running there, and the port right?`;
	return `ssh: ${lines.at(-1) ?? "it ended without a word"}; does ${byHand(destination)} work?`;
}

/**
 * Whether ssh would have had a question: for a password, or about the key of a host.
 *
 * @param text what it has said
 */
export function isQuestion(text: string): boolean {
	return (
		/Host key verification failed|: Permission denied \(/.test(text) &&
		!/HOST IDENTIFICATION HAS CHANGED/.test(text)
	);
}
