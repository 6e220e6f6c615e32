/**
 * What a command asks: a running machine, or where it only looks at objects a snapshot, too.
 * Commands connect here; the shell keeps its own connection.
 */
import { existsSync } from "node:fs";
import { QomError, SnapshotError, UsageError } from "../errors.ts";
import { log } from "../log.ts";
import {
	connected,
	type Machine,
	type MachineOptions,
} from "../machine/machine.ts";
import { formatVersion, type QemuVersion } from "../qmp/messages.ts";
import { OrderedSource } from "../qom/orderedSource.ts";
import type { SavedQemu } from "../qom/snapshot/snapshot.ts";
import type { QomSource } from "../qom/source.ts";
import { isShared, reachableAddress } from "../share/place.ts";

/** The options that name a machine. */
export interface MachineFlags {
	readonly socket?: string;
	/** For one command of QMP, in seconds. */
	readonly timeout?: number;
	readonly unsorted?: true;
}

/** Objects, wherever they come from. */
export interface OpenedSource {
	readonly source: QomSource;
	/** What runs the machine, or ran it. */
	readonly qemu: SavedQemu | undefined;
	/** Of when it is, in ISO 8601. */
	readonly time: string;
	/** Undefined where it was saved. */
	readonly machine?: Machine;
}

const timeoutSecDefault = 10;
const connectTimeoutSec = 3;

/**
 * Connects, acts, and leaves the monitor to the next client.
 *
 * @throws UsageError no monitor is named; whatever connecting and `act` throw, and if QEMU does
 * not know a name, with the nearest names that it knows
 */
export async function withMachine(
	flags: MachineFlags,
	act: (machine: Machine) => Promise<void>,
	options: MachineOptions = {},
): Promise<void> {
	const { timeout = timeoutSecDefault } = flags;
	const address = await reachableAddress(sourceOf(flags));
	// A shared monitor serves any number of clients already.
	const ownMonitor = options.ownMonitor === true && !isShared(address);
	await using machine = await connected(address, {
		timeoutMs: timeout * 1000,
		connectTimeoutMs: Math.min(timeout, connectTimeoutSec) * 1000,
		isOrdered: !flags.unsorted,
		...options,
		ownMonitor,
	});
	const shared = ownMonitor ? await share(machine) : undefined;
	try {
		await explained(machine.source, () => act(machine));
	} finally {
		await shared?.close();
	}
}

/**
 * The same for what only looks at objects.
 *
 * @throws as {@link withMachine}; SnapshotError
 */
export async function withSource(
	flags: MachineFlags,
	act: (opened: OpenedSource) => Promise<void>,
	options: MachineOptions = {},
): Promise<void> {
	const saved = await openSnapshot(sourceOf(flags), flags);
	if (saved) return explained(saved.source, () => act(saved));
	return withMachine(
		flags,
		(machine) =>
			act({
				machine,
				source: machine.source,
				qemu: savedQemu(machine.version),
				time: new Date().toISOString(),
			}),
		options,
	);
}

/**
 * Undefined where a source is no snapshot.
 *
 * @throws SnapshotError
 */
async function openSnapshot(
	source: string,
	{ unsorted }: MachineFlags,
): Promise<OpenedSource | undefined> {
	const { snapshotFileOf, readSnapshotFile } = await import(
		"../qom/snapshot/file.ts"
	);
	const file = await snapshotFileOf(source);
	if (file === undefined) {
		if (/\.json(\.gz)?$/.test(source) && !existsSync(source))
			throw new SnapshotError(`${source}: no such file`);
		return undefined;
	}
	const { SnapshotSource } = await import("../qom/snapshot/source.ts");
	const snapshot = await readSnapshotFile(file);
	const { qemu, time } = snapshot;
	const saved = new SnapshotSource(snapshot);
	return { source: unsorted ? saved : new OrderedSource(saved), qemu, time };
}

function savedQemu(version: QemuVersion | undefined): SavedQemu | undefined {
	return (
		version && { version: formatVersion(version), package: version.package }
	);
}

/** Names that are not known are told with the nearest ones. */
async function explained(
	source: QomSource,
	act: () => Promise<void>,
): Promise<void> {
	try {
		await act();
	} catch (error) {
		const { withNearest } = await import("./nearestObjects.ts");
		const explain = (each: unknown) =>
			each instanceof QomError ? withNearest(source, each) : each;
		if (!(error instanceof AggregateError)) throw await explain(error);
		throw new AggregateError(await Promise.all(error.errors.map(explain)));
	}
}

async function share(machine: Machine) {
	const { shareMonitor } = await import("./sharedMonitor.ts");
	return shareMonitor(machine);
}

/** For commands that need QMP but no objects. */
export const withoutObjects: MachineOptions = { hasObjects: false };

/** For commands that go on for long, which must not keep the monitor from others. */
export const lasting: MachineOptions = { ownMonitor: true };

const completionTimeoutMs = 1000;

/** Asks for words to complete. The answer is empty if there is no machine, or it fails. */
export function askForWords(
	source: string | undefined,
	question: (source: QomSource) => Promise<readonly string[]>,
): Promise<readonly string[]> {
	return asked(source, async (source) => {
		const saved = await openSnapshot(source, { unsorted: true });
		return saved
			? question(saved.source)
			: askMachine(source, (machine) => question(machine.source));
	});
}

/** The same where QMP is needed. */
export function askMachineForWords(
	source: string | undefined,
	question: (machine: Machine) => Promise<readonly string[]>,
): Promise<readonly string[]> {
	return asked(source, (source) => askMachine(source, question));
}

async function asked(
	source: string | undefined,
	ask: (source: string) => Promise<readonly string[]>,
): Promise<readonly string[]> {
	if (!source) return [];
	try {
		return await ask(source);
	} catch (error) {
		log.cli("%O", error);
		return [];
	}
}

async function askMachine(
	source: string,
	question: (machine: Machine) => Promise<readonly string[]>,
): Promise<readonly string[]> {
	await using machine = await connected(await reachableAddress(source), {
		connectTimeoutMs: completionTimeoutMs,
		timeoutMs: completionTimeoutMs,
	});
	return await question(machine); // before it is closed
}

/**
 * The flags of a command that takes its source as an argument, too.
 *
 * @throws UsageError both are given
 */
export function oneSource<Flags extends MachineFlags>(
	source: string | undefined,
	flags: Flags,
	isTyped: (option: string) => boolean,
): Flags {
	if (source === undefined) return flags;
	if (isTyped("socket"))
		throw new UsageError(
			`two sources: ${source} and -s ${flags.socket}; give one`,
		);
	return { ...flags, socket: source };
}

/** @throws UsageError no monitor is named */
export function sourceOf({ socket }: MachineFlags): string {
	if (!socket)
		throw new UsageError(
			"no monitor is named; give -s SOCKET, or set QMP_SOCKET",
		);
	return socket;
}
