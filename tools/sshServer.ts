/**
 * A real sshd on loopback, for a user of its own, with keys and files of its own. It runs in namespaces
 * of its own: the machine's users stay as they are, and nothing of it outlives it.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import {
	type AddressInfo,
	connect,
	createServer,
	type Server,
	type Socket,
} from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Nobody else has this number. */
const farId = 64123;

/** Of whom it lets in. */
export interface FarUser {
	readonly name: string;
	readonly id: number;
}

export const farUser: FarUser = { name: "far", id: farId };

/** Of whoever is let in, where sshd takes passwords. */
export const password = "open sesame";

function hashed(password: string): string {
	const script = "print crypt($ARGV[0], '$6$salt$')";
	return execFileSync("perl", ["-e", script, password], { encoding: "utf8" });
}

/** Who may go wherever the tests go. */
export const rootUser: FarUser = { name: "root", id: 0 };

/** Why there can be none here; undefined where there can. */
export function lacksSshServer(): string | undefined {
	return process.getuid?.() === 0
		? lackingProgram(["ssh", "sshd", "unshare"])
		: "only root can serve another user";
}

/** The first of these programs that is not installed. */
export function lackingProgram(
	programs: readonly string[],
): string | undefined {
	const folders = `${process.env.PATH}:/usr/sbin:/sbin`.split(":");
	return programs.find(
		(program) => !folders.some((folder) => existsSync(join(folder, program))),
	);
}

/** Shell, for a new mount namespace: a mount of qomfs goes on for as long as any namespace has it. */
export const leaveMounts = `
	findmnt -nro TARGET -t fuse.qomfs | while read -r mount; do umount -l "$mount"; done
`;

/** $1: the directory; the machine's own /run is not for this sshd. */
const startScript = `
	${leaveMounts}
	for file in passwd shadow group; do mount --bind "$1/server/$file" /etc/$file || exit; done
	mount -t tmpfs -o mode=755 tmpfs /run && mkdir /run/sshd || exit
	exec /usr/sbin/sshd -D -e -f "$1/server/sshd_config"
`;

export class SshServer implements AsyncDisposable {
	/** What a source begins with. */
	readonly url = "ssh://far";
	readonly directory: string;
	/** The home of its user; everybody can reach it. */
	readonly home: string;
	/** Of the loopback interface, and no other server's: a port that is free now may be taken before sshd has it. */
	readonly address = ["127", ...[1, 2, 3].map(() => randomInt(1, 255))].join(
		".",
	);
	readonly #user: FarUser;
	readonly #sockets = new Set<Socket>();
	readonly #proxy: Server;
	#process: ChildProcess | undefined;
	#port = 0;
	#isCut = false;
	#said = "";

	static async start(
		user: FarUser = farUser,
		settings: readonly string[] = [],
	): Promise<SshServer> {
		const directory = await mkdtemp(join(tmpdir(), "qomfs-ssh-"));
		const server = new SshServer(directory, user);
		await server.#prepare();
		await server.serve(settings);
		return server;
	}

