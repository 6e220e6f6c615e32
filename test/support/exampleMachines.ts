/** The machines that the examples of the documents are for. */
import {
	defaultQemu,
	otherProgram,
	type Qemu,
	smallMachine,
} from "../../tools/virtualMachine.ts";

export interface ExampleMachine {
	readonly args: readonly string[];
	/** What the document has to show of them, so that a reader can start the same. */
	readonly shown: readonly string[];
	/** Undefined where it is not installed. */
	readonly qemu: Qemu | undefined;
	/** The first two numbers of the QEMU that has printed the examples. */
	readonly printedBy: string;
}

/** Room for more memory. */
const memory = [
	...["-m", "128,slots=2,maxmem=2G"],
	...["-object", "memory-backend-ram,id=vmem0,size=1G,reserve=off"],
	...["-device", "virtio-mem-pci,id=vm0,memdev=vmem0"],
];

/** Sensors, a power monitor and LEDs on the I2C buses of a board controller. */
const sensors = [
	...["-M", "ast2600-evb"],
	...["-device", "tmp105,id=inlet,bus=aspeed.i2c.bus.3,address=0x48"],
	...["-device", "emc1413,id=board,bus=aspeed.i2c.bus.3,address=0x4c"],
	...["-device", "adm1272,id=hotswap,bus=aspeed.i2c.bus.4,address=0x10"],
	...["-device", "pca9552,id=leds,bus=aspeed.i2c.bus.5,address=0x60"],
];

/** By the name that stands in a document; the demo's has none, for everybody can repeat it. */
export const exampleMachines: Readonly<Record<string, ExampleMachine>> = {
	demo: {
		args: smallMachine,
		shown: [],
		qemu: defaultQemu,
		printedBy: "7.2",
	},
	memory: {
		args: ["-M", "q35", ...memory, "-S"],
		shown: memory,
		qemu: defaultQemu,
		printedBy: "7.2",
	},
	bmc: {
		args: [...sensors, "-S"],
		shown: sensors,
		qemu: otherProgram("qemu-system-arm"),
		printedBy: "11.1",
	},
};
