/**
 * A QEMU without a machine: what ends it harms nobody. It is started for the first question, and goes
 * when there was none for a while.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Socket } from "node:net";
import { DisconnectedError, QomfsError, TimeoutError } from "../../errors.ts";
import { log } from "../../log.ts";
import { formatVersion, type QemuVersion } from "../../qmp/messages.ts";
import { beginSession } from "../../qmp/openSession.ts";
import type { QmpSession } from "../../qmp/session.ts";
import { SocketTransport } from "../../qmp/transport.ts";
import { Describer } from "../../qom/describer.ts";
import type { TypeDescription } from "../../qom/source.ts";
import type { Binary } from "./binary.ts";
import { noAnswer } from "./kept.ts";

/** How long one waits for the next question. */
const idleMs = 2000;

const startTimeoutMs = 10_000;

/**
 * QEMU gets the socket that is descriptor 3. When whoever has started the shell is gone, however it
 * ended, the shell reads the end of its input, and ends QEMU.
 */
const script = '"$@" </dev/null & exec 3<&-; read -r _; kill -9 $!';

const qemuOptions = [
	// The last one runs nothing, but is there where QEMU has no TCG and this user no KVM.
	...["-machine", "none,accel=tcg:kvm:qtest"],
	...["-nodefaults", "-no-user-config"],
	...["-display", "none", "-chardev", "socket,id=qmp,fd=3"],
	...["-mon", "chardev=qmp,mode=control"],
];

interface Instance {
	readonly child: ChildProcess;
	readonly session: QmpSession;
	readonly describer: Describer;
	/** How many types it was asked for. */
	asked: number;
}

export class ThrowAway {
	readonly #binary: Binary;
	readonly #version: QemuVersion;
	#instance: Instance | undefined;
	#last: Promise<unknown> = Promise.resolve();
	#idle: NodeJS.Timeout | undefined;

	/** @param version that it must have, or it is another one than the machine's */
	constructor(binary: Binary, version: QemuVersion) {
		this.#binary = binary;
		this.#version = version;
	}

	/** @throws QomfsError it does not start, is another one, or was closed meanwhile */
	describe(type: string): Promise<TypeDescription> {
		// One after the other: only then is it clear which one has ended it.
		const described = this.#last.then(() => this.#describe(type));
		this.#last = described.catch(() => {});
		return described;
	}

	/** Ends it. It starts again with the next question. */
	close(): void {
		clearTimeout(this.#idle);
		void this.#instance?.session.close();
		this.#instance?.child.stdin?.destroy();
		this.#instance = undefined;
	}

	async #describe(type: string): Promise<TypeDescription> {
		for (let ends = 0; ; ) {
			this.#instance ??= await this.#start();
			clearTimeout(this.#idle);
			const instance = this.#instance;
			const { describer } = instance;
			const asked = instance.asked++;
			try {
				const described = await describer.describe(type);
				this.#idle = setTimeout(() => this.close(), idleMs).unref();
				return described;
			} catch (error) {
				// Closed by somebody else: that says nothing of the type.
				if (this.#instance !== instance) throw error;
				this.close();
				const isEnd = error instanceof DisconnectedError;
				if (!isEnd && !(error instanceof TimeoutError)) throw error;
				log.cli("%s: the QEMU that was asked: %s", type, error.message);
				// Another type may have prepared its end, so it is asked again, as the first one.
				if (asked === 0 && !isEnd)
					return { properties: new Map(), refusal: noAnswer };
				// And once more: somebody else may have ended it.
				if (asked === 0 && ++ends === 2)
					return {
						properties: new Map(),
						refusal: "QEMU ends when it is asked",
					};
			}
		}
	}

	async #start(): Promise<Instance> {
		const { command, user } = this.#binary;
		const child = spawn(
			"/bin/sh",
			["-c", script, "sh", ...command, ...qemuOptions],
			{
				...user,
				cwd: "/",
				env: environmentFor(user !== undefined),
				stdio: ["pipe", "ignore", "ignore", "pipe"],
				// A signal to all of a terminal, or of `timeout`, must not end the shell before QEMU.
				detached: true,
			},
		);
		child.stdin?.on("error", () => {});
		const failed = new Promise<never>((_resolve, reject) => {
			child.once("error", reject);
		});
		failed.catch(() => {});
		try {
			const address = { kind: "unix", path: command.join(" ") } as const;
			const session = await Promise.race([
				failed,
				beginSession(
					new SocketTransport(address, child.stdio[3] as Socket),
					address,
					{ connectTimeoutMs: startTimeoutMs },
				),
			]);
			const { version } = session.greeting;
			if (isSame(version, this.#version)) {
				for (const each of [child, ...child.stdio])
					(each as { unref?: () => void } | null)?.unref?.();
				return { child, session, describer: new Describer(session), asked: 0 };
			}
			throw new QomfsError(
				`${command.join(" ")} is QEMU ${formatVersion(version)} by now`,
			);
		} catch (error) {
			child.stdin?.destroy();
			throw error;
		}
	}
}

/** Another user can read the environment of what runs as that user. */
function environmentFor(isAnotherUser: boolean): NodeJS.ProcessEnv {
	return isAnotherUser ? { PATH: process.env.PATH } : process.env;
}

function isSame(a: QemuVersion, b: QemuVersion): boolean {
	return formatVersion(a) === formatVersion(b) && a.package === b.package;
}
