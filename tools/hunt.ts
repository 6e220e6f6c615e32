/**
 * `npm run hunt [-- EMULATOR...]`: looks for reads that end QEMU. On every machine of every
 * emulator of a newer QEMU, and with every type of device that one machine of each takes, it
 * reads each property of each object by a `qom-get` of its own, and names those after which QEMU
 * was gone or hung. An hour for all emulators; what it prints stands in docs/deadly-reads.md.
 */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { childPath, RawQmp, type RawReply } from "../test/support/rawQmp.ts";
import { debianRoot } from "./debianRoot.ts";
import {
	machineDirectory,
	type Qemu,
	startVirtualMachine,
	type VirtualMachine,
} from "./virtualMachine.ts";

/** So long may a machine take: a read that hangs ends with it. */
const lifeSeconds = 180;
/** So many devices are in one machine. */
const devicesPerMachine = 12;

/** The machine that gets the devices: the first of these that an emulator has, else its default. */
const mains = ["q35", "virt", "pseries", "s390-ccw-virtio", "malta", "sun4u"];

/** What a device misses, by QEMU's complaint: options before it, options of its own. */
const remedies: readonly [RegExp, (n: number) => [string[], string]][] = [
	[
		/drive|needs? media|block device/i,
		(n) => [["-blockdev", `null-co,node-name=d${n}`], `drive=d${n}`],
	],
	[/netdev|nic/i, (n) => [["-netdev", `user,id=n${n}`], `netdev=n${n}`]],
	[/chardev/i, (n) => [["-chardev", `null,id=c${n}`], `chardev=c${n}`]],
	[
		/memdev/i,
		(n) => [
			["-object", `memory-backend-ram,id=m${n},size=16M`],
			`memdev=m${n}`,
		],
	],
	[/rng/i, (n) => [["-object", `rng-builtin,id=r${n}`], `rng=r${n}`]],
	[
		/cryptodev/i,
		(n) => [
			["-object", `cryptodev-backend-builtin,id=y${n}`],
			`cryptodev=y${n}`,
		],
	],
	[/audiodev/i, (n) => [["-audiodev", `none,id=a${n}`], `audiodev=a${n}`]],
	[
		/'?iothread'?/i,
		(n) => [["-object", `iothread,id=t${n}`], `iothread=t${n}`],
	],
	[/\bbmc\b/i, (n) => [["-device", `ipmi-bmc-sim,id=b${n}`], `bmc=b${n}`]],
	[/serial (property|number)/i, (n) => [[], `serial=s${n}`]],
	[/addr(ess)? property|i2c address/i, (n) => [[], `address=${16 + (n % 64)}`]],
	[/usb-bus/, () => [["-device", "qemu-xhci"], ""]],
	[/'?SCSI'? bus/, () => [["-device", "virtio-scsi-pci"], ""]],
	[/'virtio-serial-bus'/, () => [["-device", "virtio-serial-pci"], ""]],
	[/'HDA'/, () => [["-device", "intel-hda"], ""]],
	[/'(IDE|ide)'/, () => [["-device", "ich9-ahci"], ""]],
	[/'sd-bus'/, () => [["-device", "sdhci-pci"], ""]],
	[/'ccid-bus'/, () => [["-device", "qemu-xhci", "-device", "usb-ccid"], ""]],
	[/'PCI' bus/, () => [["-device", "pcie-pci-bridge"], ""]],
	[
		/hotpluggable|'pcie'|PCIE/i,
		(n) => [["-device", `pcie-root-port,id=p${n},chassis=${n}`], `bus=p${n}`],
	],
];

interface Recipe {
	readonly device: string;
	readonly before: readonly string[];
	readonly options: readonly string[];
}

interface Kill {
	readonly emulator: string;
	readonly machine: string;
	readonly devices: string;
	readonly read: string;
	readonly said: string;
}

let serial = 0;

/** Runs one emulator's machines. */
class Hunt {
	readonly kills: Kill[] = [];
	/** `TYPE.PROPERTY`, not to be read again. */
	readonly #deadly = new Set<string>();
	readonly #emulator: string;
	readonly #qemu: Qemu;
	machines = 0;
	started = 0;
	read = 0;

