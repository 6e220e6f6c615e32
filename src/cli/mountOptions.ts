/** `-o` options: names after mount.fuse3(8) and sshfs(1), a few of our own. */
import { closest, distance } from "fastest-levenshtein";
import { UsageError } from "../errors.ts";

export interface ParsedMountOptions {
	allowOther: boolean;
	allowRoot: boolean;
	defaultPermissions: boolean;
	reconnect: boolean;
	delayConnect: boolean;
	readOnly: boolean;
	unsafeWrites: boolean;
	uid: number;
	gid: number;
	umask: number;
	/** Undefined: the source's address. */
	fsname: string | undefined;
	cacheTimeoutSec: number;
	valueTimeoutSec: number;
	timeoutSec: number;
	connectTimeoutSec: number;
}

function defaults(): ParsedMountOptions {
	return {
		allowOther: false,
		allowRoot: false,
		defaultPermissions: false,
		reconnect: true,
		delayConnect: false,
		readOnly: false,
		unsafeWrites: false,
		uid: process.getuid?.() ?? 0,
		gid: process.getgid?.() ?? 0,
		umask: 0,
		fsname: undefined,
		cacheTimeoutSec: 1,
		valueTimeoutSec: 0.1,
		timeoutSec: 10,
		connectTimeoutSec: 3,
	};
}

interface Definition {
	readonly help: string;
	/** The name of its value; without one it is a switch. */
	readonly value?: string;
	readonly apply: (options: ParsedMountOptions, value: string) => void;
}

const definitions: ReadonlyMap<string, Definition> = new Map<
	string,
	Definition
>([
	[
		"ro",
		{
			help: "read-only",
			apply: (options) => {
				options.readOnly = true;
			},
		},
	],
	[
		"unsafe_writes",
		{
			help: "allow writes that can crash the machine or cut the session",
			apply: (options) => {
				options.unsafeWrites = true;
			},
		},
	],
	[
		"allow_other",
		{
			help: "let other users in, by permissions (needs user_allow_other in /etc/fuse.conf)",
			apply: (options) => {
				options.allowOther = true;
				options.defaultPermissions = true;
			},
		},
	],
	[
		"allow_root",
		{
			help: "let root in (needs user_allow_other in /etc/fuse.conf)",
			apply: (options) => {
				options.allowRoot = true;
			},
		},
	],
	[
		"default_permissions",
		{
			help: "let the kernel check permissions",
			apply: (options) => {
				options.defaultPermissions = true;
			},
		},
	],
	[
		"auto_unmount",
		{
			help: "unmount when the daemon dies (it does so in any case)",
			apply: () => {},
		},
	],
	[
		"reconnect",
		{
			help: "when QEMU goes away, wait for it (default)",
			apply: (options) => {
				options.reconnect = true;
			},
		},
	],
	[
		"no_reconnect",
		{
			help: "when QEMU goes away, unmount and exit with status 1",
			apply: (options) => {
				options.reconnect = false;
			},
		},
	],
	[
		"delay_connect",
		{
			help: "mount at once, and connect when QEMU is there",
			apply: (options) => {
				options.delayConnect = true;
			},
		},
	],
	[
		"uid",
		{
			value: "N",
			help: "owner of everything (default: you)",
			apply: (options, value) => {
				options.uid = wholeNumber("uid", value, /^\d+$/, 10);
			},
		},
	],
	[
		"gid",
		{
			value: "N",
			help: "group of everything (default: yours)",
			apply: (options, value) => {
				options.gid = wholeNumber("gid", value, /^\d+$/, 10);
			},
		},
	],
	[
		"umask",
		{
			value: "MODE",
			help: "permission bits to take away, octal",
			apply: (options, value) => {
				options.umask = wholeNumber("umask", value, /^[0-7]{1,4}$/, 8);
			},
		},
	],
	[
		"fsname",
		{
			value: "NAME",
			help: "source shown by findmnt (default: SOURCE)",
			apply: (options, value) => {
				options.fsname = value;
			},
		},
	],
	[
		"cache_timeout",
		{
			value: "SEC",
			help: "how old a listing may be (default 1)",
			apply: (options, value) => {
				options.cacheTimeoutSec = seconds("cache_timeout", value);
			},
		},
	],
	[
		"value_timeout",
		{
			value: "SEC",
			help: "how long a value fetched for a size waits for its open (default 0.1)",
			apply: (options, value) => {
				options.valueTimeoutSec = seconds("value_timeout", value);
			},
		},
	],
	[
		"timeout",
		{
			value: "SEC",
			help: "how long QEMU may take for one command (default 10)",
			apply: (options, value) => {
				options.timeoutSec = positiveSeconds("timeout", value);
			},
		},
	],
	[
		"connect_timeout",
		{
			value: "SEC",
			help: "how long connecting may take (default 3)",
			apply: (options, value) => {
				options.connectTimeoutSec = positiveSeconds("connect_timeout", value);
			},
		},
	],
]);

/** What mount(8) and fstab(5) add on their own, for others to read. */
const ignored =
	/^(rw|(no)?dev|(no)?suid|(no)?exec|(no)?auto|(no)?fail|nofail|_netdev|(no)?user|users|owner|group|async|sync|(no|rel|strict)?atime|defaults|x-.*|comment=.*)$/;

/**
 * Reads the text after `-o`.
 *
 * @throws UsageError an unknown option (with the nearest known one) or a bad value
 */
export function parseMountOptions(text: string): ParsedMountOptions {
	const options = defaults();
	for (const item of text.split(",").filter((item) => item !== "")) {
		const [name = "", ...rest] = item.split("=");
		const definition = definitions.get(name);
		if (definition) applyOption(options, name, definition, rest);
		else if (!ignored.test(item)) throw unknownOption(name);
	}
	if (options.allowOther && options.allowRoot)
		throw new UsageError(
			"-o allow_other and allow_root exclude each other; allow_other lets root in as well",
		);
	return options;
}

/** One line an option, for --help. */
export function mountOptionsHelp(): string {
	const lines = [...definitions].map(([name, { value, help }]) => {
		const synopsis = value ? `${name}=${value}` : name;
		return `  ${synopsis.padEnd(20)}  ${help}`;
	});
	return lines.join("\n");
}

function applyOption(
	options: ParsedMountOptions,
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
	definition.apply(options, rest.join("="));
}

function unknownOption(name: string): UsageError {
	const nearest = closest(name, [...definitions.keys()]);
	const hint =
		distance(name, nearest) <= Math.max(2, name.length / 3)
			? `did you mean '${nearest}'?`
			: "'qomfs mount --help' lists them";
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

/** Longest time that makes sense, a day; timers cannot go far beyond it. */
const maxSeconds = 86_400;

function seconds(name: string, value: string): number {
	const number = /^\d*\.?\d+$/.test(value) ? Number(value) : Number.NaN;
	if (!(number <= maxSeconds))
		throw new UsageError(
			`-o ${name}=${value}: not a number of seconds (0 to ${maxSeconds})`,
		);
	return number;
}

function positiveSeconds(name: string, value: string): number {
	const number = seconds(name, value);
	if (number === 0) throw new UsageError(`-o ${name}=0: must be more than 0`);
	return number;
}
