/** `mount.qomfs` and `mount.fuse.qomfs`: what mount(8) runs for `mount -t qomfs`, and for fstab(5). */
import { resolve } from "node:path";
import { parseAddress } from "../../qmp/address.ts";
import type { CommandDefinition } from "../command.ts";
import { parseMountOptions } from "../mountOptions.ts";
import { collect } from "../options.ts";
import { runMount } from "./mount.ts";

interface HelperFlags {
	readonly f?: true;
	readonly s?: true;
	readonly o?: readonly string[];
}

/** As mount(8) calls it: `mount.TYPE SOURCE DIRECTORY [-sfnv] [-N NAMESPACE] [-o OPTIONS] [-t TYPE]`. */
export const command: CommandDefinition<HelperFlags> = {
	arguments: [
		{ name: "<source>", help: "as for 'qomfs mount'" },
		{ name: "<mountpoint>", help: "an empty directory" },
	],
	options: [
		{ flags: "-o <option[,option...]>", help: "mount options", parse: collect },
		{ flags: "-f", help: "mount nothing, and only check the options" },
		{ flags: "-s", help: "ignore unknown options" },
		{ flags: "-n", help: "accepted; there is no mtab any more" },
		{ flags: "-v", help: "accepted" },
		{ flags: "-N <namespace>", help: "accepted; mount(8) is in it already" },
		{ flags: "-t <type>", help: "accepted" },
	],
	async run([source = "", mountpoint = ""], { o = [], f, s }) {
		const known = s ? [knownOptions(o)] : o;
		const settings = parseMountOptions(known.join(","));
		if (f) {
			parseAddress(source);
			return;
		}
		// fstab(5) is compared with the table of mounts by this name.
		const name = settings.fsname ?? source;
		await runMount([source], resolve(mountpoint), {
			o: [...known, `fsname=${name.replaceAll(",", "?")}`],
		});
	},
};

function knownOptions(texts: readonly string[]): string {
	const isKnown = (option: string) => {
		try {
			parseMountOptions(option);
			return true;
		} catch {
			return false;
		}
	};
	return texts
		.flatMap((text) => text.split(","))
		.filter(isKnown)
		.join(",");
}
