/** Descriptions of types on disk, a directory for each build of QEMU and a file for each type. */
import { createHash, randomBytes } from "node:crypto";
import { constants } from "node:fs";
import {
	lstat,
	mkdir,
	open,
	readdir,
	rename,
	rm,
	writeFile,
} from "node:fs/promises";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { formatJson, isObject, parseJson } from "../../json.ts";
import { log } from "../../log.ts";
import { formatVersion, type QemuVersion } from "../../qmp/messages.ts";
import { changeableBy } from "../../qmp/privateDirectory.ts";
import { readDescriptionsOf } from "../../qom/snapshot/snapshot.ts";
import { descriptionsJson } from "../../qom/snapshot/take.ts";
import type { TypeDescription } from "../../qom/source.ts";

/** Raised when the files are written in another way. */
const format = 1;

/** Of as many builds they are kept; each takes some 2 MB. */
const mostBuilds = 8;

/** Why there is no description for now. It may be another time, so it is not kept. */
export const noAnswer = "QEMU does not answer";

export interface KeptDescriptions {
	read(type: string): Promise<TypeDescription | undefined>;
	write(type: string, described: TypeDescription): Promise<void>;
}

/** Those of a build. Where nothing can be kept, nothing is. */
export async function keptDescriptions(
	build: string,
	version: QemuVersion,
): Promise<KeptDescriptions> {
	const all = typesDirectory();
	const name = createHash("sha256")
		.update([format, build, formatVersion(version), version.package].join(" "))
		.digest("hex")
		.slice(0, 32);
	const directory = join(all, name);
	try {
		const isNew = await mkdir(directory, { recursive: true, mode: 0o700 });
		const part = await changeableBy(directory);
		if (part !== undefined) throw new Error(`others may write to ${part}`);
		if (isNew) await removeOldest(all);
	} catch (error) {
		log.cli("nothing is kept in %s: %s", directory, error);
		return { read: async () => undefined, write: async () => {} };
	}
	const fileOf = (type: string) =>
		join(directory, `${encodeURIComponent(type)}.json`);
	return {
		async read(type) {
			try {
				return readKept(await textOf(fileOf(type)));
			} catch {
				return undefined; // it was not kept, or is damaged
			}
		},
		async write(type, { properties, refusal }) {
			if (refusal === noAnswer) return;
			const text = formatJson({
				properties: descriptionsJson(properties),
				...(refusal !== undefined && { refusal }),
			});
			const file = fileOf(type);
			const whole = `${file}.${randomBytes(6).toString("hex")}`;
			try {
				await writeFile(whole, text, { mode: 0o600, flag: "wx" });
				await rename(whole, file);
			} catch (error) {
				log.cli("%s", error);
				await rm(whole, { force: true }).catch(() => {});
			}
		},
	};
}

function typesDirectory(): string {
	const { XDG_CACHE_HOME: cache = "" } = process.env;
	return join(
		isAbsolute(cache) ? cache : join(homedir(), ".cache"),
		"qomfs/types",
	);
}

function readKept(text: string): TypeDescription | undefined {
	const kept = parseJson(text);
	if (!isObject(kept) || kept.properties === undefined) return undefined;
	const { refusal } = kept;
	return {
		properties: readDescriptionsOf(kept.properties, "properties"),
		...(typeof refusal === "string" && { refusal }),
	};
}

/** The longest that was seen has 60 kB. */
const mostBytes = 4 * 1024 * 1024;

/** @throws Error it is no file of ours */
async function textOf(file: string): Promise<string> {
	const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
	const handle = await open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	try {
		const stats = await handle.stat();
		if (!stats.isFile() || stats.size > mostBytes)
			throw new Error("no description");
		return await handle.readFile("utf8");
	} finally {
		await handle.close();
	}
}

/** Of those that are ours, by their names. */
async function removeOldest(all: string): Promise<void> {
	const names = (await readdir(all)).filter((name) =>
		/^[0-9a-f]{32}$/.test(name),
	);
	const builds = await Promise.all(
		names.map(async (name) => {
			const path = join(all, name);
			return { path, stats: await lstat(path) };
		}),
	);
	const old = builds
		.filter(({ stats }) => stats.isDirectory())
		.sort((a, b) => b.stats.mtimeMs - a.stats.mtimeMs)
		.slice(mostBuilds);
	for (const { path } of old) await rm(path, { recursive: true, force: true });
}
