/**
 * `npm run walk:types [-- ROOT]`: has every type of every emulator described, as qomfs does it, and
 * tells which ones end the QEMU that is asked. ROOT is where the emulators are installed, `/` for
 * this machine's own; without it, it is the root of the newer QEMU. Minutes for all emulators.
 */
import { readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { DisconnectedError } from "../src/errors.ts";
import { connect } from "../src/machine/machine.ts";
import { TypeTree } from "../src/qom/typeTree.ts";
import { debianRoot } from "./debianRoot.ts";
import {
	machineDirectory,
	type Qemu,
	startVirtualMachine,
} from "./virtualMachine.ts";

/** A type that was asked for, and what came of it. */
interface Described {
	readonly type: string;
	readonly properties: number;
	readonly refusal?: string;
}

interface Walked {
	readonly types: TypeTree;
	readonly described: readonly Described[];
	/** Types after which the machine itself was gone: there should be none. */
	readonly lostMachines: readonly string[];
}

/** The first accelerator is TCG, which one of the emulators lacks; the last one is always there. */
const options = ["-M", "none", "-accel", "kvm", "-accel", "qtest"];

/** What qomfs says of a type that has ended the instance that it asked. */
const isEnd = (refusal: string | undefined): boolean =>
	/^QEMU (ends|does not answer)/.test(refusal ?? "");

async function walk(qemu: Qemu): Promise<Walked> {
	const described: Described[] = [];
	const lostMachines: string[] = [];
	for (;;) {
		const directory = await machineDirectory(qemu);
		try {
			const vm = await startVirtualMachine(directory, options, qemu);
			try {
				const types = await describeRest(vm.socket, described, lostMachines);
				if (types) return { types, described, lostMachines };
			} finally {
				await vm.stop();
			}
		} finally {
			await rm(directory, { recursive: true, force: true });
		}
	}
}

/** Goes on where it has stopped. Undefined where that has ended the machine. */
async function describeRest(
	socket: string,
	described: Described[],
	lostMachines: string[],
): Promise<TypeTree | undefined> {
	await using machine = await connect(socket);
	const types = new TypeTree(await machine.source.types());
	const known = new Set(described.map(({ type }) => type));
	for (const type of types.names) {
		// Nobody asks for an interface: QEMU makes none.
		if (known.has(type) || types.isInterface(type)) continue;
		try {
			const { properties, refusal } = await machine.source.describe(type);
			await machine.execute("query-version");
			described.push({
				type,
				properties: properties.size,
				...(refusal !== undefined && { refusal }),
			});
		} catch (error) {
			if (!(error instanceof DisconnectedError)) throw error;
			lostMachines.push(type);
			described.push({ type, properties: 0, refusal: "the machine has ended" });
			return undefined;
		}
	}
	return types;
}

function lineOf({ types, described, lostMachines }: Walked): string {
	const refused = described.filter(({ refusal }) => refusal !== undefined);
	const ending = refused.filter(({ refusal }) => isEnd(refusal));
	const properties = described.reduce((sum, each) => sum + each.properties, 0);
	return [
		`${types.names.length} types`,
		`${types.names.length - described.length} interfaces`,
		`${properties} properties`,
		`${refused.length - ending.length} refused`,
		`${ending.length} end QEMU${namesOf(ending.map(({ type }) => type))}`,
		`${lostMachines.length} machines lost${namesOf(lostMachines)}`,
	].join(", ");
}

function namesOf(names: readonly string[]): string {
	return names.length > 0 ? ` (${names.join(" ")})` : "";
}

function emulatorsIn(root: string): readonly string[] {
	return readdirSync(join(root, "usr/bin"), { withFileTypes: true })
		.filter(
			(entry) => entry.isFile() && /^qemu-system-[\w-]+$/.test(entry.name),
		)
		.map(({ name }) => name)
		.sort();
}

const [named] = process.argv.slice(2);
const root = resolve(
	named ?? debianRoot("debian-testing", "testing", ["qemu-system-x86"]),
);
const isOwn = root === "/";
// What was kept of earlier walks would tell nothing of these emulators.
const cache = await mkdtemp(join(tmpdir(), "qomfs-walk-"));
process.env.XDG_CACHE_HOME = cache;
try {
	for (const emulator of emulatorsIn(root)) {
		const startMs = performance.now();
		const seconds = () =>
			`${((performance.now() - startMs) / 1000).toFixed(1)} s`;
		try {
			const walked = await walk({
				command: isOwn ? [emulator] : ["chroot", root, emulator],
				root: isOwn ? "" : root,
			});
			console.log(`${emulator}: ${lineOf(walked)}, ${seconds()}`);
			if (walked.lostMachines.length > 0) process.exitCode = 1;
		} catch (error) {
			const { message } = error as Error;
			console.log(`${emulator}: ${message.split("\n").at(-1)}, ${seconds()}`);
			if (!/ did not start: /.test(message)) process.exitCode = 1;
		}
	}
} finally {
	await rm(cache, { recursive: true, force: true });
}
