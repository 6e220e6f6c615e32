/** A machine that only another user can reach, behind a real sshd. */
import { chown, readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import {
	farUser,
	lacksSshServer,
	rootUser,
	SshServer,
} from "../../tools/sshServer.ts";
import { defaultQemu } from "../../tools/virtualMachine.ts";
import { lacksMount } from "./mounted.ts";

/** For `describe.skipIf`: without these parts the test says nothing. */
export const lacksSsh = lacksMount || lacksSshServer() !== undefined;

/** Of a QEMU in a folder of root's, only root can reach the sockets. */
const user = defaultQemu.root === "" ? farUser : rootUser;

/** One for the tests of a file, known as `far` to every ssh(1) that they start. */
export function sshServer(): () => SshServer {
	let server: SshServer | undefined;
	const { PATH } = process.env;
	beforeAll(async () => {
		server = await SshServer.start(user);
		process.env.PATH = server.environment().PATH;
	});
	afterAll(async () => {
		process.env.PATH = PATH;
		await server?.[Symbol.asyncDispose]();
	});
	return () => {
		if (!server) throw new Error("no test has begun");
		return server;
	};
}

/** From now on a directory, with all that is in it, belongs to the user who is let in. */
export async function giveToFarUser(directory: string): Promise<void> {
	const { id } = user;
	await chown(directory, id, id);
	for (const name of await readdir(directory))
		await chown(join(directory, name), id, id);
}
