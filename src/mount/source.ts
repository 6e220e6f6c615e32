/** What a mount shows: the monitor of a machine, a snapshot in a file, or several of both. */
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { UsageError } from "../errors.ts";
import { findMount, mountType } from "../fuse/mountTable.ts";
import { type Address, absoluteAddress, parseAddress } from "../qmp/address.ts";
import {
	isLibvirtUri,
	parseLibvirtUri,
} from "../qmp/libvirt/libvirtAddress.ts";
import {
	isSshDirectory,
	parseSshPlace,
	type SshPlace,
} from "../qmp/ssh/sshAddress.ts";
import { isFileName } from "../qom/path.ts";
import { snapshotFileOf } from "../qom/snapshot/file.ts";
import { addressOfMount } from "../share/place.ts";
import { controlName } from "../vfs/control/controlDirectory.ts";

/** A file that a machine was saved in. */
export interface SnapshotFile {
	readonly kind: "snapshot";
	/** Absolute: the daemon changes its directory. */
	readonly path: string;
}

/** What a directory of a mount of several machines shows. */
export type MachineSource = Address | SnapshotFile;

/** Several, each below a name of its own. */
export interface NamedSources {
	readonly kind: "named";
	readonly sources: ReadonlyMap<string, MachineSource>;
}

/** Monitors that come and go: those in a directory, or the domains of libvirt. */
export type ManyMonitors =
	| {
			readonly kind: "directory";
			/** Absolute. */
			readonly path: string;
	  }
	| { readonly kind: "far directory"; readonly place: SshPlace }
	| { readonly kind: "domains"; readonly uri: string };

export type MountSource = MachineSource | NamedSources | ManyMonitors;

/**
 * Reads what a user has written to be mounted: one source, or `NAME=SOURCE` of several.
 *
 * @throws AddressError; UsageError
 */
export async function parseSources(
	texts: readonly string[],
): Promise<MountSource> {
	const [only = "", ...others] = texts;
	const isNamed = others.length > 0 || isNamedSource(only);
	if (!isNamed) return (await manyMonitors(only)) ?? parseSource(only);
	const sources = new Map<string, MachineSource>();
	for (const text of texts) {
		const [, name, source] = /^([^=/]+)=(.+)$/s.exec(text) ?? [];
		if (name === undefined || source === undefined)
			throw new UsageError(
				`${text}: write NAME=SOURCE for each of several machines`,
			);
		if (!isFileName(name) || name === controlName)
			throw new UsageError(`'${name}' cannot be the name of a directory here`);
		if (sources.has(name))
			throw new UsageError(`two machines are called '${name}'`);
		sources.set(name, await parseSource(source));
	}
	return { kind: "named", sources };
}

/** Unless there is a file of that name. */
function isNamedSource(text: string): boolean {
	return /^[^=/:]+=./s.test(text) && !existsSync(text);
}

/** Undefined where a source is one machine; a directory that qomfs is mounted on is that, too. */
async function manyMonitors(text: string): Promise<ManyMonitors | undefined> {
	if (isSshDirectory(text))
		return { kind: "far directory", place: parseSshPlace(text) };
	if (isLibvirtUri(text)) {
		const { uri, domain } = parseLibvirtUri(text);
		return domain === undefined ? { kind: "domains", uri } : undefined;
	}
	const stats = await stat(text).catch(() => undefined);
	if (!stats?.isDirectory()) return undefined;
	const path = resolve(text);
	return findMount(path)?.type === mountType
		? undefined
		: { kind: "directory", path };
}

/** @throws AddressError */
async function parseSource(text: string): Promise<MachineSource> {
	const ofMount = await addressOfMount(text);
	if (ofMount) return ofMount;
	const file = await snapshotFileOf(text);
	return file !== undefined
		? { kind: "snapshot", path: resolve(file) }
		: absoluteAddress(parseAddress(text));
}