	private constructor(directory: string, user: FarUser) {
		this.directory = directory;
		this.home = join(directory, "home");
		this.#user = user;
		this.#proxy = createServer({ allowHalfOpen: true }, (client) =>
			this.#carry(client),
		);
	}

	/** An environment in which ssh(1) knows it as `far`. */
	environment(env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
		return { ...env, PATH: `${join(this.directory, "bin")}:${env.PATH}` };
	}

	/** Of this host. */
	get port(): number {
		return this.#port;
	}

	/** What it has written to its log. */
	get log(): string {
		return this.#said;
	}

	/** Where the configuration of ssh(1) is, to be added to. */
	get clientConfig(): string {
		return join(this.directory, "config");
	}

	/** Starts it, with lines for its configuration. */
	async serve(settings: readonly string[] = []): Promise<void> {
		this.#port = await freePort(this.address);
		const server = join(this.directory, "server");
		await writeFile(
			join(server, "sshd_config"),
			[
				...settings,
				`Port ${this.#port}`,
				`ListenAddress ${this.address}`,
				`HostKey ${join(server, "hostkey")}`,
				`AuthorizedKeysFile ${join(server, "authorized_keys")}`,
				"PidFile none",
				"PermitRootLogin yes",
				...["StrictModes no", "UsePAM no", "PasswordAuthentication no"],
				...["KbdInteractiveAuthentication no", "LogLevel VERBOSE"],
				"",
			].join("\n"),
		);
		// Its end is that of every process in it.
		const child = spawn(
			"unshare",
			[
				...["--mount", "--pid", "--fork", "--kill-child"],
				...["--propagation", "private"],
				...["sh", "-c", startScript, "sh", this.directory],
			],
			{ stdio: ["ignore", "ignore", "pipe"] },
		);
		child.stderr.setEncoding("utf8").on("data", (text: string) => {
			this.#said += text;
		});
		this.#process = child;
		while (!(await answers(this.#port, this.address))) {
			if (child.exitCode !== null)
				throw new Error(`sshd has ended: ${this.#said}`);
			await sleep(20);
		}
	}

	/** Ends it with all its connections, as a host does that loses its power. */
	async stop(): Promise<void> {
		const child = this.#process;
		this.#process = undefined;
		if (!child || child.exitCode !== null) return;
		child.kill("SIGKILL");
		await once(child, "exit");
	}

	/** From now on nothing gets through, either way; connections stay open. */
	cut(): void {
		this.#isCut = true;
		for (const socket of this.#sockets) socket.pause();
	}

	mend(): void {
		this.#isCut = false;
		for (const socket of this.#sockets) socket.resume();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.stop();
		for (const socket of this.#sockets) socket.destroy();
		this.#proxy.close();
		await rm(this.directory, { recursive: true, force: true });
	}

	async #prepare(): Promise<void> {
		await chmod(this.directory, 0o755);
		for (const name of ["server", "home", "bin"])
			await mkdir(join(this.directory, name), { mode: 0o755 });
		const { name, id } = this.#user;
		await chown(this.home, id, id);
		const server = join(this.directory, "server");
		for (const key of [join(server, "hostkey"), join(this.directory, "key")])
			execFileSync("ssh-keygen", [
				...["-q", "-t", "ed25519", "-N", "", "-f", key],
			]);
		const read = (path: string) => readFileSync(path, "utf8");
		await writeFile(
			join(server, "authorized_keys"),
			read(join(this.directory, "key.pub")),
		);
		const added: Record<string, string> = {
			passwd: `${name}:x:${id}:${id}::${this.home}:/bin/sh`,
			shadow: `${name}:${hashed(password)}:19000::::::`,
			group: `${name}:x:${id}:`,
		};
		for (const [file, line] of Object.entries(added)) {
			const others = read(`/etc/${file}`)
				.split("\n")
				.filter((each) => !each.startsWith(`${name}:`));
			await writeFile(join(server, file), [line, ...others].join("\n"), {
				mode: file === "shadow" ? 0o640 : 0o644,
			});
		}
		this.#proxy.listen(0, "127.0.0.1");
		await once(this.#proxy, "listening");
		const { port } = this.#proxy.address() as AddressInfo;
		const known = join(this.directory, "known_hosts");
		await writeFile(known, `far ${read(join(server, "hostkey.pub"))}`);
		await writeFile(
			this.clientConfig,
			[
				"Host far",
				...["HostName 127.0.0.1", `Port ${port}`, "HostKeyAlias far"],
				...[`User ${name}`, `UserKnownHostsFile ${known}`],
				...[`IdentityFile ${join(this.directory, "key")}`],
				...["IdentitiesOnly yes", "IdentityAgent none", ""],
			].join("\n"),
		);
		const ssh = join(this.directory, "bin", "ssh");
		await writeFile(
			ssh,
			`#!/bin/sh\nexec /usr/bin/ssh -F ${this.clientConfig} "$@"\n`,
			{ mode: 0o755 },
		);
	}

	#carry(client: Socket): void {
		const server = connect({
			...{ port: this.#port, host: this.address, allowHalfOpen: true },
		});
		for (const [from, to] of [
			[client, server],
			[server, client],
		] as const) {
			this.#sockets.add(from);
			from.on("error", () => to.destroy());
			from.on("close", () => {
				this.#sockets.delete(from);
				if (!this.#isCut) to.destroy();
			});
			from.pipe(to);
			if (this.#isCut) from.pause();
		}
	}
}

async function freePort(address: string): Promise<number> {
	const server = createServer().listen(0, address);
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	server.close();
	await once(server, "close");
	return port;
}

function answers(port: number, address: string): Promise<boolean> {
	return new Promise((settle) => {
		const socket = connect(port, address);
		socket.once("connect", () => settle(true));
		socket.once("error", () => settle(false));
		socket.once("close", () => settle(false));
		socket.once("connect", () => socket.destroy());
	});
}
