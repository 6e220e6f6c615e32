/** `-o` options. Their names are those of mount.fuse3(8) and sshfs(1), and a few of our own. */
import { UsageError } from "../errors.ts";
import { backendNames } from "../fuse/backend.ts";
import { defaultMountSettings, type MountSettings } from "../mount/settings.ts";
import { didYouMean } from "../nearest.ts";
import type { HelpEntry } from "./command.ts";

interface Definition {
	readonly help: string;
	/** The name of its value. Without it the option is a switch. */
	readonly value?: string;
	/** What it sets. */
	readonly read: (value: string, name: string) => Partial<MountSettings>;
}

function definition(
	help: string,
	read: Definition["read"],
	value?: string,
): Definition {
	return { help, read, ...(value && { value }) };
}

const definitions = new Map<string, Definition>(
	Object.entries({
		ro: definition("read-only", () => ({ readOnly: true })),
		unsafe_writes: definition(
			"allow writes that can crash the machine or cut the session",
			() => ({ unsafeWrites: true }),
		),
		unsafe_reads: definition("read even what is known to end QEMU", () => ({
			unsafeReads: true,
		})),
		introspect: definition(
			"list the properties of every type in .qomfs/types, so that whoever reads all of it has each type described",
			() => ({ introspects: true }),
		),
		hide_unreadable: definition(
			"leave out of listings what cannot be read",
			() => ({ hideUnreadable: true }),
		),
		allow_other: definition(
			"allow other users, by permissions (needs user_allow_other in /etc/fuse.conf)",
			() => ({ allowOther: true, defaultPermissions: true }),
		),
		allow_root: definition(
			"allow root (needs user_allow_other in /etc/fuse.conf)",
			() => ({ allowRoot: true }),
		),
		default_permissions: definition("let the kernel check permissions", () => ({
			defaultPermissions: true,
		})),
		auto_unmount: definition(
			"unmount when the daemon dies (it does so in any case)",
			() => ({}),
		),
		reconnect: definition("when QEMU goes away, wait for it (default)", () => ({
			reconnect: true,
		})),
		no_reconnect: definition(
			"when QEMU goes away, unmount and exit with status 1",
			() => ({ reconnect: false }),
		),
		delay_connect: definition(
			"mount at once, and connect when QEMU is there",
			() => ({ delayConnect: true }),
		),
		uid: definition(
			"owner of everything (default: you)",
			(value, name) => ({ uid: wholeNumber(name, value, /^\d+$/, 10) }),
			"N",
		),
		gid: definition(
			"group of everything (default: yours)",
			(value, name) => ({ gid: wholeNumber(name, value, /^\d+$/, 10) }),
			"N",
		),
		umask: definition(
			"permission bits to take away, octal",
			(value, name) => ({ umask: wholeNumber(name, value, /^[0-7]{1,4}$/, 8) }),
			"MODE",
		),
		fsname: definition(
			"source shown by findmnt (default: SOURCE)",
			(fsname) => ({ fsname }),
			"NAME",
		),
		cache_timeout: definition(
			"how old a listing may be (default 1)",
			(value, name) => ({ cacheTimeoutSec: seconds(name, value) }),
			"SEC",
		),
		value_timeout: definition(
			"how long a value fetched for a size waits for its open (default 0.1)",
			(value, name) => ({ valueTimeoutSec: seconds(name, value) }),
			"SEC",
		),
		timeout: definition(
			"how long QEMU may take for one command (default 10)",
			(value, name) => ({ timeoutSec: positiveSeconds(name, value) }),
			"SEC",
		),
		connect_timeout: definition(
			"how long connecting may take (default 3)",
			(value, name) => ({ connectTimeoutSec: positiveSeconds(name, value) }),
			"SEC",
		),
		backend: definition(
			`how to speak to the kernel: ${backendNames.join(" or ")} (default kernel)`,
			(value, name) => ({ backend: oneOf(backendNames, name, value) }),
			"NAME",
		),
		own_monitor: definition(
			"auto: where QEMU can have one more monitor, use that and leave yours free; no: keep yours (default auto)",
			(value, name) => ({
				ownMonitor: oneOf(["auto", "no"], name, value) === "auto",
			}),
			"HOW",
		),
		share: definition(
			"what other clients of the monitor may do: rw, ro (read) or no (default rw)",
			(value, name) => ({ share: oneOf(["rw", "ro", "no"], name, value) }),
			"WHAT",
		),
	}),
);

