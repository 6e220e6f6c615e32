/**
 * A machine with much to write in it, mounted: a proxy on its first monitor tells what QEMU was
 * asked, and its second monitor what QEMU has.
 */
import { join } from "node:path";
import { expect } from "vitest";
import { smallMachine } from "../../tools/virtualMachine.ts";
import { CountingProxy, type ProxiedRequest } from "./countingProxy.ts";
import {
	type Finished,
	type Mounted,
	mountQomfs,
	run,
	startTestMachine,
	type TestMachine,
} from "./mounted.ts";
import { RawQmp, type RawReply } from "./rawQmp.ts";

/** The small machine, and whatever else has something to write. */
export const writtenMachine = [
	...[...smallMachine, "-S", "-m", "128,maxmem=1G,slots=2"],
	...["-object", "memory-backend-ram,id=vmem0,size=64M"],
	...["-device", "virtio-mem-pci,id=vmem,memdev=vmem0"],
	...["-object", "filter-dump,id=fd0,netdev=nd0,file=/dev/null"],
	...["-object", "rng-random,id=r0,filename=/dev/urandom"],
	...["-object", "rng-random,id=r1,filename=/dev/urandom"],
	...["-object", "secret,id=sec1,data=hello"],
];

export const lacksPython = (await run("python3", ["-c", ""])).status !== 0;
export const noPython = "python3 is not installed";

/** For a shell; `"$M"` goes in front of it, for a path in the mount. */
export function quote(text: string): string {
	return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A path in the mount, for a shell. */
export function file(path: string): string {
	return `"$M"${quote(path)}`;
}

export class WrittenMount {
	readonly vm: TestMachine;
	readonly qmp: RawQmp;
	readonly proxy: CountingProxy;
	readonly #options: string | undefined;
	#mounted: Mounted;

	/**
	 * @param options of the mount: nothing is forgotten in the midst of a test, and QEMU may take
	 * its time with hundreds of kilobytes, unless it says so; empty for the default ones
	 */
	static async start(
		options = "cache_timeout=60,value_timeout=2,timeout=60",
	): Promise<WrittenMount> {
		const vm = await startTestMachine(writtenMachine);
		const qmp = await RawQmp.connect(vm.secondSocket);
		const socket = socketOf(vm);
		const proxy = await CountingProxy.listen(socket, vm.socket);
		const mounted = await mountQomfs(socket, options);
		return new WrittenMount(vm, qmp, proxy, options, mounted);
	}

	private constructor(
		vm: TestMachine,
		qmp: RawQmp,
		proxy: CountingProxy,
		options: string,
		mounted: Mounted,
	) {
		this.vm = vm;
		this.qmp = qmp;
		this.proxy = proxy;
		this.#options = options;
		this.#mounted = mounted;
	}

	get mounted(): Mounted {
		return this.#mounted;
	}

	/** What QEMU has. */
	get(path: string, property: string): Promise<RawReply> {
		return this.qmp.execute("qom-get", { path, property });
	}

	sh(line: string, shell?: string): Promise<Finished> {
		return this.#mounted.sh(line, shell);
	}

	/** Runs a line that must succeed in silence, and returns what QEMU was asked. */
	asked(line: string): Promise<ProxiedRequest[]> {
		return this.proxy.during(async () => {
			expect(await this.sh(line)).toMatchObject({ status: 0, stderr: "" });
		});
	}

	/** Mounts again: what was listed before an object came may be shown for long. */
	async mountAnew(): Promise<void> {
		await this.#mounted.unmount();
		this.#mounted = await mountQomfs(socketOf(this.vm), this.#options);
	}

	async stop(): Promise<void> {
		await this.#mounted.unmount();
		await this.proxy.close();
		this.qmp.close();
		await this.vm.stop();
	}
}

function socketOf(vm: TestMachine): string {
	return join(vm.directory, "proxy.sock");
}