	constructor(root: string, emulator: string) {
		this.#emulator = emulator;
		this.#qemu = {
			command: [
				"timeout",
				"-s",
				"KILL",
				`${lifeSeconds}`,
				"chroot",
				root,
				emulator,
			],
			root,
		};
	}

	async run(): Promise<void> {
		const help = await this.#help("-machine", "help");
		const machines = names(help, /^(\S+) {2,}/);
		const main =
			mains.find((name) => machines.includes(name)) ??
			/^(\S+) .*\(default\)/m.exec(help)?.[1];
		await each(machines, (machine) => this.#hunt(machine, []));
		const devices =
			main === undefined
				? []
				: names(
						await this.#help("-machine", main, "-device", "help"),
						/^name "([^"]+)"/,
					);
		const recipes: Recipe[] = [];
		await each(devices, async (device) => {
			const recipe = await this.#recipe(main ?? "", device);
			if (recipe) recipes.push(recipe);
		});
		this.started = recipes.length;
		const groups: Recipe[][] = [];
		while (recipes.length > 0)
			groups.push(recipes.splice(0, devicesPerMachine));
		await each(groups, (group) => this.#hunt(main ?? "", group));
		console.log(
			`| ${this.#emulator} | ${this.machines} of ${machines.length} | ${main} | ${this.started} of ${devices.length} | ${this.read} | ${this.kills.length} |`,
		);
	}

	/** Halves the devices until they start together, and reads everything. */
	async #hunt(machine: string, recipes: readonly Recipe[]): Promise<void> {
		const args = ["-M", machine, ...recipes.flatMap(argsOf)];
		for (;;) {
			const died = await this.#withMachine(args, (vm) => this.#readAll(vm));
			if (typeof died === "string") {
				if (recipes.length > 1) {
					const half = recipes.length >> 1;
					await this.#hunt(machine, recipes.slice(0, half));
					await this.#hunt(machine, recipes.slice(half));
				}
				return;
			}
			if (recipes.length === 0) this.machines++;
			if (died.read === undefined) return;
			const devices = recipes.map(({ device }) => device).join(" ");
			const { read, said } = died;
			const kill = { emulator: this.#emulator, machine, devices, read, said };
			this.kills.push(kill);
			console.error(`${machine} ${devices}: ${read}: ${said}`);
			if (this.#deadly.has(read)) return;
			this.#deadly.add(read);
		}
	}

	/** How a device is started, if it can be. */
	async #recipe(machine: string, device: string): Promise<Recipe | undefined> {
		let recipe: Recipe = { device, before: [], options: [] };
		const used = new Set<RegExp>();
		for (;;) {
			const args = ["-M", machine, ...argsOf(recipe)];
			const said = await this.#withMachine(args, async () => ({}));
			if (typeof said !== "string") return recipe;
			const found = remedies.find(
				([pattern]) => pattern.test(said) && !used.has(pattern),
			);
			if (!found) return undefined;
			used.add(found[0]);
			const [before, option] = found[1](++serial);
			recipe = {
				device,
				before: [...recipe.before, ...before],
				options: option ? [...recipe.options, option] : recipe.options,
			};
		}
	}

	/** @returns why the machine did not start, or what was done with it */
	async #withMachine<T extends object>(
		args: readonly string[],
		act: (vm: VirtualMachine) => Promise<T>,
	): Promise<T | string> {
		const directory = await machineDirectory(this.#qemu);
		try {
			const vm = await startVirtualMachine(
				directory,
				["-S", ...args],
				this.#qemu,
			);
			try {
				return await act(vm);
			} finally {
				await vm.stop();
			}
		} catch (error) {
			return (error as Error).message;
		} finally {
			await rm(directory, { recursive: true, force: true });
		}
	}

	/** Reads all there is; `read` is what ended it, or what it hung on. */
	async #readAll(vm: VirtualMachine): Promise<{ read?: string; said: string }> {
		let said = "";
		vm.process.stderr?.on("data", (chunk) => {
			said = `${said}${chunk}`.slice(-500);
		});
		const over = once(vm.process, "exit").then(([_code, signal]) => {
			said = `${said.trim()} (${signal})`;
			return undefined;
		});
		let asked = "the greeting";
		const readObjects = async (): Promise<true> => {
			const qmp = await RawQmp.connect(vm.socket);
			for (let level = [{ path: "/", type: "container" }]; level.length > 0; ) {
				const next: typeof level = [];
				for (const { path, type } of level) {
					asked = `the list of ${type}`;
					const properties: RawReply[] = await qmp.execute("qom-list", {
						path,
					});
					for (const { name, type } of properties)
						if (type.startsWith("child<"))
							next.push({
								path: childPath(path, name),
								type: type.slice("child<".length, -1),
							});
					// QEMU answers in order, so the first one without an answer is the one.
					const reads = properties
						.map(({ name }) => ({ name, read: `${type}.${name}` }))
						.filter(({ read }) => !this.#deadly.has(read));
					asked = reads[0]?.read ?? "";
					await Promise.all(
						reads.map(async ({ name }, index) => {
							await qmp.ask("qom-get", { path, property: name });
							this.read++;
							asked = reads[index + 1]?.read ?? "";
						}),
					);
				}
				level = next;
			}
			qmp.close();
			return true;
		};
		const isDone = await Promise.race([readObjects(), over]);
		return isDone ? { said } : { read: asked, said };
	}

	async #help(...option: string[]): Promise<string> {
		const [program, ...prefix] = this.#qemu.command;
		const { stdout } = await promisify(execFile)(
			program,
			[...prefix, "-display", "none", ...option],
			{ maxBuffer: 2 ** 24 },
		);
		return stdout;
	}
}

function argsOf({ device, before, options }: Recipe): string[] {
	return [...before, "-device", [device, ...options].join(",")];
}

function names(text: string, pattern: RegExp): string[] {
	const found = text.split("\n").map((line) => pattern.exec(line)?.[1]);
	return found.filter((name) => name !== undefined);
}

/** Two at a time. */
async function each<T>(
	items: readonly T[],
	act: (item: T) => Promise<unknown>,
): Promise<void> {
	const left = items[Symbol.iterator]();
	const worker = async () => {
		for (const item of left) await act(item);
	};
	await Promise.all([worker(), worker()]);
}

const root = debianRoot("debian-testing-all", "testing", ["qemu-system"]);
const chosen = process.argv.slice(2);
const emulators = readdirSync(join(root, "usr/bin"), { withFileTypes: true })
	.filter((entry) => entry.isFile() && /^qemu-system-[\w-]+$/.test(entry.name))
	.map(({ name }) => name)
	.filter((name) => chosen.length === 0 || chosen.includes(name));
const kills: Kill[] = [];
console.log(
	"| emulator | machines | with devices | devices | values | kills |",
);
console.log("|---|---|---|---|---|---|");
for (const emulator of emulators) {
	const hunt = new Hunt(root, emulator);
	await hunt.run();
	kills.push(...hunt.kills);
}
console.log("\n| emulator | machine | read | QEMU said |\n|---|---|---|---|");
for (const { emulator, machine, read, said } of kills)
	console.log(
		`| ${emulator} | ${machine} | ${read} | ${said.replace(/\s+/g, " ")} |`,
	);
