/** Descriptions of types on disk, a directory for each build of QEMU and a file for each type. */
import { createHash, randomBytes } from "node:crypto";
import {
	mkdir,
	readdir,
	readFile,
	rename,
	rm,
	stat,
	writeFile,
} from "node:fs/promises";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { formatJson, isObject, parseJson } from "../../json.ts";
import { log } from "../../log.ts";
import { formatVersion, type QemuVersion } from "../../qmp/messages.ts";
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
		if (await mkdir(directory, { recursive: true, mode: 0o700 }))
			await removeOldest(all);
	} catch (error) {
		log.cli("nothing is kept in %s: %s", directory, error);
	}
	const fileOf = (type: string) =>
		join(directory, `${encodeURIComponent(type)}.json`);
	return {
		async read(type) {
			try {
				return readKept(await readFile(fileOf(type), "utf8"));
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

async function removeOldest(all: string): Promise<void> {
	const builds = await Promise.all(
		(await readdir(all)).map(async (name) => {
			const path = join(all, name);
			return { path, mtimeMs: (await stat(path)).mtimeMs };
		}),
	);
	const old = builds.sort((a, b) => b.mtimeMs - a.mtimeMs).slice(mostBuilds);
	for (const { path } of old) await rm(path, { recursive: true, force: true });
}
