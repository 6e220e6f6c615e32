import { describe, expect, it } from "vitest";
import {
	mountOptionsHelp,
	parseMountOptions,
} from "../../src/cli/mountOptions.ts";
import { UsageError } from "../../src/errors.ts";
import type { MountSettings } from "../../src/mount/settings.ts";

const defaults = parseMountOptions("");

describe("mount options", () => {
	it("have defaults", () => {
		expect(defaults).toStrictEqual({
			allowOther: false,
			allowRoot: false,
			backend: "kernel",
			defaultPermissions: false,
			reconnect: true,
			delayConnect: false,
			readOnly: false,
			unsafeWrites: false,
			unsafeReads: false,
			hideUnreadable: false,
			introspects: false,
			uid: process.getuid?.(),
			gid: process.getgid?.(),
			umask: 0,
			fsname: undefined,
			ownMonitor: true,
			share: "rw",
			cacheTimeoutSec: 1,
			valueTimeoutSec: 0.1,
			timeoutSec: 10,
			connectTimeoutSec: 3,
		});
	});

	it.each<[string, Partial<MountSettings>]>([
		["ro", { readOnly: true }],
		["allow_other", { allowOther: true, defaultPermissions: true }],
		["allow_root", { allowRoot: true }],
		["own_monitor=no", { ownMonitor: false }],
		["own_monitor=auto", { ownMonitor: true }],
		["default_permissions", { defaultPermissions: true }],
		["auto_unmount", {}],
		["unsafe_reads", { unsafeReads: true }],
		["hide_unreadable", { hideUnreadable: true }],
		["introspect", { introspects: true }],
		["no_reconnect", { reconnect: false }],
		["no_reconnect,reconnect", { reconnect: true }],
		["delay_connect", { delayConnect: true }],
		["uid=0,gid=65534", { uid: 0, gid: 65534 }],
		["umask=022", { umask: 0o022 }],
		["umask=7", { umask: 7 }],
		["fsname=my vm=1", { fsname: "my vm=1" }],
		["cache_timeout=0", { cacheTimeoutSec: 0 }],
		["value_timeout=.25", { valueTimeoutSec: 0.25 }],
		["timeout=86400", { timeoutSec: 86_400 }],
		["connect_timeout=0.5", { connectTimeoutSec: 0.5 }],
		["timeout=1,timeout=2", { timeoutSec: 2 }],
		[",ro,,umask=077,", { readOnly: true, umask: 0o077 }],
	])("read -o %s", (text, changed) => {
		expect(parseMountOptions(text)).toStrictEqual({ ...defaults, ...changed });
	});

	it("leave alone what mount(8) and fstab(5) add", () => {
		expect(
			parseMountOptions(
				"rw,nosuid,nodev,noexec,noauto,nofail,_netdev,user,relatime,noatime,defaults,x-systemd.automount,comment=vm",
			),
		).toStrictEqual(defaults);
	});

	it.each([
		["allow_othr", /did you mean 'allow_other'\?/],
		["cache_timout=1", /did you mean 'cache_timeout'\?/],
		["r0", /did you mean 'ro'\?/],
		["frobnicate", /unknown option -o frobnicate; .*--help/],
		["constructor", /unknown option/],
		["RO", /unknown option/],
		["x", /unknown option/],
	])("refuse the unknown -o %s, and help", (text, message) => {
		expect(() => parseMountOptions(text)).toThrow(UsageError);
		expect(() => parseMountOptions(text)).toThrow(message);
	});

	it.each([
		["uid", /needs a value: uid=N/],
		["ro=1", /takes no value/],
		["uid=", /needs a value/],
		["uid=-1", /whole number/],
		["uid=root", /whole number/],
		["gid=1.5", /whole number/],
		["gid=4294967296", /whole number/],
		["umask=8", /octal/],
		["umask=00022", /octal/],
		["cache_timeout=", /needs a value/],
		["cache_timeout=1s", /seconds/],
		["cache_timeout=1e3", /seconds/],
		["cache_timeout=-1", /seconds/],
		["cache_timeout=NaN", /seconds/],
		["cache_timeout=86401", /seconds/],
		["timeout=0", /more than 0/],
		["connect_timeout=0.0", /more than 0/],
		["allow_other,allow_root", /exclude each other/],
	])("refuse -o %s", (text, message) => {
		expect(() => parseMountOptions(text)).toThrow(UsageError);
		expect(() => parseMountOptions(text)).toThrow(message);
	});

	it("are all in the help, each with its meaning, and nothing else is", () => {
		const names = mountOptionsHelp.map(({ term, meaning }) => {
			expect(meaning).toMatch(/^\S.*\S$/);
			return /^([a-z_]+)(?:=[A-Z]+)?$/.exec(term)?.[1];
		});
		expect(names).toHaveLength(23);
		for (const name of names)
			expect(() => parseMountOptions(`${name}=x`)).not.toThrow(
				/unknown option/,
			);
	});
});
