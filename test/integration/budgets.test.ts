/**
 * What the everyday commands may cost, in QMP commands, counted between qomfs and QEMU.
 * Every one of them holds up the machine a little, so the figures are exact. From QEMU
 * 10.1 on, one command brings whole objects with their values.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { typicalMachine } from "../../tools/virtualMachine.ts";
import {
	CountingProxy,
	type ProxiedRequest,
} from "../support/countingProxy.ts";
import {
	lacksMount,
	type Mounted,
	mountQomfs,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";
import { RawQmp, type WalkedProperty, walk } from "../support/rawQmp.ts";

const valueTimeoutSec = 2;

/** Long enough for a machine that has other things to do now and then; on the monitor that is watched. */
const patient = `own_monitor=no,cache_timeout=60,value_timeout=${valueTimeoutSec}`;
const noPrefetching = "own_monitor=no,cache_timeout=60,value_timeout=0";

/** A directory with files and links, and those that are listed on the way to it. */
const directory = "machine/peripheral/rng0";

const isChild = ({ type }: WalkedProperty) => type.startsWith("child<");

describe.skipIf(lacksMount)("QMP commands for", () => {
	let vm: TestMachine;
	let qmp: RawQmp;
	let proxy: CountingProxy;
	let proxySocket: string;
	let properties: WalkedProperty[];
	/** Whether QEMU gives whole objects. */
	let bulk: boolean;
	let version: string;
	const rows: { what: string; commands: string; budget: string }[] = [];

	beforeAll(async () => {
		vm = await startTestMachine([...typicalMachine, "-S"]);
		qmp = await RawQmp.connect(vm.secondSocket);
		const { qemu } = await qmp.execute("query-version");
		bulk = qemu.major > 10 || (qemu.major === 10 && qemu.minor >= 1);
		version = `${qemu.major}.${qemu.minor}`;
		properties = await walk(qmp);
		proxySocket = join(vm.directory, "proxy.sock");
		proxy = await CountingProxy.listen(proxySocket, vm.socket);
	});

	afterAll(async () => {
		const [width = 0] = rows
			.map(({ what }) => what.length)
			.sort((a, b) => b - a);
		const lines = rows.map(
			({ what, commands, budget }) =>
				`${what.padEnd(width)}  ${commands.padStart(6)}  (budget ${budget})`,
		);
		console.log([`QMP commands, QEMU ${version}:`, ...lines].join("\n"));
		await proxy?.close();
		qmp?.close();
		await vm?.stop();
	});

	const objects = () => 1 + properties.filter(isChild).length;
	const values = () => properties.filter((property) => !isChild(property));
	/** From the root down; that of a machine with only a root would be 1. */
	const levels = () =>
		1 +
		Math.max(
			...properties
				.filter(isChild)
				.map(({ object }) => (object === "/" ? 1 : object.split("/").length)),
		);
	const valuesIn = (path: string) =>
		values().filter(({ object }) => object === `/${path}`).length;

	/** A mount that nobody has looked at yet. */
	async function onMount(
		act: (mounted: Mounted) => Promise<void>,
		options = patient,
	): Promise<void> {
		const mounted = await mountQomfs(proxySocket, options);
		try {
			await act(mounted);
		} finally {
			await mounted.unmount();
		}
	}

	/** Runs a line that has to work, and notes what it asks QEMU. */
	async function asked(
		{ sh }: Mounted,
		line: string,
	): Promise<ProxiedRequest[]> {
		return proxy.during(async () => {
			const { status, stderr } = await sh(line);
			expect([line, status, stderr]).toEqual([line, 0, ""]);
		});
	}

	/** By name: names are looked up, and nothing is read. */
	async function visit(mounted: Mounted, path: string): Promise<void> {
		await asked(mounted, `stat "$M/${path}" > /dev/null`);
	}

	function check(
		what: string,
		requests: readonly ProxiedRequest[],
		[least, most]: readonly [least: number, most: number],
	): void {
		const count = requests.length;
		const budget = least === most ? `${most}` : `<= ${most}`;
		rows.push({ what, commands: `${count}`, budget });
		const names = requests.map(({ command, args }) =>
			`${command} ${args.path ?? ""} ${args.property ?? ""}`.trim(),
		);
		const shown = [what, count, names.slice(0, 20)];
		expect(count, JSON.stringify(shown)).toBeGreaterThanOrEqual(least);
		expect(count, JSON.stringify(shown)).toBeLessThanOrEqual(most);
	}

	const exactly = (count: number) => [count, count] as const;
	const upTo = (count: number) => [0, count] as const;

	it("a mount", async () => {
		const start = proxy.count();
		await onMount(async () => {
			check("mount", proxy.requests.slice(start), upTo(4));
		});
	});

	it("ls", async () => {
		await onMount(async (mounted) => {
			await visit(mounted, directory);
			const list = `ls "$M/${directory}" > /dev/null`;
			check("ls, cold", await asked(mounted, list), exactly(1));
			check("ls, warm", await asked(mounted, list), exactly(0));
		});
	});

	it("cat", async () => {
		await onMount(async (mounted) => {
			await asked(mounted, `ls "$M/${directory}" > /dev/null`);
			const cat = `cat "$M/${directory}/max-bytes" > /dev/null`;
			const first = bulk ? upTo(1) : exactly(1);
			check("cat, listed", await asked(mounted, cat), first);
			check("cat, at once again", await asked(mounted, cat), exactly(1));
			await sleep(valueTimeoutSec * 1000 + 100); // until value_timeout is over
			check("cat, after a pause", await asked(mounted, cat), exactly(1));
		});
	});

	it("cat without prefetching", async () => {
		await onMount(async (mounted) => {
			await asked(mounted, `ls "$M/${directory}" > /dev/null`);
			const cat = `cat "$M/${directory}/max-bytes" > /dev/null`;
			check("cat, value_timeout=0", await asked(mounted, cat), exactly(1));
		}, noPrefetching);
	});

	it("echo into a property", async () => {
		await onMount(async (mounted) => {
			await asked(mounted, `ls "$M/objects/io0" > /dev/null`);
			const echo = `echo 1000 > "$M/objects/io0/poll-max-ns"`;
			const requests = await asked(mounted, echo);
			check("echo", requests, upTo(2));
			expect(requests.filter((r) => r.command === "qom-set")).toHaveLength(1);
		});
	});

	it.each(["ls -l", "ls --color=always", "ls -l --color=always"])(
		"%s",
		async (ls) => {
			await onMount(async (mounted) => {
				await visit(mounted, directory);
				// With colours it follows the links as well: to what is listed already.
				for (const target of await linkTargets()) await visit(mounted, target);
				const n = valuesIn(directory);
				expect(n).toBeGreaterThan(20);
				const line = `${ls} "$M/${directory}" > /dev/null`;
				check(
					`${ls}, cold, n=${n}`,
					await asked(mounted, line),
					// Without -l or colours for what is missing, it leaves the links alone.
					bulk || ls.includes("-l") ? exactly(bulk ? 1 : 1 + n) : upTo(1 + n),
				);
				check(`${ls}, warm`, await asked(mounted, line), exactly(0));
			});
		},
	);

	/** Where the links of `directory` lead, out of it. */
	async function linkTargets(): Promise<string[]> {
		const links = properties.filter(
			({ object, type }) =>
				object === `/${directory}` && type.startsWith("link<"),
		);
		expect(links.length).toBeGreaterThan(0);
		const targets: string[] = [];
		for (const { object: path, name: property } of links)
			targets.push((await qmp.execute("qom-get", { path, property })).slice(1));
		return targets.filter(
			(target) => target !== "" && !target.startsWith(`${directory}/`),
		);
	}

	it("find", async () => {
		await onMount(async (mounted) => {
			const [k, d] = [objects(), levels()];
			expect(k).toBeGreaterThan(300);
			const find = 'find "$M" > /dev/null';
			const most = bulk ? 6 * d + 8 : k + 4;
			check(
				`find, cold, k=${k} d=${d}`,
				await asked(mounted, find),
				upTo(most),
			);
			check("find, warm", await asked(mounted, find), exactly(0));
			if (!bulk) return; // there, a sweep for sizes takes longer than they are kept
			const sizes = 'find "$M" -size +1000 > /dev/null';
			await asked(mounted, sizes);
			check("find -size, warm", await asked(mounted, sizes), exactly(0));
		});
	});

	it("grep -r", async () => {
		await onMount(async (mounted) => {
			const [k, n] = [objects(), values().length];
			expect(n).toBeGreaterThan(3000);
			// Some properties cannot be read, and grep says so.
			const grep = 'grep -r . "$M" > /dev/null 2>&1; true';
			check(
				`grep -r, cold, k=${k} n=${n}`,
				await asked(mounted, grep),
				upTo(bulk ? k + 4 : k + n + 4),
			);
			check(
				"grep -r, again",
				await asked(mounted, grep),
				upTo(bulk ? k + 4 : n + 4),
			);
		});
	});

	it("whole objects: none with value_timeout=0, but for the question whether there are", async () => {
		const start = proxy.count();
		await onMount(async (mounted) => {
			await asked(
				mounted,
				`cd "$M/machine/peripheral" && ls -l . rng0 rng0/* > /dev/null &&
				 find . > /dev/null && cat rng0/max-bytes rng0/period > /dev/null`,
			);
			await asked(
				mounted,
				'grep -r . "$M/machine/peripheral" > /dev/null 2>&1; true',
			);
		}, noPrefetching);
		const bulkRequests = proxy.requests
			.slice(start)
			.filter(({ command }) => command === "qom-list-get");
		expect(bulkRequests.map(({ args }) => args)).toEqual([{ paths: [] }]);
	});
});