/** Every option as it is written: `ro`, `uid=`. */
export const mountOptionNames: readonly string[] = [...definitions].map(
	([name, { value }]) => (value ? `${name}=` : name),
);

/** Options that mount(8) and fstab(5) add on their own, for other programs. */
const ignored =
	/^(rw|(no)?(dev|suid|exec|auto|fail|user|diratime|lazytime|iversion|mand)|_netdev|users|owner|group|async|sync|dirsync|silent|loud|nosymfollow|(no|rel|strict)?atime|defaults|(x-|X-).*|(comment|user|uhelper|helper)=.*)$/;

/**
 * Reads the text after `-o`.
 *
 * @throws UsageError an unknown option (with the nearest known one) or a bad value
 */
export function parseMountOptions(text: string): MountSettings {
	const options = defaultMountSettings();
	for (const item of text.split(",").filter((item) => item !== "")) {
		const [name = "", ...rest] = item.split("=");
		const definition = definitions.get(name);
		if (definition) applyOption(options, name, definition, rest);
		else if (!ignored.test(item)) throw unknownOption(name);
	}
	if (options.allowOther && options.allowRoot)
		throw new UsageError(
			"-o allow_other and allow_root exclude each other; allow_other includes root",
		);
	return options;
}

/** Every option with what it means, for --help. */
export const mountOptionsHelp: readonly HelpEntry[] = [...definitions].map(
	([name, { value, help }]) => ({
		term: value ? `${name}=${value}` : name,
		meaning: help,
	}),
);

function applyOption(
	options: MountSettings,
	name: string,
	definition: Definition,
	rest: readonly string[],
): void {
	if (definition.value && rest.join("") === "")
		throw new UsageError(
			`-o ${name} needs a value: ${name}=${definition.value}`,
		);
	if (!definition.value && rest.length > 0)
		throw new UsageError(`-o ${name} takes no value`);
	Object.assign(options, definition.read(rest.join("="), name));
}

function unknownOption(name: string): UsageError {
	const hint =
		didYouMean(name, definitions.keys()) ?? "'qomfs mount --help' lists them";
	return new UsageError(`unknown option -o ${name}; ${hint}`);
}

function wholeNumber(
	name: string,
	value: string,
	form: RegExp,
	radix: number,
): number {
	const number = Number.parseInt(value, radix);
	if (!form.test(value) || number >= 2 ** 32 - 1)
		throw new UsageError(
			`-o ${name}=${value}: not ${radix === 8 ? "an octal" : "a whole"} number`,
		);
	return number;
}

/** A day. Timers cannot be much longer. */
const maxSeconds = 86_400;

function seconds(name: string, value: string): number {
	const number = /^\d*\.?\d+$/.test(value) ? Number(value) : Number.NaN;
	if (!(number <= maxSeconds))
		throw new UsageError(
			`-o ${name}=${value}: not a number of seconds (0 to ${maxSeconds})`,
		);
	return number;
}

function oneOf<Choice extends string>(
	choices: readonly Choice[],
	name: string,
	value: string,
): Choice {
	const found = choices.find((known) => known === value);
	if (found) return found;
	throw new UsageError(
		`-o ${name}=${value}: it must be ${choices.join(" or ")}; ${didYouMean(value, choices) ?? "'qomfs mount --help' tells what they mean"}`,
	);
}

function positiveSeconds(name: string, value: string): number {
	const number = seconds(name, value);
	if (number === 0) throw new UsageError(`-o ${name}=0: must be more than 0`);
	return number;
}
