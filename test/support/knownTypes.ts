/** A machine, and what an independent client hears of the types of its QEMU. */
import { startTestMachine, type TestMachine } from "./mounted.ts";
import { RawQmp } from "./rawQmp.ts";

export interface KnownType {
	readonly name: string;
	readonly parent?: string;
	readonly abstract?: boolean;
}

export interface KnownTypes {
	readonly vm: TestMachine;
	/** On the second monitor. */
	readonly qmp: RawQmp;
	/** Whether it is a QEMU before 10. */
	readonly isOld: boolean;
	readonly types: readonly KnownType[];
}

/** With a device whose type is in use. */
export async function startKnownTypes(): Promise<KnownTypes> {
	const vm = await startTestMachine([
		...["-M", "q35", "-S", "-device", "virtio-rng-pci,id=rng0"],
	]);
	const qmp = await RawQmp.connect(vm.secondSocket);
	const { qemu } = await qmp.execute("query-version");
	const types = await qmp.execute("qom-list-types", { abstract: true });
	return { vm, qmp, isOld: qemu.major < 10, types };
}
